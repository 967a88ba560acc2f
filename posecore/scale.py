"""The one scale of the lift (docs/conventions.md, "Scale of the lift")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.camera import ASSUMED
from posecore.skeleton import load_skeleton

KNEE_TO_NECK_M = 0.92  # VNect's height normalisation
STATURE_M = 1.62  # stature of an average adult whose knee-to-neck height is KNEE_TO_NECK_M (200 anny bodies: 0.569 of stature)
DEFAULT_HEIGHT_M = 1.70  # assumed for a person of whom nothing is known


def knee_to_neck_m(xyz_m: NDArray) -> NDArray[np.float64]:
    """(..., 21, 3) joints of vnect21 to (...,) knee-to-neck heights, as conventions.md defines them."""
    skeleton = load_skeleton("vnect21")
    pairs = [("left_knee", "left_hip"), ("spine", "pelvis"), ("neck", "spine")]
    return sum(np.linalg.norm(xyz_m[..., skeleton.index(a), :] - xyz_m[..., skeleton.index(b), :], axis=-1) for a, b in pairs)


def stature(height_m: float | None) -> tuple[float, str]:
    """The stature that a person counts with, metres, and where it came from: "given", or "assumed" if none is known."""
    return (height_m, "given") if height_m else (DEFAULT_HEIGHT_M, ASSUMED)


def stature_in_words(stature_m: float, source: str) -> str:
    """As summary and report tell it: "1.70 m, assumed"."""
    return f"{stature_m:.2f} m, {source}"


def person_scale(height_m: float | None) -> float:
    """True metres per normalised metre of a person of this stature (of the default stature if it is not known)."""
    return stature(height_m)[0] / STATURE_M
