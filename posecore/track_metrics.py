"""How well people kept their numbers: MOTA and switches (CLEAR MOT), IDF1 (Ristani et al. 2016), HOTA (Luiten et al. 2020)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from posecore.errors import InputError

Pair = tuple[Hashable, Hashable]


@dataclass(frozen=True)
class TrackFrame:
    """One frame: true numbers (T,), found numbers (F,), and the similarity (T, F) in 0..1, such as OKS or box IoU."""

    truth: Sequence[Hashable]
    found: Sequence[Hashable]
    similarity: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.similarity.shape != (len(self.truth), len(self.found)):
            shape = (len(self.truth), len(self.found))
            raise InputError(f"TrackFrame.similarity: expected shape {shape}, got {self.similarity.shape}")


@dataclass(frozen=True)
class TrackScores:
    """mota = 1 - (missed + false + switches) / true; idf1 = 2 IDTP / (true + found); hota over similarities 0.05..0.95."""

    mota: float
    idf1: float
    hota: float
    switches: int
    missed: int
    false: int


def score_tracks(frames: Sequence[TrackFrame], threshold: float = 0.5) -> TrackScores:
    """Scores of a sequence; a true and a found person may be matched in a frame from the similarity `threshold` upwards."""
    truths, founds = sum(len(f.truth) for f in frames), sum(len(f.found) for f in frames)
    if truths == 0:
        raise InputError("score_tracks: the sequence has no true person, so no share of them can be given")
    matches, switches = _clear_mot(frames, threshold)
    missed, false = truths - matches, founds - matches
    mota = 1 - (missed + false + switches) / truths
    idf1 = 2 * _identity_matches(frames, threshold) / (truths + founds)
    return TrackScores(mota, idf1, _hota(frames), switches, missed, false)


def _clear_mot(frames: Sequence[TrackFrame], threshold: float) -> tuple[int, int]:
    """Matches and switches: a person keeps its number while that is possible, the others are matched anew."""
    number_of: dict[Hashable, Hashable] = {}
    matches = switches = 0
    for frame in frames:
        value = np.where(frame.similarity >= threshold, frame.similarity, 0.0)
        kept = np.array([[t in number_of and number_of[t] == f for f in frame.found] for t in frame.truth], dtype=bool)
        for t, f in _assign(value + len(frame.truth) * (kept.reshape(value.shape) & (value > 0))):
            matches += 1
            switches += number_of.get(frame.truth[t], frame.found[f]) != frame.found[f]
            number_of[frame.truth[t]] = frame.found[f]
    return matches, switches


def _identity_matches(frames: Sequence[TrackFrame], threshold: float) -> float:
    """IDTP: frames explained when every true person is given the one number, and every number the one person, that fit best."""
    together = _pair_sums((frame, (frame.similarity >= threshold).astype(np.float64)) for frame in frames)
    truths, founds = ({name: i for i, name in enumerate({pair[side] for pair in together})} for side in (0, 1))
    table = np.zeros((len(truths), len(founds)))
    for (t, f), count in together.items():
        table[truths[t], founds[f]] = count
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum())


def _hota(frames: Sequence[TrackFrame]) -> float:
    """Mean over similarity thresholds of sqrt(DetA AssA), matched so that long common histories come first."""
    seen_true, seen_found = (Counter(n for f in frames for n in getattr(f, side)) for side in ("truth", "found"))
    shared = _pair_sums((f, _shared_share(f.similarity)) for f in frames)
    alignment = {(t, f): s / (seen_true[t] + seen_found[f] - s) for (t, f), s in shared.items()}
    alphas = np.arange(0.05, 0.951, 0.05)
    pairs: list[Counter[Pair]] = [Counter() for _ in alphas]
    for frame in frames:
        known = np.array([[alignment.get((t, f), 0.0) for f in frame.found] for t in frame.truth])
        for t, f in _assign(known.reshape(frame.similarity.shape) * frame.similarity):
            for count in (c for c, alpha in zip(pairs, alphas, strict=True) if frame.similarity[t, f] >= alpha - 1e-9):
                count[frame.truth[t], frame.found[f]] += 1
    total = seen_true.total() + seen_found.total()
    return float(np.mean([_hota_of(count, seen_true, seen_found, total) for count in pairs]))


def _hota_of(count: Counter[Pair], seen_true: Counter[Hashable], seen_found: Counter[Hashable], total: int) -> float:
    """sqrt(DetA AssA) at one threshold, from how often each pair was matched."""
    matches = count.total()
    association = sum(n * n / (seen_true[t] + seen_found[f] - n) for (t, f), n in count.items()) / max(matches, 1)
    return float(np.sqrt(matches / (total - matches) * association)) if matches else 0.0


def _shared_share(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """A pair's share of all similarity in its row and column."""
    union = similarity.sum(axis=0, keepdims=True) + similarity.sum(axis=1, keepdims=True) - similarity
    return np.divide(similarity, union, out=np.zeros_like(similarity), where=union > 0)


def _pair_sums(tables) -> dict[Pair, float]:
    """Sums over frames of (T, F) tables, by pair of true and found person."""
    sums: dict[Pair, float] = {}
    for frame, table in tables:
        for t, f in zip(*np.nonzero(table), strict=True):
            pair = (frame.truth[t], frame.found[f])
            sums[pair] = sums.get(pair, 0.0) + float(table[t, f])
    return sums


def _assign(value: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs of the best assignment that are worth something."""
    rows, columns = linear_sum_assignment(value, maximize=True)
    return [(int(t), int(f)) for t, f in zip(rows, columns, strict=True) if value[t, f] > 0]
