"""People before a running camera: each frame is answered at once, from the frames up to it (fitting.causal)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.observe import Observer
from apps.overlay import Overlay
from apps.pipeline import Networks
from apps.settings import Settings
from fitting.causal import CausalFitter, FittedFrame
from posecore.camera import Camera
from posecore.types import Frame, Motion, Pose3D

REMEMBERED_S = 5.0  # what the follower keeps of the past; it looks back about a second
LATENCY_FRAMES = 100  # over which latency is told


@dataclass(frozen=True)
class LiveFrame:
    """What was found in one frame: people by number; seconds from the frame's arrival to its answer."""

    frame: Frame
    people: dict[int, FittedFrame]
    latency_s: float

    def drawn(self) -> NDArray[np.uint8]:
        """The picture with the skeletons on it."""
        motions = [motion_of(person, [(self.frame.index, fitted)]) for person, fitted in self.people.items()]
        return Overlay(motions).draw(self.frame.rgb, self.frame.index)


class CausalPeople:
    """The causal fit of everybody in view; people are numbered from 1 in the order in which they come."""

    def __init__(self, camera: Camera, settings: Settings) -> None:
        self._camera, self._settings = camera, settings
        self._fitters: dict[int, CausalFitter] = {}
        self._numbers: dict[int, int] = {}
        self._scene = 0

    def update(self, time_s: float, seen: Mapping[int, Pose3D], scene: int = 0) -> dict[int, FittedFrame]:
        """The people at this time, from lifted poses by the tracker's number; who is away for longer than the fit bridges
        is forgotten, and behind a cut, in another `scene`, is everybody of the one before."""
        if scene != self._scene:
            self._fitters.clear()
            self._scene = scene
        people = {}
        for tracked in sorted({*self._fitters, *seen}, key=self._number):
            fitter = self._fitters.setdefault(tracked, self._new_fitter())
            fitted = fitter.update(time_s, seen.get(tracked))
            if fitted is None:
                del self._fitters[tracked]
            else:
                people[self._number(tracked)] = fitted
        return people

    def _new_fitter(self) -> CausalFitter:
        return CausalFitter(self._camera, self._settings.people.height_m, self._settings.fit)

    def _number(self, tracked: int) -> int:
        return self._numbers.setdefault(tracked, len(self._numbers) + 1)


class LiveSession:
    """`step` takes frames as they come, with rising times, and gives the people in each.

    clock: seconds, for latency; arrived_s in `step` is by the same clock.
    """

    def __init__(
        self, networks: Networks, camera: Camera, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from pose2d.tracker import Tracker

        tracker = Tracker(settings.tracker)
        self._observer = Observer(
            networks.detector, networks.lifter, tracker, camera, settings.detect, settings.follow, settings.cuts
        )
        self.camera, self._clock = camera, clock
        self._people = CausalPeople(camera, settings)
        self._latency_s: deque[float] = deque(maxlen=LATENCY_FRAMES)

    def step(self, frame: Frame, arrived_s: float | None = None) -> LiveFrame:
        """Answer one frame."""
        start_s = self._clock() if arrived_s is None else arrived_s
        self._observer.see(frame)
        self._observer.forget_before(frame.time_s - REMEMBERED_S)
        people = self._people.update(frame.time_s, self._observer.latest(), self._observer.scene)
        self._latency_s.append(self._clock() - start_s)
        return LiveFrame(frame, people, self._latency_s[-1])

    def latency_ms(self) -> tuple[float, float]:
        """Median and 95th percentile over the last frames; NaN before the first."""
        if not self._latency_s:
            return float("nan"), float("nan")
        p50, p95 = np.percentile(np.array(self._latency_s), [50, 95])
        return 1000 * float(p50), 1000 * float(p95)


def motion_of(person: int, rows: Sequence[tuple[int, FittedFrame]]) -> Motion:
    """(frame number, fitted frame) of one person as his motion; what only the whole-clip fit knows is NaN or 0."""
    frames, fitted = zip(*rows, strict=True)
    xyz_m = np.array([f.xyz_m for f in fitted])
    return Motion(
        person,
        np.array(frames),
        np.array([f.time_s for f in fitted]),
        xyz_m,
        np.array([f.quaternion_xyzw for f in fitted]),
        np.zeros(xyz_m.shape[1]),
        np.array([f.xy_px for f in fitted]),
        np.full((*xyz_m.shape[:2], 2), np.nan),
        np.array([f.source for f in fitted]),
    )
