"""When people are near each other in the picture, once the tracks of a clip are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from apps.followed import Looks, keep_rows
from pose2d.motion import body_size_px
from posecore.oks import joints_box
from posecore.types import Floats, Track

PAUSE_S = 1 / 3  # who are near again so soon have not parted
Frames = NDArray[np.int64]
Near = dict[tuple[int, int], Frames]  # frames in which two people, by their places in the list, are near each other


def near_by_pair(tracks: Sequence[Track], apart: float) -> Near:
    """Frames in which the middles of two people, on the straight way across their gaps, are nearer than so many sizes."""
    places = [places_of(track, np.arange(track.frame[0], track.frame[-1] + 1)) for track in tracks]
    near = {}
    for a, b in combinations(range(len(tracks)), 2):
        firsts = tracks[a].frame[0], tracks[b].frame[0]
        frames = np.arange(max(firsts), min(tracks[a].frame[-1], tracks[b].frame[-1]) + 1)
        (x0, y0, size0), (x1, y1, size1) = (places[k][:, frames - first] for k, first in zip((a, b), firsts, strict=True))
        near[a, b] = frames[np.hypot(x0 - x1, y0 - y1) < apart * np.maximum(size0, size1)]
    return near


def places_of(track: Track, frames: Frames) -> Floats:
    """(3, F): x and y of the body's middle and its size, pixels, in frames of which some may lie in gaps."""
    box = joints_box(track.xy_px)
    rows = np.column_stack([0.5 * (box[:, :2] + box[:, 2:]), body_size_px(track.xy_px)])
    return np.stack([np.interp(frames, track.frame, column) for column in rows.T])


def near_others(which: int, near: Near) -> Frames:
    """All frames, rising, in which somebody is near one of the people."""
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(f for pair, f in near.items() if which in pair)]))


def alone(which: int, looks: Looks, near: Near) -> Looks:
    """The looks of one person in frames in which nobody else is near."""
    return keep_rows(looks, ~np.isin(looks.frame, near_others(which, near)))


def meetings(frames: Frames, rate_fps: float) -> Iterator[Frames]:
    """Frames in which two are near, one meeting after the other."""
    if len(frames):
        yield from np.split(frames, np.flatnonzero(np.diff(frames) > frames_in(PAUSE_S, rate_fps)) + 1)


def frames_in(time_s: float, rate_fps: float) -> int:
    """How many frames a time comes to, at least one."""
    return max(1, round(time_s * rate_fps))
