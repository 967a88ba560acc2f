"""How far off a result is where the truth is known: the demo clip and every clip that apps/render.py films."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posecore.errors import InputError
from posecore.metrics import joint_errors_mm, mpjpe_mm, pa_mpjpe_mm
from posecore.results import JOINTS_3D, Joints3D, read_joints3d
from posecore.skeleton import load_skeleton
from posecore.types import Floats

_ROOT = load_skeleton("vnect21").root


def truth_line(folder: Path, truth_path: Path) -> str:
    """One line: errors of a result folder against OUT.truth.npz of its clip. InputError if either does not belong."""
    truth_m = _read_truth(truth_path)
    found = read_joints3d(folder / JOINTS_3D)
    if not len(found.persons):
        return f"truth: none of its {len(truth_m)} people found"
    pairs = [(_nearest(found, person_m), person_m) for person_m in truth_m]
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    local, aligned = mpjpe_mm(one, other, _ROOT), pa_mpjpe_mm(one, other)
    place = np.nanmean(joint_errors_mm(one, other)[:, _ROOT])
    return (
        f"truth: {local:.0f} mm off per joint about the pelvis (MPJPE), {aligned:.0f} mm after alignment (PA-MPJPE), "
        f"pelvis {place:.0f} mm off at {np.nanmean(other[:, _ROOT, 2]):.1f} m"
    )


def _read_truth(path: Path) -> Floats:
    """(P, T, 21, 3) joints in the camera's frame, metres."""
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            return file["xyz_m"].astype(np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no truth of a rendered clip ({error})") from None


def _nearest(found: Joints3D, truth_m: Floats) -> Floats:
    """(T, 21, 3) of the person found whose pelvis is nearest to the truth's over the frames that both have."""
    if found.xyz_m.shape[1] != len(truth_m):
        raise InputError(f"the result has {found.xyz_m.shape[1]} frames, its truth {len(truth_m)}")
    known = np.isfinite(found.xyz_m[:, :, _ROOT, 0]).sum(axis=1)
    apart_m = np.linalg.norm(found.xyz_m[:, :, _ROOT] - truth_m[:, _ROOT], axis=-1)
    best = np.argmin(np.nanmean(apart_m, axis=1) + len(truth_m) / np.maximum(known, 1))  # a glimpse nearby does not win
    return found.xyz_m[best]
