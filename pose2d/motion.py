"""Where a tracked person is and will be in the image: a Kalman filter on the place of the body, a memory of its joints.

The place is not the box's centre, which jumps when joints are missed, but a point that moves with whatever joints are seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray

from posecore.oks import joints_box
from posecore.skeleton import convert, load_skeleton
from posecore.types import Detection2D, Floats

SKELETON = load_skeleton("openpose18")


@dataclass(frozen=True)
class MotionSettings:
    """How people move. Their size is the square root of their box's area, about 0.4 of a stature."""

    speed_sigma: float = 1.5  # sizes per second; speed of a person of whom nothing is known yet
    speed_walk: float = 0.7  # sizes per second and root second; how fast a speed changes; more follows turns, less crossings
    place_sigma: float = 0.04  # sizes; error of a place measured by all joints; inversely more by fewer
    joint_drift: float = 0.5  # sizes per second unseen; how fast limbs swing out of the pose in which they were seen
    joint_memory_s: float = 1.0  # seconds; a joint unseen for longer is forgotten


def comparable_xy_px(detection: Detection2D) -> Floats:
    """(18, 2) joints in openpose18's order, whatever the detection's skeleton; NaN where it has none."""
    return convert(detection.xy_px, load_skeleton(detection.skeleton), SKELETON).astype(np.float64)


def body_size_px(xy_px: Floats) -> Floats:
    """(...,) root of the area of the box around joints (..., 18, 2), never thought thinner than a third of its length."""
    box = joints_box(xy_px)
    sides = box[..., 2:] - box[..., :2]
    return np.sqrt(np.maximum(np.maximum(sides.prod(axis=-1), sides.max(axis=-1) ** 2 / 3), 1.0))


def nan_median(values: Floats) -> Floats:
    """Medians (..., C) over the N rows of (..., N, C) that are not NaN; NaN, and no warning, where there are none."""
    rows = np.sort(values, axis=-2)  # NaN last
    count = np.isfinite(values).sum(axis=-2, keepdims=True)
    middle = [np.take_along_axis(rows, np.maximum(k, 0), axis=-2) for k in ((count - 1) // 2, count // 2)]
    return np.where(count > 0, 0.5 * (middle[0] + middle[1]), np.nan)[..., 0, :]


class BodyMotion:
    """One person's motion. Joints are kept relative to the filtered place, each as last seen."""

    def __init__(self, time_s: float, xy_px: Floats, settings: MotionSettings):
        self.settings = settings
        self.time_s = time_s
        place = np.nanmean(xy_px, axis=0)
        self._offset_px = xy_px - place
        self._seen_s = np.where(np.isfinite(xy_px[:, 0]), time_s, -np.inf)
        self._filter = KalmanFilter(dim_x=4, dim_z=2)
        self._filter.x = np.array([*place, 0.0, 0.0])[:, None]
        self._filter.H = np.eye(2, 4)
        deviation = self.size_px * np.repeat([settings.place_sigma, settings.speed_sigma], 2)
        self._filter.P = np.diag(deviation**2)

    @property
    def size_px(self) -> float:
        """Size of the body as last seen."""
        return float(body_size_px(self._offset_px))

    @property
    def last_xy_px(self) -> Floats:
        """(18, 2) joints at the last observation."""
        return self._filter.x[:2, 0] + self._offset_px

    def joint_doubt_px(self, time_s: float) -> Floats:
        """(18,) standard deviation that each joint gains, relative to the place, in the time since it was last seen."""
        unseen_s = np.minimum(time_s - self._seen_s, self.settings.joint_memory_s)
        return self.settings.joint_drift * unseen_s * self.size_px

    def predict(self, time_s: float) -> tuple[Floats, float]:
        """Joints (18, 2) expected at a time and the standard deviation of their common place, pixels; changes nothing."""
        step, noise = self._step(time_s)
        covariance = step @ self._filter.P @ step.T + noise
        return (step @ self._filter.x)[:2, 0] + self._offset_px, float(np.sqrt(covariance[0, 0]))

    def correct(self, time_s: float, xy_px: Floats) -> None:
        """Take in joints (18, 2) seen at a time; the place moves by the median of the joints' surprises."""
        step, noise = self._step(time_s)
        self._filter.predict(F=step, Q=noise)
        place = self._filter.x[:2, 0]
        surprise = xy_px - (place + self._offset_px)
        common = np.isfinite(surprise[:, 0])
        if common.any():
            # A place told by few joints is that much less sure: half a body beside another is often half the other's.
            error_px = self.settings.place_sigma * self.size_px * len(common) / common.sum()
            self._filter.R = np.eye(2) * error_px**2
            self._filter.update((place + np.median(surprise[common], axis=0))[:, None])
        seen = np.isfinite(xy_px[:, 0])
        self._seen_s[seen] = time_s
        self._offset_px[seen] = xy_px[seen] - self._filter.x[:2, 0]
        self._offset_px[self._seen_s < time_s - self.settings.joint_memory_s] = np.nan
        self.time_s = time_s

    def _step(self, time_s: float) -> tuple[NDArray, NDArray]:
        """Constant velocity whose change is white noise: (4, 4) transition and its noise, exact for any time step."""
        dt = time_s - self.time_s
        step, noise = np.eye(4), np.zeros((4, 4))
        step[[0, 1], [2, 3]] = dt
        axes = np.arange(2)
        noise[axes, axes] = dt**3 / 3
        noise[axes, axes + 2] = noise[axes + 2, axes] = dt**2 / 2
        noise[axes + 2, axes + 2] = dt
        return step, noise * (self.settings.speed_walk * self.size_px) ** 2
