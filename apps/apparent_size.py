"""How large people are in the picture, whatever their pose: it tells who is nearer, and changes steadily as they walk.

Of two who cross, one is the nearer, and neither comes nearer at a leap. Boxes would not tell: they change with every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.types import Floats, Track

WINDOW_S = 0.5  # of rows on one side of a moment that say how large somebody is there, and how that changes
NOISE = 0.06  # of the logarithm of the size in one row; errors live for some frames, so it is more than what rows jump by
FRESH_S = 1 / 30  # rows that follow each other sooner have part of their errors in common
PACE = 0.3  # a second, of the logarithm: how people come nearer, as one who walks up from 5 m away
TURN = 0.15  # a second, of the logarithm: how far off that pace leads
WORST = 8.0  # in units of e; no leap counts more, for a lift may be wrong altogether


@dataclass(frozen=True)
class Sizes:
    """Of one person: frame (N,), rising, time_s (N,), and log_size (N,), the logarithm of what `metre_px` says."""

    frame: NDArray[np.int64]
    time_s: Floats
    log_size: Floats


def sizes_of(track: Track) -> Sizes:
    """A track's sizes, without the rows that have none."""
    size = metre_px(track)
    known = size > 0
    return Sizes(track.frame[known], track.time_s[known], np.log(size[known]))


def metre_px(track: Track) -> Floats:
    """(T,) pixels that one metre of the lift's across the view is long in the picture; NaN with fewer than two joints.

    Least squares over the joints, weighted by their scores: the scale of a weak perspective camera. The lift's people are all
    of one size (posecore.scale), so it is the same for one person at one distance in every pose.
    """
    weight = np.where(np.isfinite(track.xyz_m).all(axis=-1) & np.isfinite(track.xy_px).all(axis=-1), track.score, 0.0)
    weight = (weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9))[..., None]
    across, place = np.nan_to_num(track.xyz_m[..., :2]), np.nan_to_num(track.xy_px)
    across = across - (weight * across).sum(axis=1, keepdims=True)
    place = place - (weight * place).sum(axis=1, keepdims=True)
    spread = (weight * across**2).sum(axis=(1, 2))
    return (weight * across * place).sum(axis=(1, 2)) / np.where(spread > 1e-6, spread, np.nan)


def leap(before: Sizes, after: Sizes, frame: int) -> float:
    """How unlikely it is by size that who is one before a frame is the other from it on, 0 to WORST in units of e.

    On either side a line through the logarithms of the last or first rows, its slope thought to be about none; where they
    meet, half way over the gap, both say how large he is, each the less sure the farther away (Gaussian). 0 where either
    has no rows.
    """
    left, right = int(np.searchsorted(before.frame, frame)), int(np.searchsorted(after.frame, frame))
    if left == 0 or right == len(after.frame):
        return 0.0
    end_s, start_s = before.time_s[left - 1], after.time_s[right]
    rows = slice(int(np.searchsorted(before.time_s, end_s - WINDOW_S)), left)
    others = slice(right, int(np.searchsorted(after.time_s, start_s + WINDOW_S, side="right")))
    middle_s = 0.5 * (end_s + start_s)
    one, one_var = _line(before.time_s[rows] - middle_s, before.log_size[rows])
    other, other_var = _line(after.time_s[others] - middle_s, after.log_size[others])
    variance = one_var + other_var + (TURN * (start_s - end_s)) ** 2
    return min(0.5 * (one - other) ** 2 / variance, WORST)


def _line(time_s: Floats, size: Floats) -> tuple[float, float]:
    """Value and variance at time 0 of a line through sizes at times, with a Gaussian prior on its slope."""
    fresh = min((1 + float(time_s[-1] - time_s[0]) / FRESH_S) / len(time_s), 1.0)
    n, t, tt = fresh * len(time_s), fresh * float(time_s.sum()), fresh * float(time_s @ time_s) + (NOISE / PACE) ** 2
    s, ts = fresh * float(size.sum()), fresh * float(time_s @ size)
    determinant = n * tt - t * t
    return (tt * s - t * ts) / determinant, NOISE**2 * tt / determinant
