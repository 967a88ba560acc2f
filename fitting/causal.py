"""The fit for a camera that is running: every frame is answered at once, from the frames up to it.

The energy is that of the whole-clip fit, on the last `window_s` seconds; each new frame starts from the one before and the
whole window takes one Gauss-Newton step, so that the next frame finds it better. VNect (Mehta et al. 2017) fits the newest
frame alone and leans on 1-Euro filters before and after; they are here with its parameters. Before the fit they are off by
default: a window weighs its measurements itself, without their delay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting import normal
from fitting.descent import bounded_step
from fitting.energy import Problem, linearise
from fitting.initial import start_pose
from fitting.kinematics import Pose, bone_quaternions, concatenate, place
from fitting.measure import Measurements, doubt_outside, joined, weigh
from fitting.result import sources
from fitting.settings import FitSettings
from fitting.smoothing import OneEuro
from fitting.solve import prior_lengths
from posecore.camera import Camera, camera_to_image
from posecore.errors import InputError
from posecore.types import Pose3D, Source, Track

Floats = NDArray[np.float64]
DAMPING = 1e-3
SLOWEST_STEP_S = 1.0  # a longer step is no frame rate but an answer that was long in coming


@dataclass(frozen=True)
class CausalSettings:
    """What the causal fit does beyond the energy."""

    window_s: float = 0.4  # how far back the fit looks; longer is calmer and slower
    window_frames: int = 12  # and at most so many frames
    prior_gain: float = 3.0  # on the pull to the middle of every joint's range: so few frames know less of a body than a clip
    first_steps: int = 8  # Gauss-Newton steps for the first frame of a person
    filter_inputs: bool = False  # VNect's 1-Euro filters on 2D and local 3D
    image_cutoff_hz: float = 1.7  # VNect's 1.7 and 0.3 (1/px)
    image_beta: float = 0.3
    lift_cutoff_hz: float = 0.8  # VNect's 0.8 and 0.4 (1/m)
    lift_beta: float = 0.4
    output_cutoff_hz: float = 20.0  # VNect's 20 and 0.4 (1/m)
    output_beta: float = 0.4


@dataclass(frozen=True)
class FittedFrame:
    """One frame's result, as the rows of Motion: xyz_m (21, 3), quaternion_xyzw (21, 4), xy_px (21, 2), source (21,)."""

    time_s: float
    xyz_m: Floats
    quaternion_xyzw: Floats
    xy_px: Floats
    source: NDArray[np.uint8]


class CausalFitter:
    """One person before a running camera; `update` once per frame. A person who was away for `fill_gap_s` starts afresh,
    whatever the frame rate: frames that come slowly are no absence. Nobody is followed over more than `fill_gap_s` and
    1.5 `SLOWEST_STEP_S`, two seconds: what comes more slowly, as a first answer may, is."""

    def __init__(
        self,
        camera: Camera,
        height_m: float | None = None,
        settings: FitSettings | None = None,
        causal: CausalSettings | None = None,
        bone_length_m: Floats | None = None,
    ) -> None:
        self.camera, self.height_m = camera, height_m
        self.causal, s = causal or CausalSettings(), settings or FitSettings()
        self.settings = replace(s, prior=self.causal.prior_gain * s.prior, hinge_prior=self.causal.prior_gain * s.hinge_prior)
        self.bone_length_m = prior_lengths(height_m) if bone_length_m is None else bone_length_m
        self._called_s, self._step_s = -np.inf, np.inf  # the last frame's time, and the shortest step so far
        self._forget()

    def _forget(self) -> None:
        """Start afresh."""
        c = self.causal
        self._window: tuple[Measurements, Pose] | None = None
        self._image = OneEuro(c.image_cutoff_hz, c.image_beta)
        self._lift = OneEuro(c.lift_cutoff_hz, c.lift_beta)
        self._output = OneEuro(c.output_cutoff_hz, c.output_beta)

    def update(self, time_s: float, pose: Pose3D | None) -> FittedFrame | None:
        """The body at this time; None for `pose` if the person was not seen. None is returned while nothing is known."""
        last_s = -np.inf if self._window is None else float(self._window[0].time_s[-1])
        if time_s <= last_s:
            raise InputError(f"causal fit: times must increase, got {time_s:g} s after {last_s:g} s")
        self._step_s = min(self._step_s, time_s - self._called_s)
        self._called_s = time_s
        step_s = min(self._step_s, SLOWEST_STEP_S)  # the only step so far may be the absence itself
        if time_s - last_s > self.settings.fill_gap_s + 1.5 * step_s:  # as `measure.present_rows`, which knows every step
            self._forget()
        if pose is None:
            return self._bridge(time_s)
        rows, poses = self._window = self._take(time_s, pose)
        newest = poses[-1:]
        xyz = self._output(time_s, place(newest, self.bone_length_m).xyz_m[0])
        xy = camera_to_image(xyz, self.camera)
        source = sources(rows.rows(len(rows) - 1, len(rows)), xy[None], self.camera)[0]
        return FittedFrame(time_s, xyz, bone_quaternions(newest)[0], xy, source)

    def _bridge(self, time_s: float) -> FittedFrame | None:
        """A short absence: the last pose stays."""
        if self._window is None:
            return None
        newest = self._window[1][-1:]
        xyz = place(newest, self.bone_length_m).xyz_m[0]
        source = np.full(len(xyz), Source.FILLED, dtype=np.uint8)
        return FittedFrame(time_s, xyz, bone_quaternions(newest)[0], camera_to_image(xyz, self.camera), source)

    def _take(self, time_s: float, seen: Pose3D) -> tuple[Measurements, Pose]:
        """The window with one frame more and one step done, or several for a person's first frame."""
        new = self._measure(time_s, seen)
        if self._window is None:
            pose = start_pose(new, self.camera)
            for _ in range(self.causal.first_steps):
                pose = self._step(new, pose)
            return new, pose
        rows, pose = self._window
        recent = np.flatnonzero(rows.time_s > time_s - self.causal.window_s)[1 - self.causal.window_frames :]
        first = int(recent[0]) if len(recent) else len(rows) - 1
        rows, pose = joined(rows.rows(first, len(rows)), new), concatenate([pose[first:], pose[-1:]])
        return rows, self._step(rows, pose)

    def _step(self, rows: Measurements, pose: Pose) -> Pose:
        """One damped Gauss-Newton step of the whole window."""
        _, system = linearise(Problem(rows, self.camera, self.bone_length_m, self.settings), pose)
        factor = normal.factor(system, DAMPING)
        return pose if factor is None else bounded_step(pose, normal.newton_step(system, factor))

    def _measure(self, time_s: float, pose: Pose3D) -> Measurements:
        """This frame's measurements, as the whole-clip fit weighs them for the present frame rate."""
        xy, xyz = pose.xy_px, pose.xyz_m
        if self.causal.filter_inputs:
            xy, xyz = self._image(time_s, xy), self._lift(time_s, xyz)
        before = [] if self._window is None else [self._window[0].time_s[-1]]
        times = np.array([*before, time_s])
        frames = np.arange(len(times))
        rows = [np.repeat(a[None], len(times), axis=0) for a in (xy, np.nan_to_num(pose.score), xyz, pose.sigma_m)]
        weighed = weigh(Track(0, frames, times, *rows), self.height_m, self.settings).rows(len(times) - 1, len(times))
        return doubt_outside(weighed, self.camera, self.settings.pixel_outside)
