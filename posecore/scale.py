"""The one scale of the lift (docs/conventions.md, "Scale of the lift")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import load_skeleton

KNEE_TO_NECK_M = 0.92  # VNect's height normalisation
STATURE_M = 1.62  # stature of an average adult whose knee-to-neck height is KNEE_TO_NECK_M (200 anny bodies: 0.569 of stature)
DEFAULT_HEIGHT_M = 1.70  # assumed for a person of whom nothing is known


def knee_to_neck_m(xyz_m: NDArray) -> NDArray[np.float64]:
    """(..., 21, 3) joints of vnect21 to (...,) knee-to-neck heights, as conventions.md defines them."""
    skeleton = load_skeleton("vnect21")
    pairs = [("left_knee", "left_hip"), ("spine", "pelvis"), ("neck", "spine")]
    return sum(np.linalg.norm(xyz_m[..., skeleton.index(a), :] - xyz_m[..., skeleton.index(b), :], axis=-1) for a, b in pairs)


def person_scale(height_m: float | None) -> float:
    """True metres per normalised metre of a person of this stature (of the default stature if it is not known)."""
    return (height_m or DEFAULT_HEIGHT_M) / STATURE_M
