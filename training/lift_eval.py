"""The lifter's accuracy on labelled crops it never trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lift3d.codec import decode
from posecore.metrics import align_similarity, auc_percent, mpjpe_mm, pa_mpjpe_mm, pck3d_percent
from posecore.pck import correct_limb_joints
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from training.augment import AugmentConfig
from training.company import Surroundings
from training.lift_data import LiftExample, make_example
from training.samples import LIFT_JOINTS, Sample

VNECT = load_skeleton("vnect21")
LIMBS = VNECT.indices(LIMB_JOINTS)
OTHERS = [j for j in range(len(VNECT.joints)) if j not in (*LIMBS, VNECT.root)]  # neck, head, spine, hands, toes
STILL = AugmentConfig(
    rotation_sd_deg=0.0, upside_down=0.0, scale_sd=0.0, shift_sd=0.0, flip=0.0, colour=0.0, degrade=0.0, occlude=0.0
)  # changes nothing
PUBLISHED_JOINTS = ("head_top", "neck", *LIMB_JOINTS)  # the 14 joints of 3DPCK (Mehta et al. 2017)


def _examples(
    samples: list[Sample], size_px: int, batch: int, turned: bool = False, company: Sequence[Sample] = ()
) -> Iterator[list[tuple[str, LiftExample]]]:
    """Plain crops, or crops with others of `company` in them: the same at every call."""
    config, around = replace(STILL, upright=float(turned), company=float(bool(company))), Surroundings((), company)
    for first in range(0, len(samples), batch):
        yield [
            (s.source, make_example(s, size_px, np.random.default_rng(k) if company else None, config, 0, around))
            for k, s in enumerate(samples[first : first + batch], first)
        ]


def evaluate_lift(
    maps_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    samples: list[Sample],
    size_px: int,
    sigma_gain: ArrayLike = (1.0, 1.0),
    batch: int = 32,
    turned: bool = False,
    company: Sequence[Sample] = (),
) -> dict[str, float]:
    """Figures per source over plain crops, turned with the body or with others of `company` in them.

    PCK@0.2 torso of the 12 limb joints, MPJPE and PA-MPJPE in mm of normalised metres. `pck_people` and `mpjpe_people` are how
    many persons these are means over: a torso, or a trusted limb joint, is not known of everybody.
    3D is compared on the trusted limb joints, both relative to the pelvis; PA needs at least 6 of them. `others_mm` is the same
    over the trusted joints that no limb ends at: neck, head, spine, hands and toes. `cover80` is the share
    of the limb joints' coordinates inside the 80 % interval (Laplace) of the network's error bars times `sigma_gain` (in the
    image plane, in depth), which should be 0.8, in `cover80_xy` and `cover80_z` as well; `gain_xy` and `gain_z` are the factors
    that would make it so. `others_cover80_xy` and `_z` are of the joints of `others_mm`.
    """
    rows: dict[str, list[_Figures]] = {}
    for examples in _examples(samples, size_px, batch, turned, company):
        maps = maps_of(np.stack([e.rgb for _, e in examples]))
        for (source, example), m in zip(examples, maps, strict=True):
            rows.setdefault(source, []).append(_score(m, example, np.asarray(sigma_gain, dtype=float)))
    out: dict[str, float] = {}
    for source, figures in sorted(rows.items()):
        out |= {f"{source}_{name}": value for name, value in _summary(figures).items()}
    return out


def evaluate_published(
    maps_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    samples: list[Sample],
    size_px: int,
    scaled: bool = False,
    batch: int = 32,
) -> dict[str, float]:
    """The measures of MPI-INF-3DHP's papers over its test sequences and over all frames alike: 3DPCK, AUC, MPJPE, PA-MPJPE.

    Over `PUBLISHED_JOINTS`, about the pelvis, in the truth's own millimetres. `scaled` gives the lift the true size of each
    person, which it cannot see; it is for skeletons of true size. Keys are as `TS1_mpjpe_mm`, and `mpjpe_mm` over all.
    """
    lifted, truth = [], []
    for examples in _examples(samples, size_px, batch):
        for (_, example), m in zip(examples, maps_of(np.stack([e.rgb for _, e in examples])), strict=True):
            person = example.person
            lifted.append(decode(m, VNECT.root)[2] * (person.scale if scaled else 1.0))
            truth.append(np.where(person.trust_xyz[LIFT_JOINTS, None] > 0, person.xyz_m[LIFT_JOINTS] * person.scale, np.nan))
    names = [s.key.split("/")[0] for s in samples]
    out: dict[str, float] = {}
    for part in [*sorted(set(names)), ""]:
        rows = [k for k, name in enumerate(names) if part in ("", name)]
        out |= {f"{part}_{name}".lstrip("_"): value for name, value in _published(lifted, truth, rows).items()}
    return out


def _published(lifted: list[NDArray], truth: list[NDArray], rows: list[int]) -> dict[str, float]:
    """The measures over some of the frames; the root itself is right by definition and does not count."""
    joints = [VNECT.root, *VNECT.indices(PUBLISHED_JOINTS)]
    predicted, expected = (np.array([poses[k][joints] for k in rows]) for poses in (lifted, truth))
    pairs = (predicted - predicted[:, :1])[:, 1:], (expected - expected[:, :1])[:, 1:]
    return {
        "pck3d_percent": pck3d_percent(*pairs, None),
        "auc_percent": auc_percent(*pairs, None),
        "mpjpe_mm": mpjpe_mm(*pairs, None),
        "pa_mpjpe_mm": pa_mpjpe_mm(*pairs),
        "frames": len(rows),
    }


@dataclass(frozen=True)
class _Figures:
    """One crop's; empty where the labels say nothing."""

    right: NDArray[np.float64]  # 0 or 1 per labelled limb joint
    error_mm: NDArray[np.float64]  # per trusted limb joint
    aligned_mm: NDArray[np.float64]
    others_mm: NDArray[np.float64]  # per trusted joint of OTHERS
    ratio: NDArray[np.float64]  # (K, 3) error over the half width of the 80 % interval, per trusted limb joint
    others_ratio: NDArray[np.float64]  # the same per trusted joint of OTHERS


def _summary(figures: list[_Figures]) -> dict[str, float]:
    """Means over crops, so that every person counts the same."""

    def mean(parts: list[NDArray[np.float64]]) -> float:
        return float(np.mean([part.mean() for part in parts if part.size])) if any(part.size for part in parts) else np.nan

    ratio, others_ratio = (np.concatenate(parts) for parts in zip(*((f.ratio, f.others_ratio) for f in figures), strict=True))
    out = {
        "pck_people": float(sum(f.right.size > 0 for f in figures)),
        "mpjpe_people": float(sum(f.error_mm.size > 0 for f in figures)),
        "pck": mean([f.right for f in figures]),
        "mpjpe_mm": mean([f.error_mm for f in figures]),
        "pa_mpjpe_mm": mean([f.aligned_mm for f in figures]),
        "others_mm": mean([f.others_mm for f in figures]),
    }
    if len(others_ratio):
        out |= {f"others_{name}": value for name, value in _cover(others_ratio).items()}
    if len(ratio):
        out |= {"cover80": float((ratio <= 1).mean()), **_cover(ratio)}
        out["gain_xy"], out["gain_z"] = float(np.quantile(ratio[:, :2], 0.8)), float(np.quantile(ratio[:, 2], 0.8))
    return {name: value for name, value in out.items() if np.isfinite(value)}


def _cover(ratio: NDArray[np.float64]) -> dict[str, float]:
    """Shares of the coordinates inside their intervals, from ratios (K, 3), K > 0."""
    return {"cover80_xy": float((ratio[:, :2] <= 1).mean()), "cover80_z": float((ratio[:, 2] <= 1).mean())}


def _score(maps: NDArray[np.float32], example: LiftExample, sigma_gain: NDArray[np.float64]) -> _Figures:
    person = example.person
    xy, _, xyz, sigma = decode(maps, VNECT.root)
    right = correct_limb_joints(xy, person.xy_px[LIFT_JOINTS], person.trust[LIFT_JOINTS] > 0, VNECT)
    trusted, others = ([j for j in joints if person.trust_xyz[j] > 0] for joints in (LIMBS, OTHERS))
    truth = person.xyz_m[trusted].astype(float)
    off, others_off = xyz[trusted] - truth, xyz[others] - person.xyz_m[others]
    half = (sigma * sigma_gain)[:, [0, 0, 1]] / np.sqrt(2) * np.log(5.0)  # 80 % of a Laplace lies within b ln 5
    aligned = align_similarity(xyz[trusted], truth) - truth if len(trusted) >= 6 else np.zeros((0, 3))
    return _Figures(
        right[np.isfinite(right)],
        1000 * np.linalg.norm(off, axis=1),
        1000 * np.linalg.norm(aligned, axis=1),
        1000 * np.linalg.norm(others_off, axis=1),
        np.abs(off) / half[trusted],
        np.abs(others_off) / half[others],
    )
