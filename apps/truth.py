"""How far off a result is where the truth is known: the demo clip and every clip that apps/render.py films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from apps.result_folder import Result
from posecore.camera import camera_to_image
from posecore.errors import InputError
from posecore.metrics import bone_deviation_mm, joint_errors_mm, mpjpe_mm, pa_mpjpe_mm
from posecore.skeleton import load_skeleton
from posecore.types import Floats

_SKELETON = load_skeleton("vnect21")
_NEVER = 1e9  # cost of two who share no frame


@dataclass(frozen=True)
class Truth:
    """A rendered clip's people: xyz_m (P, T, 21, 3) in the camera frame, xy_px (P, T, 21, 2), stature_m (P,)."""

    xyz_m: Floats
    xy_px: Floats
    stature_m: Floats


def read_truth(path: Path) -> Truth:
    """CLIP.truth.npz as training/synthetic/clips.py writes it. InputError if it is missing or damaged."""
    arrays = read_arrays(path, "xyz_m", "xy_px", "stature_m")
    return Truth(*(values.astype(np.float64) for values in arrays.values()))


def read_arrays(path: Path, *names: str) -> dict[str, NDArray]:
    """These arrays of CLIP.truth.npz, in this order. InputError if it is missing or damaged."""
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: no truth of a rendered clip ({error}); make one with `apps/render.py clip`") from None


def figures(result: Result, truth: Truth) -> dict[str, float]:
    """Errors over the people of the truth, each against one person found, no one twice, so that they are nearest on the whole;
    only missing_percent where none is found.

    mpjpe_mm about the pelvis, pa_mpjpe_mm after alignment, root_mm of the pelvis in the camera frame, bone_sd_mm of the least
    constant bone, reprojection_p95_px of all joints in the picture, all of those who are found; missing_percent of frames
    without a position, all frames of a person whom nobody is left for; people_too_many: how many found are left over.
    InputError if the frames are not the truth's.
    """
    found = result.joints.xyz_m
    if len(found) and found.shape[1] != truth.xyz_m.shape[1]:
        raise InputError(f"the result has {found.shape[1]} frames, its truth {truth.xyz_m.shape[1]}")
    pairs = _pairs(found, truth.xyz_m)
    if not pairs:
        return {"missing_percent": 100.0}
    people = np.full_like(truth.xyz_m, np.nan)
    for known, seen in pairs:
        people[known] = found[seen]
    one, other = np.concatenate(people), np.concatenate(truth.xyz_m)
    apart_px = np.linalg.norm(camera_to_image(one, result.camera) - np.concatenate(truth.xy_px), axis=-1)
    there = np.isfinite(found[:, :, _SKELETON.root, 0]).any(axis=1)
    return {
        "mpjpe_mm": mpjpe_mm(one, other, _SKELETON.root),
        "pa_mpjpe_mm": pa_mpjpe_mm(one, other),
        "root_mm": float(np.nanmean(joint_errors_mm(one, other)[:, _SKELETON.root])),
        "bone_sd_mm": max(float(np.nanmax(bone_deviation_mm(people[known], _SKELETON.parent))) for known, _ in pairs),
        "reprojection_p95_px": float(np.nanpercentile(apart_px, 95)),
        "missing_percent": 100 * float(np.isnan(one[:, _SKELETON.root, 0]).mean()),
        "people_too_many": float(there.sum() - len(pairs)),
    }


def truth_line(result: Result, truth: Truth) -> str:
    """The figures that matter most, in one line."""
    found = figures(result, truth)
    if "mpjpe_mm" not in found:
        return f"truth: none of its {len(truth.xyz_m)} people found"
    away_m = float(np.nanmean(truth.xyz_m[:, :, _SKELETON.root, 2]))
    missing, too_many = found["missing_percent"], found["people_too_many"]
    lacking = f"; missing in {missing:.0f} % of the frames" if missing >= 1 else ""
    return (
        f"truth: {found['mpjpe_mm']:.0f} mm off per joint about the pelvis (MPJPE), {found['pa_mpjpe_mm']:.0f} mm after "
        f"alignment (PA-MPJPE), pelvis {found['root_mm']:.0f} mm off at {away_m:.1f} m{lacking}"
        + (f"; {too_many:.0f} found who are not there" if too_many else "")
    )


def _pairs(found_m: Floats, truth_m: Floats) -> list[tuple[int, int]]:
    """Rows (of truth_m (P, T, 21, 3), of found_m (N, T, 21, 3)) of who is whom, by the distance of the pelvises over the frames
    that both have; without those who share no frame."""
    root = _SKELETON.root
    apart_m = np.linalg.norm(found_m[None, :, :, root] - truth_m[:, None, :, root], axis=-1).reshape(
        len(truth_m), len(found_m), truth_m.shape[1]
    )
    count = np.isfinite(apart_m).sum(axis=2)
    mean_m = np.nansum(apart_m, axis=2) / np.maximum(count, 1)
    cost = np.where(count, mean_m + truth_m.shape[1] / np.maximum(count, 1), _NEVER)  # a glimpse nearby does not win
    return [(int(k), int(n)) for k, n in zip(*linear_sum_assignment(cost), strict=True) if count[k, n]]
