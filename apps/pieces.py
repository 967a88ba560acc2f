"""Tracks cut into pieces wherever one may have gone over to somebody else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.apparent_size import Sizes, sizes_of
from apps.followed import Looks, keep_rows
from apps.meetings import PAUSE_S, Frames, Near, alone, frames_in, meetings, near_by_pair, near_others
from apps.pace import pace_px_s
from pose2d.motion import body_size_px
from posecore.types import Floats, Track

APART, BESIDE = 0.5, 0.3  # sizes of a body: nearer two people meet; nearer clothes may be the other's
EVERY_S = 0.1  # between two cuts of a track while somebody near is lost
JUMP = 0.15  # sizes of a body that the joints leave their way by, in the median, from which a track may be another's


@dataclass(frozen=True)
class Piece:
    """Rows start to stop of the track `which`, and what tells whose they are.

    All that is followed without a gap or a jump lies in the rows first to end: on it, and not on the piece alone, which may be
    short, way and size are measured.
    """

    which: int
    track: Track
    start: int
    stop: int
    first: int
    end: int
    size_px: float  # of the body on the whole track (pose2d.motion.body_size_px)
    sizes: Sizes  # of the rows first to end
    worn: Floats  # (n, 3, 3) colours seen in the piece while nobody else was near
    crowded: Floats  # (m, 3, 3) and while somebody was

    @property
    def first_frame(self) -> int:
        """Of the piece."""
        return int(self.track.frame[self.start])

    @property
    def last_frame(self) -> int:
        """Of the piece."""
        return int(self.track.frame[self.stop - 1])


def cut_tracks(tracks: Sequence[Track], looks: Sequence[Looks], rate_fps: float) -> list[Piece]:
    """All tracks in pieces, the first that begins first; a track of somebody who meets nobody is one piece.

    Cut is, where people meet, at every gap and jump, and in the frames in which two could have been exchanged without either.
    """
    near, beside = near_by_pair(tracks, APART), near_by_pair(tracks, BESIDE)
    pieces: list[Piece] = []
    for which, (track, look) in enumerate(zip(tracks, looks, strict=True)):
        breaks = _breaks(track, near_others(which, near), rate_fps)
        worn = alone(which, look, beside)
        crowded = keep_rows(look, ~np.isin(look.frame, worn.frame))
        sizes, size_px = sizes_of(track), float(np.median(body_size_px(track.xy_px)))
        hard = [0, *breaks, len(track.frame)]
        edges = sorted({*hard, *_crossings(which, tracks, looks, near, rate_fps)})
        for start, stop in itertools.pairwise(edges):
            first, end = max(k for k in hard if k <= start), min(k for k in hard if k >= stop)
            seen = [_between(part, track, start, stop).colours for part in (worn, crowded)]
            around = _between(sizes, track, first, end)
            pieces.append(Piece(which, track, start, stop, first, end, size_px, around, *seen))
    return sorted(pieces, key=lambda piece: piece.first_frame)


def _between(item: Any, track: Track, start: int, stop: int) -> Any:
    """What there is of Looks or Sizes in the rows of a track."""
    return keep_rows(item, (item.frame >= track.frame[start]) & (item.frame <= track.frame[stop - 1]))


def _breaks(track: Track, crowded: Frames, rate_fps: float) -> list[int]:
    """Rows before which a track has a gap or jumps, not long before or after somebody was near."""
    if not len(crowded) or len(track.frame) < 2:
        return []
    at = np.minimum(np.searchsorted(crowded, track.frame), len(crowded) - 1)
    away = np.minimum(np.abs(crowded[at] - track.frame), np.abs(crowded[np.maximum(at - 1, 0)] - track.frame))
    soon = np.flatnonzero(np.minimum(away[1:], away[:-1]) <= frames_in(PAUSE_S, rate_fps)) + 1
    gap, widest_px = np.diff(track.frame)[soon - 1] > 1, JUMP * body_size_px(track.xy_px[soon - 1])
    breaks = soon[gap]
    for _ in range(len(soon) + 1):  # whether a row is one depends on those before it alone, so this comes to rest, and soon
        first = np.concatenate([[0], breaks])[np.searchsorted(breaks, soon)]
        before, breaks = breaks, soon[gap | (_strays_px(track, soon, first) > widest_px)]
        if np.array_equal(before, breaks):
            break
    return breaks.tolist()


def _strays_px(track: Track, row: Frames, first: Frames) -> Floats:
    """(N,) how far a track leaves its way at rows (N,), in the median of the joints; all since rows `first` is one person's.

    The way is straight on, as the body went until then; after a single row it may stand still or go on as it does later.
    """
    step_px, step_s = track.xy_px[row] - track.xy_px[row - 1], track.time_s[row] - track.time_s[row - 1]
    paces = pace_px_s(track, row - 1, first), pace_px_s(track, row, np.full_like(row, len(track.frame) - 1))
    ways_px = [step_s[:, None, None] * np.median(pace, axis=1, keepdims=True) for pace in paces]
    until, later = (np.median(np.linalg.norm(step_px - way_px, axis=2), axis=1) for way_px in ways_px)
    return np.where(first < row - 1, until, np.minimum(until, later))


def _crossings(which: int, tracks: Sequence[Track], looks: Sequence[Looks], near: Near, rate_fps: float) -> list[int]:
    """Rows of a track in which it and another who is near may have been exchanged, or it gone over to him, unseen.

    Every EVERY_S while the other is lost; while both are followed, as often as somebody looked, wherever they are so near
    that neither would jump; and where they come nearest, if both are followed all through a meeting.
    """
    track, rows = tracks[which], []
    for pair, frames in near.items():
        if which not in pair:
            continue
        partner = pair[0] if pair[1] == which else pair[1]
        other = tracks[partner]
        looked = np.union1d(looks[which].frame, looks[partner].frame)
        for meeting in meetings(frames, rate_fps):
            mine = meeting[np.isin(meeting, track.frame)]
            alike = np.isin(mine, other.frame)
            rows += np.searchsorted(track.frame, mine[~alike][:: frames_in(EVERY_S, rate_fps)]).tolist()
            both = mine[alike]
            own, his = (np.searchsorted(t.frame, both) for t in (track, other))
            apart = np.median(np.linalg.norm(track.xy_px[own] - other.xy_px[his], axis=-1), axis=1)
            cut = (apart < JUMP * body_size_px(track.xy_px[own])) & np.isin(both, looked)
            if len(both) == len(meeting):
                cut[np.argmin(apart)] = True
            rows += own[cut].tolist()
    return [row for row in rows if row > 0]
