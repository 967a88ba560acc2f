"""Second thoughts about who is who, once a clip is known from both its ends.

While two people cover each other the detector may find one body and give it the number of the one behind. Frame by frame nobody
can tell; afterwards it shows: the one in front has a short gap there, and the other lies, for as long, where the first must
have been. Such rows are struck. They are gaps then, which the fit bridges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from apps.followed import apart_px
from posecore.types import Track

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReviseSettings:
    """Which rows lie where somebody else must have been."""

    absence_s: float = 1.0  # a person back within so many seconds is expected on the straight way between; 0 strikes nothing
    distance: float = 0.1  # of the pose's extent in the picture; a pose nearer to where another is expected may be his


def strike_misplaced(tracks: Sequence[Track], settings: ReviseSettings) -> tuple[list[Track], int]:
    """The tracks without the rows that lie where another person must have been, and how many those were.

    A row goes if another track has a gap there, of `absence_s` at most, and the joints lie within `distance` of the straight
    way across that gap and nearer to it than to the straight way across the row's own track.
    """
    struck = [_misplaced(track, [other for other in tracks if other is not track], settings) for track in tracks]
    kept = [_keep_rows(track, ~rows) if rows.any() else track for track, rows in zip(tracks, struck, strict=True)]
    return kept, int(sum(rows.sum() for rows in struck))


def _misplaced(track: Track, others: Sequence[Track], settings: ReviseSettings) -> NDArray[np.bool_]:
    """(T,) rows of a track to strike. Without rows before and after a gap nothing tells where its own person was."""
    struck = np.zeros(len(track.frame), dtype=bool)
    for other in others:
        for left, right in _gaps(other, settings.absence_s):
            inside = np.flatnonzero((track.frame > other.frame[left]) & (track.frame < other.frame[right]))
            if not len(inside) or inside[0] == 0 or inside[-1] == len(track.frame) - 1:
                continue
            xy_px, time_s = track.xy_px[inside], track.time_s[inside]
            ways = _straight(other, left, right, time_s), _straight(track, inside[0] - 1, inside[-1] + 1, time_s)
            from_other_px, from_own_px = (np.array([apart_px(a, b) for a, b in zip(xy_px, way, strict=True)]) for way in ways)
            reach_px = settings.distance * np.ptp(xy_px, axis=1).max(axis=1)
            struck[inside] |= (from_other_px < from_own_px) & (from_other_px < reach_px)
    return struck


def _gaps(track: Track, longest_s: float) -> Iterator[tuple[int, int]]:
    """Rows before and after every gap that is not too long."""
    for row in np.flatnonzero(np.diff(track.frame) > 1):
        if track.time_s[row + 1] - track.time_s[row] <= longest_s:
            yield int(row), int(row) + 1


def _straight(track: Track, left: int, right: int, time_s: Floats) -> Floats:
    """(n, 21, 2) joints at these times on the straight way from one row to another, pixels."""
    share = (time_s - track.time_s[left]) / (track.time_s[right] - track.time_s[left])
    return track.xy_px[left] + share[:, None, None] * (track.xy_px[right] - track.xy_px[left])


def _keep_rows(track: Track, rows: NDArray[np.bool_]) -> Track:
    """The track with these rows only."""
    return replace(track, **{f.name: getattr(track, f.name)[rows] for f in fields(track) if f.name != "person"})
