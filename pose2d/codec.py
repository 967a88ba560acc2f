"""Heat maps and part affinity fields to people (Cao et al., TPAMI 2019, 3.4-3.5). The way there is pose2d/targets.py.

Peaks of the heat maps -> candidate limbs scored by the line integral of their field -> per limb the best matching (Hungarian)
-> people. Numbers of peaks run over all joints together, so that two joints on one cell are never confused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pose2d.assemble import LIMBS, Connections, PartPerson, assemble
from posecore.errors import InputError
from posecore.heatmap import cells_to_px, find_peaks, refine_peaks
from posecore.skeleton import load_skeleton
from posecore.types import Detection2D

SKELETON = load_skeleton("openpose18")


@dataclass(frozen=True)
class DecodeSettings:
    """From maps to people; the article's values but for the two thresholds. Lower ones find more people and more phantoms."""

    heat_threshold: float = 0.15  # 0..1; a cell below this is no joint; the article says 0.3, but the light network peaks lower
    nms_radius_cells: int = 1  # cells; two joints of one type are at least this far apart
    max_peaks: int = 40  # highest peaks kept of each joint; bounds the time that bad maps can take
    sigma_px: float = 7.0  # input pixels; width of the Gaussians the network learnt, for peaks at the border
    samples: int = 10  # points along a candidate limb, both ends included
    field_threshold: float = 0.05  # -1..1; field along the limb that counts as agreement at one point
    agreeing_share: float = 0.8  # 0..1; points that must agree
    long_limb: float = 0.5  # share of the map's height; longer limbs lose score
    min_joints: int = 3  # people of fewer joints are dropped
    min_score: float = 0.1  # 0..1; people whose joints and limbs score less on average are dropped


DEFAULTS = DecodeSettings()


@dataclass(frozen=True)
class Peaks:
    """Joints found. joint (K,): which of openpose18; xy_cells (K, 2); score (K,) in 0..1."""

    joint: NDArray[np.int64]
    xy_cells: NDArray[np.float64]
    score: NDArray[np.float64]


def decode(heat: NDArray, paf: NDArray, stride: int, settings: DecodeSettings = DEFAULTS) -> list[Detection2D]:
    """People in heat maps (19, h, w) and fields (38, h, w) on cells of `stride` input pixels, the surest first.

    Channels are in the order of pose2d/targets.py. Joints are openpose18 in input pixels, exact between cells.
    """
    maps = (len(SKELETON) + 1, 2 * len(LIMBS))
    if heat.ndim != 3 or paf.ndim != 3 or (len(heat), len(paf)) != maps or heat.shape[1:] != paf.shape[1:]:
        raise InputError(f"decode: expected maps ({maps[0]}, h, w) and ({maps[1]}, h, w), got {heat.shape} and {paf.shape}")
    peaks = joint_peaks(heat, settings.sigma_px / stride, settings)
    people = [_detection(part, peaks, stride) for part in assemble(connect(peaks, paf, settings))]
    kept = [p for p in people if np.count_nonzero(p.score) >= settings.min_joints and p.person_score >= settings.min_score]
    return sorted(kept, key=lambda person: -person.person_score)


def joint_peaks(heat: NDArray, sigma_cells: float, settings: DecodeSettings = DEFAULTS) -> Peaks:
    """The joints in heat maps (19, h, w), whose last is background."""
    found = find_peaks(heat[:-1], settings.heat_threshold, settings.nms_radius_cells)
    found = found[_highest(found[:, 0], heat[tuple(found.T)], settings.max_peaks)]
    xy_cells, height = refine_peaks(heat, found, sigma_cells)
    return Peaks(found[:, 0], xy_cells, np.minimum(height, 1.0))


def likeliest_px(heat: NDArray, stride: int, settings: DecodeSettings = DEFAULTS) -> NDArray[np.float64]:
    """(18, 2) the highest place of every joint's heat map (19, h, w), in input pixels, however low it is."""
    joints = len(SKELETON)
    row, column = np.divmod(heat[:joints].reshape(joints, -1).argmax(axis=1), heat.shape[2])
    top = np.stack([np.arange(joints), row, column], axis=1)
    return cells_to_px(refine_peaks(heat, top, settings.sigma_px / stride)[0], stride)


def connect(peaks: Peaks, paf: NDArray, settings: DecodeSettings = DEFAULTS) -> Connections:
    """The limbs in fields (38, h, w): per limb, the pairing of peaks with the largest total score among those that may be."""
    limb, first, second = _candidates(peaks.joint)
    score = np.empty(len(limb))
    if len(limb):
        score = limb_scores(paf, limb, peaks.xy_cells[first], peaks.xy_cells[second], settings)
    keep = [_matched(rows, first[rows], score[rows]) for rows in _runs(limb)]
    chosen = np.concatenate(keep) if keep else np.zeros(0, dtype=np.int64)
    return Connections(limb[chosen], first[chosen], second[chosen], score[chosen])


def limb_scores(
    paf: NDArray, limb: NDArray, start_cells: NDArray, end_cells: NDArray, settings: DecodeSettings = DEFAULTS
) -> NDArray[np.float64]:
    """(M,) scores of candidate limbs from start to end (M, 2), in cells: mean of the field along the limb, less the penalty
    min(long_limb h / length - 1, 0) for long ones; 0 where too few points agree or the score is not positive.
    """
    vector = end_cells - start_cells
    length = np.maximum(np.linalg.norm(vector, axis=1), 1e-9)
    share = np.linspace(0, 1, settings.samples)
    x, y = (start_cells[:, i, None] + share * vector[:, i, None] for i in range(2))
    field_x, field_y = _sample(paf, limb, x, y)
    along = (field_x * vector[:, :1] + field_y * vector[:, 1:]) / length[:, None]
    score = along.mean(axis=1) + np.minimum(settings.long_limb * paf.shape[1] / length - 1, 0)
    agreeing = np.count_nonzero(along > settings.field_threshold, axis=1) >= settings.agreeing_share * settings.samples
    return np.where(agreeing & (score > 0), score, 0.0)


def _sample(paf: NDArray, limb: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bilinear field (x, y), each (M, S), of limbs (M,) at points (M, S) in cells; beyond the outermost cells the border's."""
    h, w = paf.shape[1:]
    x, y = np.clip(x, 0, w - 1), np.clip(y, 0, h - 1)
    left, top = np.minimum(x.astype(np.int64), max(w - 2, 0)), np.minimum(y.astype(np.int64), max(h - 2, 0))
    right_share, lower_share = x - left, y - top
    across, down = min(w - 1, 1), min(h - 1, 1) * w
    corner = (2 * limb[:, None] * h + top) * w + left
    flat = paf.ravel()
    out = []
    for at in (corner, corner + h * w):
        upper_left, lower_left = flat.take(at), flat.take(at + down)
        upper = upper_left + (flat.take(at + across) - upper_left) * right_share
        lower = lower_left + (flat.take(at + down + across) - lower_left) * right_share
        out.append(upper + (lower - upper) * lower_share)
    return out[0], out[1]


def _highest(joint: NDArray[np.int64], height: NDArray, count: int) -> NDArray[np.int64]:
    """Rows of the `count` highest peaks of every joint, in the order they had."""
    order = np.lexsort((-height, joint))
    rank = np.arange(len(order)) - np.searchsorted(joint[order], joint[order])
    return np.sort(order[rank < count])


def _candidates(joint: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(limb, first, second), each (M,): every pair of peaks whose joints are a limb's, limb by limb."""
    peaks_of = [np.flatnonzero(joint == j) for j in range(len(SKELETON))]
    pairs = [(np.repeat(peaks_of[a], len(peaks_of[b])), np.tile(peaks_of[b], len(peaks_of[a]))) for a, b in LIMBS]
    limb = np.repeat(np.arange(len(LIMBS)), [len(first) for first, _ in pairs])
    first, second = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return limb, first, second


def _runs(limb: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each limb that has any; `limb` is sorted."""
    return [rows for rows in np.split(np.arange(len(limb)), np.flatnonzero(np.diff(limb)) + 1) if len(rows)]


def _matched(rows: NDArray[np.int64], first: NDArray, score: NDArray) -> NDArray[np.int64]:
    """The rows of one limb's candidates that the best matching keeps; candidates of score 0 are never kept."""
    seconds = np.count_nonzero(first == first[0])
    table = score.reshape(-1, seconds)
    a, b = linear_sum_assignment(table, maximize=True)
    return rows.reshape(-1, seconds)[a, b][table[a, b] > 0]


def _detection(part: PartPerson, peaks: Peaks, stride: int) -> Detection2D:
    """A person with joints in input pixels; its score is the mean over the joints and the limbs it has."""
    joints, numbers = list(part.peak_of_joint), list(part.peak_of_joint.values())
    xy_px, score = np.full((len(SKELETON), 2), np.nan), np.zeros(len(SKELETON))
    xy_px[joints], score[joints] = cells_to_px(peaks.xy_cells[numbers], stride), peaks.score[numbers]
    limb_score = list(part.score_of_limb.values())
    return Detection2D(xy_px, score, person_score=float(np.clip(np.mean([*score[joints], *limb_score]), 0, 1)))
