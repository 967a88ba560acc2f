"""Percentage of correct keypoints: how many joints lie within a share of the torso of their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import LIMB_JOINTS, Skeleton


def torso_px(xy_px: NDArray, known: NDArray, skeleton: Skeleton) -> NDArray[np.float64]:
    """(..., J, 2) labels to (...,) torso lengths: mean of the two shoulder-to-opposite-hip diagonals; NaN if unknown."""
    names = ["left_shoulder", "right_hip", "right_shoulder", "left_hip"]
    points = np.where(known[..., None], xy_px, np.nan)[..., skeleton.indices(names), :]
    return 0.5 * (
        np.linalg.norm(points[..., 0, :] - points[..., 1, :], axis=-1)
        + np.linalg.norm(points[..., 2, :] - points[..., 3, :], axis=-1)
    )


def correct_limb_joints(
    predicted_px: NDArray, label_px: NDArray, known: NDArray, skeleton: Skeleton, share: float = 0.2
) -> NDArray[np.float64]:
    """(..., 12) over `LIMB_JOINTS`: 1 within `share` torso lengths of the label, 0 beyond or missing, NaN unlabelled."""
    index = skeleton.indices(LIMB_JOINTS)
    limit = share * torso_px(label_px, known, skeleton)
    error = np.linalg.norm(predicted_px[..., index, :] - label_px[..., index, :], axis=-1)
    near = np.nan_to_num(error, nan=np.inf) <= limit[..., None]
    counted = known[..., index] & np.isfinite(limit)[..., None]
    return np.where(counted, near.astype(float), np.nan)
