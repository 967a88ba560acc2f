"""Who is who by what they wear, once the clip is over.

While two bodies are one in the picture the tracker may take each for the other, or give one of them a new number when he comes
out again, and nothing that is seen later of places and poses tells. Their clothes do: before and after both were seen alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.followed import Looks, apart_px, keep_rows, merged
from pose2d.appearance import OTHER, SAME, look_log_odds
from pose2d.motion import body_size_px, nan_median
from posecore.oks import joints_box
from posecore.stages import Clip
from posecore.types import Track

Floats = NDArray[np.float64]
ENOUGH = 10  # looks after a meeting that tell who is who; later ones may be behind the next meeting
STEADY = 0.7  # of a single look's spread: how far medians of many looks of one person are apart
MAD = 0.6745  # median absolute deviation of a Gaussian of standard deviation 1
STEP = 0.2  # sizes of a body: a jump so wide at the seam weighs as much as clothes e times less like
PAUSE = 10  # frames: who are near again so soon have not parted
PACE, AHEAD = 2, 5  # rows over which a person's speed is taken, and frames for which it is believed


@dataclass(frozen=True)
class ClothesSettings:
    """When clothes decide who is who."""

    log_odds: float = 4.0  # how surely they must say that two have each other's number, 50 to 1; 0 never gives back
    same_odds: float = 1.0  # and that one who comes is one who went: 3 to 1 besides the place
    away_s: float = 3.0  # seconds for which he may have been away; 0 never joins
    away_sizes: float = 2.0  # sizes of his body that he may have gone in each of them, and half a size besides
    apart: float = 0.5  # sizes of a body; nearer two people meet, and clothes seen there may be the other's
    beside: float = 0.3  # the same, afterwards, for those who walk side by side and are never farther apart
    looks_min: int = 2  # times that each must have been seen alone, before and after


@dataclass(frozen=True)
class _Meeting:
    """Two people, by their place in the list, near each other from a frame to a frame."""

    pair: tuple[int, int]
    first: int
    last: int


def give_back(
    tracks: Sequence[Track], looks: Sequence[Looks], settings: ClothesSettings
) -> tuple[list[Track], list[tuple[int, int, int]]]:
    """The tracks after everybody has his own number back, and (person, person, first frame) of every exchange undone.

    looks: one per track. Two who met are exchanged from the frame where the bodies go over into one another best, if their
    looks alone before and after say so by more than `log_odds`, beyond what speaks against it there in the way they move.
    """
    undone = []
    for apart in (settings.apart, settings.beside):
        tracks, looks, more = _give_back(tracks, looks, apart, settings)
        undone += more
    return list(tracks), undone


def _give_back(
    tracks: Sequence[Track], looks: Sequence[Looks], apart: float, settings: ClothesSettings
) -> tuple[list[Track], list[Looks], list[tuple[int, int, int]]]:
    """The same, with the looks, for people who meet when they are nearer than `apart`."""
    tracks, looks, undone = list(tracks), list(looks), []
    after = -1
    while settings.log_odds > 0:
        near = _near_by_pair(tracks, apart)
        worn = [_alone(k, look, near) for k, look in enumerate(looks)]
        later = (m for m in _meetings(near) if m.first > after)
        meeting = next((m for m in later if _exchanged(m, tracks, worn, settings)), None)
        if meeting is None:
            break
        after, (a, b) = meeting.first, meeting.pair
        frame = _seam(meeting, (tracks[a], tracks[b]), (looks[a], looks[b]), (worn[a], worn[b]))
        tracks[a], tracks[b] = _spliced(tracks[a], tracks[b], frame), _spliced(tracks[b], tracks[a], frame)
        looks[a], looks[b] = _spliced(looks[a], looks[b], frame), _spliced(looks[b], looks[a], frame)
        undone.append((tracks[a].person, tracks[b].person, frame))
    return tracks, looks, undone


def rejoin(
    tracks: Sequence[Track], looks: Sequence[Looks], clip: Clip, settings: ClothesSettings
) -> tuple[list[Track], list[Looks], int]:
    """The tracks and looks with those of one person joined, numbered anew from 1 in their order, and how many joins that took.

    One who comes is one who went if he is dressed like him, by more than `same_odds`, soon afterwards and near, without a cut
    between, and neither at a side of the picture, where people come and go.
    """
    tracks, looks, joins = list(tracks), list(looks), 0
    while pairs := list(_returns(tracks, looks, clip, settings)):
        _, a, b = max(pairs)
        frame = int(tracks[b].frame[0])
        tracks[a], looks[a] = _spliced(tracks[a], tracks[b], frame), _spliced(looks[a], looks[b], frame)
        del tracks[b], looks[b]
        joins += 1
    return [replace(track, person=k) for k, track in enumerate(tracks, start=1)], looks, joins


def _returns(
    tracks: Sequence[Track], looks: Sequence[Looks], clip: Clip, settings: ClothesSettings
) -> Iterator[tuple[float, int, int]]:
    """Log odds, who went and who came, for all pairs that may be one person."""
    near = _near_by_pair(tracks, settings.apart)
    for a, b in permutations(range(len(tracks)), 2):
        if _may_be(tracks[a], tracks[b], clip, settings):
            worn = [_alone(a, looks[a], near).colours, _alone(b, looks[b], near).colours[:ENOUGH]]
            odds = float(_log_odds(worn[:1], worn[1:])[0, 0]) if min(map(len, worn)) >= settings.looks_min else 0.0
            if odds > settings.same_odds:
                yield odds, a, b


def _may_be(went: Track, came: Track, clip: Clip, settings: ClothesSettings) -> bool:
    """Whether somebody can have gone, inside the picture, from where one was seen last to where another was seen first."""
    away_s = came.time_s[0] - went.time_s[-1]
    if not 0 < away_s <= settings.away_s or any(went.frame[-1] < cut <= came.frame[0] for cut in clip.cuts):
        return False
    (x0, y0, size0), (x1, y1, size1) = (_places(t, t.frame[[row]])[:, 0] for t, row in ((went, -1), (came, 0)))
    size, width = max(size0, size1), clip.camera.size_wh[0]
    inside = min(x0, x1) > size / 2 and max(x0, x1) < width - size / 2
    return bool(inside and np.hypot(x0 - x1, y0 - y1) < (0.5 + settings.away_sizes * away_s) * size)


def _near_by_pair(tracks: Sequence[Track], apart: float) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Frames in which the middles of two people, on the straight way across their gaps, are nearer than so many sizes."""
    places = [_places(track, np.arange(track.frame[0], track.frame[-1] + 1)) for track in tracks]
    near = {}
    for a, b in combinations(range(len(tracks)), 2):
        firsts = tracks[a].frame[0], tracks[b].frame[0]
        frames = np.arange(max(firsts), min(tracks[a].frame[-1], tracks[b].frame[-1]) + 1)
        (x0, y0, size0), (x1, y1, size1) = (places[k][:, frames - first] for k, first in zip((a, b), firsts, strict=True))
        near[a, b] = frames[np.hypot(x0 - x1, y0 - y1) < apart * np.maximum(size0, size1)]
    return near


def _places(track: Track, frames: NDArray[np.int64]) -> Floats:
    """(3, F): x and y of the body's middle and its size, pixels."""
    box = joints_box(track.xy_px)
    rows = np.column_stack([0.5 * (box[:, :2] + box[:, 2:]), body_size_px(track.xy_px)])
    return np.stack([np.interp(frames, track.frame, column) for column in rows.T])


def _meetings(near: dict[tuple[int, int], NDArray[np.int64]]) -> list[_Meeting]:
    """All meetings of all pairs, the first that begins first."""
    found = [_Meeting(pair, int(run[0]), int(run[-1])) for pair, frames in near.items() for run in _runs(frames)]
    return sorted(found, key=lambda meeting: meeting.first)


def _runs(frames: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Frames in stretches with hardly a gap."""
    if len(frames):
        yield from np.split(frames, np.flatnonzero(np.diff(frames) > PAUSE) + 1)


def _exchanged(meeting: _Meeting, tracks: Sequence[Track], worn: Sequence[Looks], settings: ClothesSettings) -> bool:
    """Whether clothes and ways say that the two of a meeting have each other's number after it."""
    pair = [worn[k] for k in meeting.pair]
    before = [w.colours[w.frame < meeting.first] for w in pair]
    after = [w.colours[w.frame > meeting.last][:ENOUGH] for w in pair]
    if min(map(len, before + after)) < settings.looks_min:
        return False
    told = _log_odds(before, after)
    one, other = (tracks[k] for k in meeting.pair)
    crossed, straight = _way(meeting, one, other), _way(meeting, one, other, crossed=False)
    able = np.isfinite(crossed)
    against = np.min(crossed[able] - straight[able], initial=np.inf)
    return bool(told[0, 1] + told[1, 0] - told[0, 0] - told[1, 1] - against > settings.log_odds)


def _log_odds(before: list[Floats], after: list[Floats]) -> Floats:
    """(P, P) log odds that who wore these (N, 3, 3) before a meeting and those after it are one.

    Colours that change from look to look are not those of clothes but of what lies behind: they say little, or nothing.
    """
    middles, scatter = (np.stack(part) for part in zip(*(_middle(colours) for colours in before + after), strict=True))
    n = len(before)
    variance = (np.square(scatter[:n, None]) + np.square(scatter[n:])) / 2
    spread = np.minimum(np.sqrt((STEADY * SAME) ** 2 + variance), OTHER)
    return look_log_odds(middles[:n, None], middles[n:], spread)


def _middle(colours: Floats) -> tuple[Floats, Floats]:
    """(3, 3) medians of looks (N, 3, 3), and how far the looks are spread about them."""
    looks = colours.reshape(len(colours), -1)
    middle = nan_median(looks)
    return middle.reshape(3, 3), nan_median(np.abs(looks - middle)).reshape(3, 3) / MAD


def _alone(which: int, looks: Looks, near: dict[tuple[int, int], NDArray[np.int64]]) -> Looks:
    """The looks of one person in frames in which nobody else is near."""
    crowded = [frames for pair, frames in near.items() if which in pair]
    keep = ~np.isin(looks.frame, np.concatenate([*crowded, np.zeros(0, dtype=np.int64)]))
    return keep_rows(looks, keep)


def _seam(meeting: _Meeting, pair: tuple[Track, Track], looks: tuple[Looks, Looks], worn: tuple[Looks, Looks]) -> int:
    """The frame from which on the other's rows go on best from one's, and one's from the other's, by place and by clothes.

    Even where bodies cover each other, what is seen is mostly what the one in front wears.
    """
    frames = _seams(meeting)
    way = _way(meeting, *pair)
    seen = [_middle(w.colours[w.frame < meeting.first])[0] for w in worn]
    told = np.zeros(len(frames))
    for look, sign in zip(looks, (1, -1), strict=True):
        for frame, colours in zip(look.frame, look.colours, strict=True):
            if meeting.first <= frame <= meeting.last:
                odds = sign * float(look_log_odds(seen[0], colours) - look_log_odds(seen[1], colours))
                told += np.where(frame < frames, odds, -odds)
    return int(frames[int(np.argmin(way - told))])


def _seams(meeting: _Meeting) -> NDArray[np.int64]:
    """Frames from which on two may have each other's number."""
    return np.arange(meeting.first, meeting.last + 2)


def _way(meeting: _Meeting, one: Track, other: Track, crossed: bool = True) -> Floats:
    """Per seam, how unsmoothly both go over into one another there, or, not `crossed`, go on each as himself; in units of e."""
    size_px = max(float(np.median(body_size_px(keep_rows(t, t.frame <= meeting.last).xy_px))) for t in (one, other))
    steps = ((one, other), (other, one)) if crossed else ((one, one), (other, other))
    way_px = [sum(_step_px(before, after, int(f)) for before, after in steps) for f in _seams(meeting)]
    return np.array(way_px) / (STEP * size_px)


def _step_px(before: Track, after: Track, frame: int) -> float:
    """How far, in the median of the joints, the other's first row from a frame on is from where one's rows before it lead,
    over the root of the frames between: a way that nobody saw may be longer."""
    left, right = int(np.searchsorted(before.frame, frame)) - 1, int(np.searchsorted(after.frame, frame))
    if left < 0 or right == len(after.frame):
        return np.inf
    back = max(left - PACE, 0)
    gap = float(after.frame[right] - before.frame[left])
    pace_px = (before.xy_px[left] - before.xy_px[back]) / max(before.frame[left] - before.frame[back], 1)
    ahead = before.xy_px[left] + min(gap, AHEAD) * pace_px
    return apart_px(ahead, after.xy_px[right]) / np.sqrt(gap)


def _spliced(before: Any, after: Any, frame: int) -> Any:
    """The rows of one (a Track or Looks) before a frame, and the other's from there, under the former's name."""
    return merged(keep_rows(before, before.frame < frame), keep_rows(after, after.frame >= frame))
