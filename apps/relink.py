"""Who is who, once the clip is over: tracks cut where one may have gone over to somebody else, and the pieces linked anew.

While two bodies are one in the picture the tracker may take each for the other, and nothing that is seen frame by frame tells.
Afterwards three things do: the way each goes on, how large he is in the picture (apps.apparent_size), and what he wears
(apps.clothes). All pieces (apps.pieces) are given to the people so that the sum of what speaks against it is least, by dynamic
programming over the pieces in the order of their first frames: Reid's multiple hypotheses (1979), over pieces of tracks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

import numpy as np

from apps.apparent_size import Sizes, leap
from apps.clothes import ENOUGH, same_person_odds
from apps.followed import Looks, apart_px, keep_rows, merged
from apps.meetings import frames_in
from apps.pace import pace_px_s
from apps.pieces import Piece, cut_tracks
from pose2d.appearance import look_log_odds
from pose2d.motion import nan_median
from posecore.stages import Clip
from posecore.types import Floats, Track

STEP, STEP_S = 0.2, 1 / 30  # sizes of a body: a jump so wide in so short a time weighs as much as a likelihood of e
FARTHEST = 8.0  # in units of e; no jump counts more, for there are outliers
AHEAD_S = 1 / 6  # for which a person's speed is believed
CROWDED = 0.25  # what clothes seen in a crowd weigh; they are mostly those of who stands in front
HYPOTHESES = 30  # kept after every piece
GLIMPSE_S = 1 / 15  # length of a stretch that may be nobody's
NOBODY = -1
AFTER_END_S = 0.5  # since the end of somebody's own track, in which another's rows may be found to be his


@dataclass(frozen=True)
class RelinkSettings:
    """What speaks for and against giving a piece of one track to another person, in units of e."""

    change: float = 1.0  # against every change from one track to another; an exchange takes two
    clothes: float = 1.0  # weight of what people wear; 0 ignores it
    size: float = 1.0  # weight of how large people are in the picture; 0 ignores it
    newcomer: float = 3.0  # against a new number while somebody is lost whom it may be; else parts of people become people
    away_s: float = 3.0  # seconds for which a person may be lost before a piece of another track is his; 0 changes nothing
    glimpse: float = (
        1.2  # against taking rows of 1/15 s, or one, between gaps or jumps for nobody's, made of parts of two bodies
    )
    looks_min: int = 2  # times that a person must have been seen alone in a piece for his clothes to be known


def relink(
    tracks: Sequence[Track], looks: Sequence[Looks], clip: Clip, settings: RelinkSettings
) -> tuple[list[Track], list[Looks], list[tuple[int, int, int]]]:
    """The tracks with every piece at the person whose it most likely is, the looks of their frames, and (person, other, frame)
    wherever one goes on from there in rows that had carried another's number.

    looks: one per track. Everybody keeps the first piece of his own track, or was somebody lost all the time and is left out;
    and nobody is given anything anew long after his own track's end.
    """
    pieces = cut_tracks(tracks, looks, clip.rate_fps)
    owners = _Linker(pieces, clip, settings).owners(len(tracks)) if settings.away_s > 0 else [p.which for p in pieces]
    out, worn, changes = [], [], []
    for k, track in enumerate(tracks):
        mine = [piece for owner, piece in zip(owners, pieces, strict=True) if owner == k]
        if not mine:
            continue
        same = all((owner == k) == (piece.which == k) for owner, piece in zip(owners, pieces, strict=True))
        out.append(track if same else _joined(track, mine))
        worn.append(reduce(merged, [_looks_in(piece, looks[piece.which]) for piece in mine]))
        for before, after in itertools.pairwise(mine):
            if before.which != after.which != k and after.which in owners:
                changes.append((track.person, tracks[after.which].person, after.first_frame))
    return out, worn, sorted(changes, key=lambda change: change[2])


def _looks_in(piece: Piece, looks: Looks) -> Looks:
    """Of the looks at a piece's track those in its frames."""
    return keep_rows(looks, np.isin(looks.frame, piece.track.frame[piece.start : piece.stop]))


def _joined(track: Track, pieces: Sequence[Piece]) -> Track:
    """The rows of pieces, one after the other, under a track's number."""
    names = [f.name for f in fields(track) if f.name != "person"]
    rows: dict[str, Any] = {name: np.concatenate([getattr(p.track, name)[p.start : p.stop] for p in pieces]) for name in names}
    return replace(track, **rows)


@dataclass(frozen=True)
class _Hypothesis:
    """Whose the pieces so far are: the last piece of everybody, his last one in which clothes were seen, and what it costs."""

    last: tuple[int, ...]
    dressed: tuple[int, ...]
    cost: float
    owners: tuple | None  # of the pieces so far, the newest first: (those before, the newest's)


class _Linker:
    """The likeliest owners of pieces."""

    def __init__(self, pieces: Sequence[Piece], clip: Clip, settings: RelinkSettings) -> None:
        self._pieces, self._clip, self._settings = pieces, clip, settings
        tracks = {piece.which: piece.track for piece in pieces}
        self._ends_s = [float(tracks[k].time_s[-1]) for k in range(len(tracks))]
        self._links: dict[tuple[int, int], float] = {}
        self._odds: dict[tuple[int, int], float] = {}

    def owners(self, people: int) -> list[int]:
        """Per piece, whose it is: a place in the list of tracks."""
        nobody = (NOBODY,) * people
        known = [_Hypothesis(nobody, nobody, 0.0, None)]
        for q in range(len(self._pieces)):
            best: dict[tuple, _Hypothesis] = {}
            for hypothesis in known:
                for new in self._extended(hypothesis, q):
                    key = new.last, new.dressed
                    if key not in best or new.cost < best[key].cost:
                        best[key] = new
            known = sorted(best.values(), key=lambda h: h.cost)[:HYPOTHESES]
        if not known:  # all that were kept led nowhere
            return [piece.which for piece in self._pieces]
        owners, chain = [], known[0].owners
        while chain is not None:
            chain, owner = chain
            owners.append(owner)
        return owners[::-1]

    def _extended(self, hypothesis: _Hypothesis, q: int) -> list[_Hypothesis]:
        """The hypotheses in which the next piece is one or the other person's."""
        piece, last, dressed = self._pieces[q], hypothesis.last, hypothesis.dressed
        links = [(k, self._link(p, q)) for k, p in enumerate(last) if p != NOBODY and self._may_take(k, p, piece)]
        costs = [(k, link - self._told(dressed[k], q)) for k, link in links if link < np.inf]
        if piece.start == 0:
            costs.append((piece.which, self._settings.newcomer if costs else 0.0))
        shows = len(piece.worn) >= self._settings.looks_min
        out = []
        if piece.start > 0 and piece.end - piece.first <= frames_in(GLIMPSE_S, self._clip.rate_fps):
            cost = hypothesis.cost + self._settings.glimpse
            out.append(_Hypothesis(last, dressed, cost, (hypothesis.owners, NOBODY)))
        for k, cost in costs:
            now = last[:k] + (q,) + last[k + 1 :]
            worn = dressed[:k] + (q,) + dressed[k + 1 :] if shows else dressed
            out.append(_Hypothesis(now, worn, hypothesis.cost + cost, (hypothesis.owners, k)))
        return out

    def _may_take(self, k: int, p: int, piece: Piece) -> bool:
        """Whether somebody's own track is alive or has only just ended, or else a piece goes on from his last one."""
        alive = piece.track.time_s[piece.start] - self._ends_s[k] <= AFTER_END_S
        return bool(alive) or (self._pieces[p].which == piece.which and self._pieces[p].stop == piece.start)

    def _link(self, p: int, q: int) -> float:
        """What way, sizes and a change of track speak against it that one piece follows another; infinite if it cannot."""
        if (p, q) not in self._links:
            one, other, settings = self._pieces[p], self._pieces[q], self._settings
            self._links[p, q] = np.inf
            if self._leads(one, other):
                size = settings.size * leap(_until(one), _since(other), other.first_frame)
                self._links[p, q] = jump(one, other) + size + settings.change * (one.which != other.which)
        return self._links[p, q]

    def _leads(self, one: Piece, other: Piece) -> bool:
        """Whether both can be one person's: one after the other, and, of two tracks, soon and without a cut between."""
        if one.last_frame >= other.first_frame:
            return False
        away_s = other.track.time_s[other.start] - one.track.time_s[one.stop - 1]
        cut = self._clip.has_cut(one.last_frame, other.first_frame)
        return one.which == other.which or (away_s <= self._settings.away_s and not cut)

    def _told(self, p: int, q: int) -> float:
        """What the clothes say for it that who was seen in one piece is seen in another, log odds."""
        if p == NOBODY:
            return 0.0
        if (p, q) not in self._odds:
            self._odds[p, q] = self._settings.clothes * clothes_odds(self._pieces[p], self._pieces[q], self._settings.looks_min)
        return self._odds[p, q]


def jump(one: Piece, other: Piece) -> float:
    """How far, in the median of the joints, a piece begins from where another leads, over the root of the time between, for a
    way that nobody saw may be longer; units of e, FARTHEST at most. The same at every frame rate."""
    row = one.stop - 1
    away_s = float(other.track.time_s[other.start] - one.track.time_s[row])
    ahead_px = one.track.xy_px[row] + min(away_s, AHEAD_S) * _pace_between(one, other)
    away_px = apart_px(ahead_px, other.track.xy_px[other.start])
    return float(min(away_px / (np.sqrt(max(away_s / STEP_S, 1.0)) * STEP * max(one.size_px, other.size_px)), FARTHEST))


def _pace_between(one: Piece, other: Piece) -> Floats:
    """(21, 2) pixels a second: how one piece ends, or if that was a single row how the other begins, or how the first came
    over the gap before its row."""
    row, track = one.stop - 1, one.track
    if one.first < row:
        return pace_px_s(track, row, one.first)
    if other.start < other.end - 1:
        return pace_px_s(other.track, other.start, other.end - 1)
    gap = row > 0 and track.frame[row] - track.frame[row - 1] > 1
    return pace_px_s(track, row, row - gap)


def clothes_odds(one: Piece, other: Piece, looks_min: int) -> float:
    """Log odds that who is seen alone in one piece is seen in another, alone, or, which says little, in a crowd."""
    worn = one.worn[-ENOUGH:]
    if len(other.worn) >= looks_min:
        return same_person_odds(worn, other.worn[:ENOUGH])
    seen = np.concatenate([other.worn, other.crowded])
    if not len(seen):
        return 0.0
    middle = nan_median(worn.reshape(len(worn), 9)).reshape(3, 3)
    return min(CROWDED * len(seen), 1.0) * float(look_log_odds(middle, seen).mean())


def _until(piece: Piece) -> Sizes:
    return keep_rows(piece.sizes, piece.sizes.frame <= piece.last_frame)


def _since(piece: Piece) -> Sizes:
    return keep_rows(piece.sizes, piece.sizes.frame >= piece.first_frame)
