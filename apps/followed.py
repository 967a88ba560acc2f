"""One person while the clip runs: where to look for him next, and what has been seen of him."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posecore.types import Crop, Frame, Pose3D, Track

_USUAL_RATE = 0.03  # of a person's usual confidence, per frame


@dataclass
class Followed:
    """One person while the clip runs; crop is None while he is lost, rival a second place to look in this frame."""

    crop: Crop | None
    is_new: bool = True
    rival: Crop | None = None
    usual: float = 0.0  # confidence, as a slow mean
    now: float = 0.0  # confidence in the last frame
    found: int = 0  # looks that found him
    missed: int = 0  # looks that did not, while the lift followed him
    missed_in_a_row: int = 0
    seen_s: float = -np.inf  # by either network
    frames: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    rows: list[NDArray[np.float32]] = field(default_factory=list)  # (21, 8): xy_px, score, xyz_m, sigma_m

    def add(self, frame: Frame, pose: Pose3D) -> None:
        """Write down what the lift saw of him."""
        self.now = confidence(pose)
        self.usual = self.usual + _USUAL_RATE * (self.now - self.usual) if self.rows else self.now
        self.seen_s = frame.time_s
        self.frames.append(frame.index)
        self.times_s.append(frame.time_s)
        self.rows.append(np.column_stack([pose.xy_px, pose.score, pose.xyz_m, pose.sigma_m]).astype(np.float32))

    def forget_last(self, count: int) -> None:
        """Strike his last rows."""
        for rows in (self.frames, self.times_s, self.rows):
            del rows[max(0, len(rows) - count) :]

    def forget_first(self, count: int) -> None:
        """Strike his first rows, which nobody needs any longer."""
        for rows in (self.frames, self.times_s, self.rows):
            del rows[:count]

    def pose(self, row: int) -> Pose3D:
        """One row as the lift gave it."""
        xy, score, xyz, sigma = np.split(self.rows[row].astype(np.float64), [2, 3, 6], axis=1)
        return Pose3D(xy, score[:, 0], xyz, sigma)

    def track(self, number: int) -> Track:
        """His rows; in the networks' own float32, as the stage file keeps them."""
        xy, score, xyz, sigma = np.split(np.stack(self.rows).astype(np.float64), [2, 3, 6], axis=2)
        frames = np.array(self.frames, dtype=np.int64)
        return Track(number, frames, np.array(self.times_s), xy, score[..., 0], xyz, sigma)


def confidence(pose: Pose3D) -> float:
    """Mean score of the better half of the joints: a person half outside the picture is still sure."""
    best = np.sort(pose.score)[len(pose.score) // 2 :]
    return float(best.mean())
