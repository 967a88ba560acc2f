"""How far off a result is where the truth is known: the demo clip and every clip that apps/render.py films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps.result_folder import Result
from posecore.camera import camera_to_image
from posecore.errors import InputError
from posecore.metrics import bone_deviation_mm, joint_errors_mm, mpjpe_mm, pa_mpjpe_mm
from posecore.skeleton import load_skeleton
from posecore.types import Floats

_SKELETON = load_skeleton("vnect21")


@dataclass(frozen=True)
class Truth:
    """A rendered clip's people: xyz_m (P, T, 21, 3) in the camera frame, xy_px (P, T, 21, 2), stature_m (P,)."""

    xyz_m: Floats
    xy_px: Floats
    stature_m: Floats


def read_truth(path: Path) -> Truth:
    """CLIP.truth.npz as training/synthetic/clips.py writes it. InputError if it is missing or damaged."""
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            return Truth(*(file[name].astype(np.float64) for name in ("xyz_m", "xy_px", "stature_m")))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no truth of a rendered clip ({error})") from None


def figures(result: Result, truth: Truth) -> dict[str, float]:
    """Errors over all people of the truth, each against the person found who is nearest; only missing_percent without any.

    mpjpe_mm about the pelvis, pa_mpjpe_mm after alignment, root_mm of the pelvis in the camera frame, bone_sd_mm of the least
    constant bone, reprojection_p95_px of all joints in the picture, missing_percent of frames without a position. InputError
    if the frames are not the truth's.
    """
    found = result.joints.xyz_m
    if not len(found):
        return {"missing_percent": 100.0}
    if found.shape[1] != truth.xyz_m.shape[1]:
        raise InputError(f"the result has {found.shape[1]} frames, its truth {truth.xyz_m.shape[1]}")
    nearest = [_nearest(found, person_m) for person_m in truth.xyz_m]
    one, other = np.concatenate(nearest), np.concatenate(truth.xyz_m)
    apart_px = np.linalg.norm(camera_to_image(one, result.camera) - np.concatenate(truth.xy_px), axis=-1)
    return {
        "mpjpe_mm": mpjpe_mm(one, other, _SKELETON.root),
        "pa_mpjpe_mm": pa_mpjpe_mm(one, other),
        "root_mm": float(np.nanmean(joint_errors_mm(one, other)[:, _SKELETON.root])),
        "bone_sd_mm": max(float(np.nanmax(bone_deviation_mm(person_m, _SKELETON.parent))) for person_m in nearest),
        "reprojection_p95_px": float(np.nanpercentile(apart_px, 95)),
        "missing_percent": 100 * float(np.isnan(one[:, _SKELETON.root, 0]).mean()),
    }


def truth_line(result: Result, truth: Truth) -> str:
    """The figures that matter most, in one line."""
    found = figures(result, truth)
    if "mpjpe_mm" not in found:
        return f"truth: none of its {len(truth.xyz_m)} people found"
    away_m = float(np.nanmean(truth.xyz_m[:, :, _SKELETON.root, 2]))
    return (
        f"truth: {found['mpjpe_mm']:.0f} mm off per joint about the pelvis (MPJPE), {found['pa_mpjpe_mm']:.0f} mm after "
        f"alignment (PA-MPJPE), pelvis {found['root_mm']:.0f} mm off at {away_m:.1f} m"
    )


def _nearest(found_m: Floats, truth_m: Floats) -> Floats:
    """(T, 21, 3) of the person of (P, T, 21, 3) whose pelvis is nearest to the truth's over the frames that both have."""
    known = np.isfinite(found_m[:, :, _SKELETON.root, 0]).sum(axis=1)
    apart_m = np.linalg.norm(found_m[:, :, _SKELETON.root] - truth_m[:, _SKELETON.root], axis=-1)
    count = np.isfinite(apart_m).sum(axis=1)
    mean_m = np.where(count, np.nansum(apart_m, axis=1) / np.maximum(count, 1), np.inf)  # who was never there is not near
    best = np.argmin(mean_m + len(truth_m) / np.maximum(known, 1))  # a glimpse nearby does not win
    return found_m[best]
