"""The lifter's accuracy on labelled crops it never trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lift3d.codec import decode
from posecore.metrics import align_similarity
from posecore.pck import correct_limb_joints
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from training.augment import AugmentConfig
from training.lift_data import LiftExample, make_example
from training.samples import LIFT_JOINTS, Sample

VNECT = load_skeleton("vnect21")
LIMBS = VNECT.indices(LIMB_JOINTS)


def _examples(samples: list[Sample], size_px: int, batch: int) -> Iterator[list[tuple[str, LiftExample]]]:
    plain = AugmentConfig()
    for k in range(0, len(samples), batch):
        yield [(s.source, make_example(s, size_px, None, plain)) for s in samples[k : k + batch]]


def evaluate_lift(
    maps_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]], samples: list[Sample], size_px: int, batch: int = 32
) -> dict[str, float]:
    """Figures per source over plain crops: PCK@0.2 torso of the 12 limb joints, MPJPE and PA-MPJPE in mm of normalised metres.

    3D is compared on the trusted limb joints, both relative to the pelvis; PA needs at least 6 of them. `cover80` is the share
    of the coordinates inside the network's own 80 % interval (Laplace), which should be 0.8.
    """
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for examples in _examples(samples, size_px, batch):
        maps = maps_of(np.stack([e.rgb for _, e in examples]))
        for (source, example), m in zip(examples, maps, strict=True):
            rows.setdefault(source, []).append(_score(m, example))
    out: dict[str, float] = {}
    for source, values in sorted(rows.items()):
        means = np.nanmean(np.array(values), axis=0) if values else np.full(4, np.nan)
        names = ("pck", "mpjpe_mm", "pa_mpjpe_mm", "cover80")
        out |= {f"{source}_{n}": float(v) for n, v in zip(names, means, strict=True) if np.isfinite(v)}
    return out


def _score(maps: NDArray[np.float32], example: LiftExample) -> tuple[float, float, float, float]:
    person = example.person
    xy, _, xyz, sigma = decode(maps, VNECT.root)
    known = person.trust[LIFT_JOINTS] > 0
    right = correct_limb_joints(xy, person.xy_px[LIFT_JOINTS], known, VNECT)
    pck = float(np.nanmean(right)) if np.isfinite(right).any() else np.nan
    trusted = [j for j in LIMBS if person.trust_xyz[j] > 0]
    if not trusted:
        return pck, np.nan, np.nan, np.nan
    off = xyz[trusted] - person.xyz_m[trusted]
    mpjpe = 1000 * float(np.linalg.norm(off, axis=1).mean())
    if len(trusted) < 6:
        return pck, mpjpe, np.nan, np.nan
    aligned = align_similarity(xyz[trusted], person.xyz_m[trusted].astype(float)) - person.xyz_m[trusted]
    half = sigma[trusted][:, [0, 0, 1]] / np.sqrt(2) * np.log(5.0)  # 80 % of a Laplace lies within b ln 5
    return pck, mpjpe, 1000 * float(np.linalg.norm(aligned, axis=1).mean()), float((np.abs(off) <= half).mean())
