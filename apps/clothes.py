"""Who is who by what they wear, once the clip is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from apps.followed import Looks, keep_rows, merged
from apps.meetings import alone, near_by_pair, places_of
from pose2d.appearance import OTHER, SAME, look_log_odds
from pose2d.motion import nan_median
from posecore.stages import Clip
from posecore.types import Floats, Track

ENOUGH = 10  # looks nearest a moment that tell who is who; those farther off are in another light, or turned round
STEADY = 0.7  # of a single look's spread: how far medians of many looks of one person are apart
MAD = 0.6745  # median absolute deviation of a Gaussian of standard deviation 1


@dataclass(frozen=True)
class ClothesSettings:
    """When somebody who comes is somebody who went."""

    same_odds: float = 1.0  # log odds for it that clothes must give: 3 to 1 besides the place
    away_s: float = 3.0  # seconds for which he may have been away; 0 never joins
    away_sizes: float = 2.0  # sizes of his body that he may have gone in each of them, and half a size besides
    apart: float = 0.5  # sizes of a body; of people who are nearer, clothes may be the other's
    looks_min: int = 1  # times that each must have been seen alone, before and after


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
    near = near_by_pair(tracks, settings.apart)
    for a, b in permutations(range(len(tracks)), 2):
        if _may_be(tracks[a], tracks[b], clip, settings):
            worn = [alone(a, looks[a], near).colours, alone(b, looks[b], near).colours[:ENOUGH]]
            odds = same_person_odds(*worn) if min(map(len, worn)) >= settings.looks_min else 0.0
            if odds > settings.same_odds:
                yield odds, a, b


def _may_be(went: Track, came: Track, clip: Clip, settings: ClothesSettings) -> bool:
    """Whether somebody can have gone, inside the picture, from where one was seen last to where another was seen first."""
    away_s = came.time_s[0] - went.time_s[-1]
    if not 0 < away_s <= settings.away_s or clip.has_cut(int(went.frame[-1]), int(came.frame[0])):
        return False
    (x0, y0, size0), (x1, y1, size1) = (places_of(t, t.frame[[row]])[:, 0] for t, row in ((went, -1), (came, 0)))
    size, width = max(size0, size1), clip.camera.size_wh[0]
    inside = min(x0, x1) > size / 2 and max(x0, x1) < width - size / 2
    return bool(inside and np.hypot(x0 - x1, y0 - y1) < (0.5 + settings.away_sizes * away_s) * size)


def same_person_odds(before: Floats, after: Floats) -> float:
    """Log odds that who wore these colours (N, 3, 3) and who wears those (M, 3, 3), seen alone, are one.

    Colours that change from look to look are not those of clothes but of what lies behind: they say little, or nothing.
    """
    (one, one_scatter), (other, other_scatter) = _middle(before), _middle(after)
    variance = (np.square(one_scatter) + np.square(other_scatter)) / 2
    spread = np.minimum(np.sqrt((STEADY * SAME) ** 2 + variance), OTHER)
    return float(look_log_odds(one, other, spread))


def _middle(colours: Floats) -> tuple[Floats, Floats]:
    """(3, 3) medians of looks (N, 3, 3), and how far the looks are spread about them."""
    looks = colours.reshape(len(colours), -1)
    middle = nan_median(looks)
    return middle.reshape(3, 3), nan_median(np.abs(looks - middle)).reshape(3, 3) / MAD


def _spliced(before: Any, after: Any, frame: int) -> Any:
    """The rows of one (a Track or Looks) before a frame, and the other's from there, under the former's name."""
    return merged(keep_rows(before, before.frame < frame), keep_rows(after, after.frame >= frame))
