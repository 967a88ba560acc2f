"""People before a running camera: each frame is answered at once, from the frames up to it (fitting.causal)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.observe import Observer
from apps.overlay import Overlay
from apps.pipeline import Networks
from apps.settings import Settings
from fitting.causal import CausalFitter, FittedFrame
from posecore.camera import Camera
from posecore.types import Floats, Frame, Motion

REMEMBERED_S = 5.0  # what the follower keeps of the past; it looks back about a second
LATENCY_FRAMES = 100  # over which latency is told


@dataclass(frozen=True)
class LiveFrame:
    """What was found in one frame: people by number; seconds from the frame's arrival to its answer."""

    frame: Frame
    people: dict[int, FittedFrame]
    latency_s: float

    @property
    def xyz_m(self) -> dict[int, Floats]:
        """(21, 3) joints in the camera frame by person, as Viewer.show takes them."""
        return {person: fitted.xyz_m for person, fitted in self.people.items()}

    def drawn(self) -> NDArray[np.uint8]:
        """The picture with the skeletons on it."""
        return Overlay([_motion(person, self.frame, fitted) for person, fitted in self.people.items()]).draw(
            self.frame.rgb, self.frame.index
        )


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
        self._camera, self._settings, self._clock = camera, settings, clock
        self._fitters: dict[int, CausalFitter] = {}
        self._numbers: dict[int, int] = {}
        self._latency_s: deque[float] = deque(maxlen=LATENCY_FRAMES)

    def step(self, frame: Frame, arrived_s: float | None = None) -> LiveFrame:
        """Answer one frame; people who are out of sight for longer than the fit bridges are forgotten."""
        start_s = self._clock() if arrived_s is None else arrived_s
        self._observer.see(frame)
        self._observer.forget_before(frame.time_s - REMEMBERED_S)
        seen = self._observer.latest()
        people = {}
        for tracked in sorted({*self._fitters, *seen}, key=self._number):
            fitter = self._fitters.setdefault(tracked, self._new_fitter())
            fitted = fitter.update(frame.time_s, seen.get(tracked))
            if fitted is None:
                del self._fitters[tracked]
            else:
                people[self._number(tracked)] = fitted
        self._latency_s.append(self._clock() - start_s)
        return LiveFrame(frame, people, self._latency_s[-1])

    def latency_ms(self) -> tuple[float, float]:
        """Median and 95th percentile over the last frames; NaN before the first."""
        if not self._latency_s:
            return float("nan"), float("nan")
        p50, p95 = np.percentile(np.array(self._latency_s), [50, 95])
        return 1000 * float(p50), 1000 * float(p95)

    def _new_fitter(self) -> CausalFitter:
        return CausalFitter(self._camera, self._settings.people.height_m, self._settings.fit)

    def _number(self, tracked: int) -> int:
        """People are numbered from 1 in the order in which they come."""
        return self._numbers.setdefault(tracked, len(self._numbers) + 1)


def _motion(person: int, frame: Frame, fitted: FittedFrame) -> Motion:
    """One fitted frame as a motion of one row, for drawing."""
    unknown = np.full((1, len(fitted.source), 2), np.nan)
    return Motion(
        person,
        np.array([frame.index]),
        np.array([frame.time_s]),
        fitted.xyz_m[None],
        fitted.quaternion_xyzw[None],
        np.zeros(len(fitted.source)),
        fitted.xy_px[None],
        unknown,
        fitted.source[None],
    )
