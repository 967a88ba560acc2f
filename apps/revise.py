"""Second thoughts about who is who, once a clip is known from both its ends, by place and by clothes (apps/clothes.py).

While two people cover each other the detector may find one body and give it the number of the one behind. Frame by frame nobody
can tell; afterwards it shows: the one in front has a short gap there, and the other lies, for as long, where the first must
have been. Such rows are struck. They are gaps then, which the fit bridges.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.clothes import ClothesSettings, rejoin
from apps.followed import Looks, apart_px, keep_rows, merged
from apps.pace import pace_px_s
from apps.relink import RelinkSettings, relink
from posecore.oks import body_height_px
from posecore.stages import Clip
from posecore.types import Track

Floats = NDArray[np.float64]
LONG_PACE_S, LONGEST_S = 2 / 15, 0.5  # over which somebody's speed is taken where it is believed for long, and at most


@dataclass(frozen=True)
class ReviseSettings:
    """Which rows lie where somebody else must have been."""

    absence_s: float = 1.0  # a person back within so many seconds is expected on the straight way between; 0 strikes nothing
    lost_s: float = 0.3  # and one who is away for longer, for so many seconds after and before it, where his way led
    distance: float = 0.1  # of the pose's extent in the picture; a pose nearer to where another is expected may be his


def revise(
    tracks: Sequence[Track],
    looks: Sequence[Looks],
    clip: Clip,
    clothes: ClothesSettings,
    linking: RelinkSettings,
    settings: ReviseSettings,
) -> tuple[list[Track], list[str]]:
    """The tracks of a clip after all second thoughts, and a warning for each kind of change.

    looks: what each of them wore (apps.clothes).
    """
    tracks, looks, filled = fill_gaps(tracks, looks, settings)
    numbered, looks, joins = rejoin(tracks, looks, clip, clothes)
    linked, looks, changes = relink(numbered, looks, clip, linking)
    unclear = _rows(numbered) - _rows(linked)
    tracks, _, again = rejoin(linked, looks, clip, clothes)  # who has lost rows may go on elsewhere
    joins += filled + len(numbered) - len(linked) + again
    warnings = [f"people who came back, by place or clothes, and got their old number: {joins}"] if joins else []
    number = {old.person: new.person for old in linked for new in tracks if _begins_in(old, new)}
    warnings += _told([(number[a], number[b], frame) for a, b, frame in changes])
    if unclear:
        warnings.append(f"rows left out that fit none of the people who met: {unclear}")
    tracks, struck = strike_misplaced(tracks, settings)
    if struck:
        warnings.append(f"rows struck in which one person lay where another must have been: {struck}")
    return tracks, warnings


def _rows(tracks: Sequence[Track]) -> int:
    """How many rows there are in all tracks."""
    return sum(len(track.frame) for track in tracks)


def _begins_in(track: Track, other: Track) -> bool:
    """Whether the other has a track's first row."""
    return any(np.array_equal(xy_px, track.xy_px[0], equal_nan=True) for xy_px in other.xy_px[other.frame == track.frame[0]])


def _told(changes: Sequence[tuple[int, int, int]]) -> list[str]:
    """One line for each two people between whom rows were given back: (person, other, frame) as `relink` gives them."""
    frames: dict[tuple[int, int], set[int]] = {}
    for person, other, frame in changes:
        frames.setdefault((min(person, other), max(person, other)), set()).add(frame)
    return [
        f"persons {a} and {b} had been taken for each other, as way, size and clothes show: put right from frame "
        + ", ".join(map(str, sorted(when)))
        for (a, b), when in frames.items()
    ]


def fill_gaps(
    tracks: Sequence[Track], looks: Sequence[Looks], settings: ReviseSettings
) -> tuple[list[Track], list[Looks], int]:
    """The tracks and looks without those that lie, all their time, where another must have been in gaps of his: they are his.

    A gap is of `absence_s` at most, the joints lie within `distance` of the straight way across it, in the median. Last comes
    how many they were.
    """
    tracks, looks, count = list(tracks), list(looks), 0
    for which in reversed(range(len(tracks))):
        owner = next((k for k, other in enumerate(tracks) if k != which and _fills(tracks[which], other, settings)), None)
        if owner is not None:
            tracks[owner], looks[owner] = merged(tracks[owner], tracks[which]), merged(looks[owner], looks[which])
            del tracks[which], looks[which]
            count += 1
    return tracks, looks, count


def _fills(track: Track, other: Track, settings: ReviseSettings) -> bool:
    """Whether every stretch of a track lies in a short gap of another and where he must have been."""
    ends = np.flatnonzero(np.diff(track.frame) > 1) + 1
    return all(_fills_one(track, rows, other, settings) for rows in np.split(np.arange(len(track.frame)), ends))


def _fills_one(track: Track, rows: NDArray[np.int64], other: Track, settings: ReviseSettings) -> bool:
    """Whether one stretch of rows does."""
    right = int(np.searchsorted(other.frame, track.frame[rows[0]]))
    if not 0 < right < len(other.frame) or other.frame[right] <= track.frame[rows[-1]]:
        return False
    if other.time_s[right] - other.time_s[right - 1] > settings.absence_s:
        return False
    xy_px, way = track.xy_px[rows], _straight(other, right - 1, right, track.time_s[rows])
    away_px = [apart_px(a, b) for a, b in zip(xy_px, way, strict=True)]
    return bool(np.median(away_px) < settings.distance * np.median(body_height_px(xy_px)))


def strike_misplaced(tracks: Sequence[Track], settings: ReviseSettings) -> tuple[list[Track], int]:
    """The tracks without the rows that lie where another person must have been, and how many those were.

    A row goes if another track has a gap there, of `absence_s` at most, and the joints lie within `distance` of the straight
    way across that gap and nearer to it than to the straight way across the row's own track. In the first and the last
    `lost_s` of a longer gap, and as soon after the other's last row or before his first, it goes if it lies so near his way
    straight on, and nearer than to its own track's; and so does the rest of a stretch on the same body that ends within
    `absence_s`. At last go the rows between two struck stretches, if they are fewer than those and last `lost_s` at most.
    """
    kept, fresh = list(tracks), settings.absence_s > 0
    while fresh:  # a row struck at the end of a gap moves the way across it
        struck = [_misplaced(track, [other for other in kept if other is not track], settings) for track in kept]
        kept = [keep_rows(track, ~rows) if rows.any() else track for track, rows in zip(kept, struck, strict=True)]
        fresh = any(rows.any() for rows in struck)
    kept = [_without_islands(before, after, settings.lost_s) for before, after in zip(tracks, kept, strict=True)]
    return kept, _rows(tracks) - _rows(kept)


def _without_islands(before: Track, after: Track, longest_s: float) -> Track:
    """A track, of which rows were struck, without the few that are left between two struck stretches."""
    struck = ~np.isin(before.frame, after.frame)
    edges = np.flatnonzero(np.diff(struck)) + 1
    runs = [(int(a), int(b)) for a, b in itertools.pairwise([0, *edges, len(struck)])]
    for (a, b), (c, d), (e, f) in zip(runs, runs[1:], runs[2:], strict=False):
        if struck[a] and d - c < b - a + f - e and before.time_s[d] - before.time_s[c] <= longest_s:
            after = keep_rows(after, ~np.isin(after.frame, before.frame[c:d]))
    return after


def _misplaced(track: Track, others: Sequence[Track], settings: ReviseSettings) -> NDArray[np.bool_]:
    """(T,) rows of a track to strike."""
    struck = np.zeros(len(track.frame), dtype=bool)
    for other in others:
        for left in map(int, np.flatnonzero(np.diff(other.frame) > 1)):
            if other.time_s[left + 1] - other.time_s[left] <= settings.absence_s:
                _strike_across(struck, track, other, left, settings)
            else:
                _strike_beside(struck, track, other, left, 1, settings)
                _strike_beside(struck, track, other, left + 1, -1, settings)
        _strike_beside(struck, track, other, len(other.frame) - 1, 1, settings)
        _strike_beside(struck, track, other, 0, -1, settings)
    return struck


def _strike_across(struck: NDArray[np.bool_], track: Track, other: Track, left: int, settings: ReviseSettings) -> None:
    """Mark rows in the other's short gap behind row `left`. Without rows before and after it nothing tells where the track's
    own person was."""
    inside = np.flatnonzero((track.frame > other.frame[left]) & (track.frame < other.frame[left + 1]))
    if len(inside) and inside[0] > 0 and inside[-1] < len(track.frame) - 1:
        time_s = track.time_s[inside]
        ways = _straight(other, left, left + 1, time_s), _straight(track, inside[0] - 1, inside[-1] + 1, time_s)
        struck[inside] |= _is_nearer(track.xy_px[inside], *ways, settings.distance)


def _strike_beside(
    struck: NDArray[np.bool_], track: Track, other: Track, end: int, step: int, settings: ReviseSettings
) -> None:
    """Mark rows in the other's long gap near its end at row `end`; the gap is later (step 1) or earlier (-1)."""
    since_s = step * (track.time_s - other.time_s[end])
    inside, known = np.flatnonzero((since_s > 0) & (since_s <= settings.lost_s)), np.flatnonzero(since_s <= 0)
    if len(inside) and len(known):
        own = int(known[-1] if step > 0 else known[0])
        time_s = track.time_s[inside]
        ways = _onward(other, end, step, time_s), _onward(track, own, step, time_s)
        struck[inside] |= _is_nearer(track.xy_px[inside], *ways, settings.distance)
        far_end = int(inside[-1] if step > 0 else inside[0])
        rest = _goes_on(track, far_end, step, settings.distance) if struck[far_end] else []
        if rest and since_s[rest[-1]] <= settings.absence_s:
            struck[rest] = True


def _goes_on(track: Track, row: int, step: int, distance: float) -> list[int]:
    """The rows after (step 1) or before (-1) a row for as long as the same body is followed: until frames lack or it leaves
    its way by a jump."""
    rows: list[int] = []
    behind = 0 if step > 0 else len(track.frame) - 1
    while 0 <= row + step < len(track.frame) and track.frame[row + step] - track.frame[row] == step:
        pace = np.median(pace_px_s(track, row, behind), axis=0)
        way_px = track.xy_px[row] + (track.time_s[row + step] - track.time_s[row]) * pace
        if apart_px(way_px, track.xy_px[row + step]) > distance * body_height_px(track.xy_px[row]):
            break
        row += step
        rows.append(row)
    return rows


def _is_nearer(xy_px: Floats, other_px: Floats, own_px: Floats, distance: float) -> NDArray[np.bool_]:
    """(n,) whether poses (n, 21, 2) lie nearer to one place than to another, and within a part of their extent of it."""
    from_other_px, from_own_px = (
        np.array([apart_px(a, b) for a, b in zip(xy_px, way, strict=True)]) for way in (other_px, own_px)
    )
    return (from_other_px < from_own_px) & (from_other_px < distance * body_height_px(xy_px))


def _onward(track: Track, row: int, step: int, time_s: Floats) -> Floats:
    """(n, 21, 2) joints at these times where the way straight on from a row leads, forwards (step 1) or backwards (-1)."""
    known = np.flatnonzero(np.abs(track.time_s - track.time_s[row]) <= LONGEST_S)
    pace = pace_px_s(track, row, int(known[0] if step > 0 else known[-1]), LONG_PACE_S)
    return track.xy_px[row] + (time_s - track.time_s[row])[:, None, None] * pace


def _straight(track: Track, left: int, right: int, time_s: Floats) -> Floats:
    """(n, 21, 2) joints at these times on the straight way from one row to another, pixels."""
    share = (time_s - track.time_s[left]) / (track.time_s[right] - track.time_s[left])
    return track.xy_px[left] + share[:, None, None] * (track.xy_px[right] - track.xy_px[left])
