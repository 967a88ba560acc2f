"""One person while the clip runs: where to look for him next, and what has been seen of him."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lift3d.choice import choose_places
from lift3d.spikes import doubt_spikes
from posecore.skeleton import convert, load_skeleton
from posecore.types import Crop, Detection2D, Frame, Pose3D, Track

_USUAL_RATE = 0.03  # of a person's usual confidence, per frame
_NOWHERE = np.tile(np.array([np.nan] * 2 + [0.0] + [np.nan] * 5, dtype=np.float32), (21, 1))  # no second place


class Rows:
    """What was seen of a person, frame by frame: (N, 2, 21, 8) float32, best and second place of every joint.

    In one array that doubles when it is full. A small array of its own for every frame would stay wherever the pictures of that
    moment had left room, and cut up what they leave: on a ten-minute clip the heap grew fourfold.
    """

    def __init__(self) -> None:
        self._kept = np.empty((0, 2, *_NOWHERE.shape), dtype=np.float32)
        self._first, self._end = 0, 0

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def array(self) -> NDArray[np.float32]:
        """All rows, a view."""
        return self._kept[self._first : self._end]

    def append(self, best: NDArray, second: NDArray) -> None:
        """One frame's places (21, 8)."""
        if self._end == len(self._kept):
            kept = np.empty((max(2 * len(self), 64), *self._kept.shape[1:]), dtype=np.float32)
            kept[: len(self)] = self.array
            self._kept, self._first, self._end = kept, 0, len(self)
        self._kept[self._end] = best, second
        self._end += 1

    def forget_last(self, count: int) -> None:
        """Strike the last rows."""
        self._end = max(self._first, self._end - count)

    def forget_first(self, count: int) -> None:
        """Strike the first rows."""
        self._first = min(self._end, self._first + count)


@dataclass(frozen=True)
class Looks:
    """What one person wore: frame (N,), rising, and colours (N, 3, 3) as pose2d.appearance sees them, NaN where not seen."""

    frame: NDArray[np.int64]
    colours: NDArray[np.float64]


def keep_rows(item: Any, rows: NDArray[np.bool_]) -> Any:
    """A Track or Looks with these rows only."""
    return replace(item, **{f.name: getattr(item, f.name)[rows] for f in fields(item) if f.name != "person"})


def merged(one: Any, other: Any) -> Any:
    """The rows of both (of Track or Looks) by frame, under the former's name."""
    order = np.argsort(np.concatenate([one.frame, other.frame]), kind="stable")
    names = [f.name for f in fields(one) if f.name != "person"]
    return replace(one, **{name: np.concatenate([getattr(one, name), getattr(other, name)])[order] for name in names})


@dataclass
class Followed:
    """One person while the clip runs; crop is None while he is lost, rival a second place to look in this frame."""

    crop: Crop | None
    is_new: bool = True
    rival: Crop | None = None
    last: Crop | None = None  # where he was looked for last, lost or not
    usual: float = 0.0  # confidence, as a slow mean
    now: float = 0.0  # confidence in the last frame
    found: int = 0  # looks that found him
    missed: int = 0  # looks that did not, while the lift followed him
    missed_in_a_row: int = 0
    seen_s: float = -np.inf  # by either network
    found_s: float = -np.inf  # by the detector
    found_xy_px: NDArray[np.float64] = field(default_factory=lambda: np.full((21, 2), np.nan))  # joints by the detector then
    frames: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    looks: list[tuple[int, list[float]]] = field(default_factory=list)  # frame and colours; no arrays: see Rows

    def add(self, frame: Frame, pose: Pose3D) -> None:
        """Write down what the lift saw of him."""
        self.now = confidence(pose)
        self.usual = self.usual + _USUAL_RATE * (self.now - self.usual) if len(self.rows) else self.now
        self.seen_s = frame.time_s
        self.frames.append(frame.index)
        self.times_s.append(frame.time_s)
        self.rows.append(_columns(pose), _NOWHERE if pose.second is None else _columns(pose.second))

    def forget_last(self, count: int) -> None:
        """Strike his last rows."""
        for values in (self.frames, self.times_s):
            del values[max(0, len(values) - count) :]
        self.rows.forget_last(count)

    def forget_first(self, count: int) -> None:
        """Strike his first rows, which nobody needs any longer."""
        for values in (self.frames, self.times_s):
            del values[:count]
        self.rows.forget_first(count)
        first = self.frames[0] if self.frames else np.inf
        self.looks = [look for look in self.looks if look[0] >= first]

    def pose(self, row: int) -> Pose3D:
        """One row as the lift gave it."""
        return Pose3D(*_split(self.rows.array[row, 0]))

    def worn(self) -> Looks:
        """What the detector's looks saw him wear."""
        frames = np.array([frame for frame, _ in self.looks], dtype=np.int64)
        return Looks(frames, np.array([colours for _, colours in self.looks], dtype=np.float64).reshape(-1, 3, 3))

    def track(self, number: int) -> Track:
        """His rows, every joint at that of its places that fits the motion, without trust where none does; float32, as the
        stage file keeps them."""
        frames, times = np.array(self.frames, dtype=np.int64), np.array(self.times_s)
        best, second = (Track(number, frames, times, *_split(self.rows.array[:, k])) for k in (0, 1))
        return doubt_spikes(choose_places(best, second))


def _columns(pose: Pose3D) -> NDArray[np.float32]:
    """(21, 8): xy_px, score, xyz_m, sigma_m."""
    return np.column_stack([pose.xy_px, pose.score, pose.xyz_m, pose.sigma_m])


def _split(columns: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """(..., 21, 8) to xy_px, score, xyz_m, sigma_m."""
    xy, score, xyz, sigma = np.split(columns.astype(np.float64), [2, 3, 6], axis=-1)
    return xy, score[..., 0], xyz, sigma


def joints_of(detection: Detection2D) -> NDArray[np.float64]:
    """(21, 2) a detection's joints in the lift's order, NaN where there are none."""
    return convert(detection.xy_px, load_skeleton(detection.skeleton), load_skeleton("vnect21")).astype(np.float64)


def apart_px(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Median distance of the joints (21, 2) that both have; infinite without any."""
    away = np.linalg.norm(one - other, axis=1)
    known = np.isfinite(away)
    return float(np.median(away[known])) if known.any() else np.inf


def is_another_s(pose: Pose3D, person: Followed, others: Sequence[Followed]) -> bool:
    """Whether a pose lies nearer to what the detector found of one of the others, no less lately, than of this person."""
    own_px = apart_px(pose.xy_px, person.found_xy_px)
    return any(apart_px(pose.xy_px, p.found_xy_px) < own_px for p in others if p.found_s >= person.found_s)


def are_close(one: Crop | None, other: Crop | None, reach: float) -> bool:
    """Whether the middles of two crops lie nearer, in x and in y, than `reach` of the larger one's side."""
    if one is None or other is None:
        return False
    return float(np.abs(one.centre_px - other.centre_px).max()) < reach * max(one.side_px, other.side_px)


def confidence(pose: Pose3D) -> float:
    """Mean score of the better half of the joints: a person half outside the picture is still sure."""
    best = np.sort(pose.score)[len(pose.score) // 2 :]
    return float(best.mean())
