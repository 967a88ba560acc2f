"""What people wear, as the colours of their body parts, for the tracker to tell them apart where places and poses cannot."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.skeleton import load_skeleton
from posecore.types import Floats

SKELETON = load_skeleton("openpose18")
TRUNK = SKELETON.indices(["left_shoulder", "right_shoulder", "left_hip", "right_hip"])
BONES = [  # parts made of bones: thighs, upper arms
    [SKELETON.indices([f"{side}_{joint}" for joint in joints]) for side in ("left", "right")]
    for joints in (("hip", "knee"), ("shoulder", "elbow"))
]
INSIDE = np.linspace(0.15, 0.85, 7)  # shares of the way, clear of the joints
# CIELAB units: how far a part's colour is off itself in another frame (light and folds), and off another person's.
SAME = np.array([10.0, 5.0, 5.0])
OTHER = np.array([25.0, 12.0, 12.0])
WORST = -4.0  # log odds; a change of light is never sure proof that two people are two


def look_of(rgb: NDArray[np.uint8], xy_px: Floats) -> Floats:
    """(3, 3): median colours (CIELAB) of trunk, thighs and upper arms of joints (18, 2) in a picture; NaN where not seen."""
    points = [_over_trunk(xy_px[TRUNK]), *(_along(xy_px, pairs) for pairs in BONES)]
    return np.stack([_median_colour(rgb, part) for part in points])


def look_log_odds(one: ArrayLike, other: ArrayLike, same: ArrayLike = SAME) -> Floats:
    """Log odds, WORST to about 2.7, that looks (..., 3, 3) are of one person rather than of two; 0 where no part is shared.

    same, (3,) or (..., 3, 3): how far the colours of one and the same part are apart, CIELAB units.
    The ratio of two Gaussians in the difference of a part's colour, averaged over the parts that both have: clothes of one
    person go together, so that three parts alike say little more than one.
    """
    difference = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    spread = np.asarray(same, dtype=np.float64)
    part = (0.5 * difference**2 * (1 / OTHER**2 - 1 / spread**2) + np.log(OTHER / spread)).sum(axis=-1)
    shared = np.isfinite(part)
    mean = np.where(shared, part, 0).sum(axis=-1) / np.maximum(shared.sum(axis=-1), 1)
    return np.maximum(mean, WORST)


def blend_looks(known: Floats, seen: Floats, share: float = 0.2) -> Floats:
    """The remembered look moved by a share towards the one seen now; a part that only one of them has is taken from it."""
    both = np.isfinite(known) & np.isfinite(seen)
    return np.where(both, (1 - share) * known + share * seen, np.where(np.isfinite(known), known, seen))


def _over_trunk(corners: Floats) -> Floats:
    """(N, 2) points inside shoulders and hips (4, 2), given left, right, left, right; none where a corner is missing."""
    if not np.isfinite(corners).all():
        return np.zeros((0, 2))
    across, down = (INSIDE.reshape(shape) for shape in ((1, -1, 1), (-1, 1, 1)))
    upper = corners[0] + across * (corners[1] - corners[0])
    lower = corners[2] + across * (corners[3] - corners[2])
    return (upper + down * (lower - upper)).reshape(-1, 2)


def _along(xy_px: Floats, pairs: list[list[int]]) -> Floats:
    """(N, 2) points along those of the bones of which both ends are seen."""
    ends = [xy_px[pair] for pair in pairs]
    points = [a + INSIDE[:, None] * (b - a) for a, b in ends if np.isfinite([a, b]).all()]
    return np.concatenate([np.zeros((0, 2)), *points])


def _median_colour(rgb: NDArray[np.uint8], points_px: Floats) -> Floats:
    """CIELAB median (3,) of the pixels at points (N, 2) inside the picture; NaN where there is none."""
    x, y = np.round(points_px).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < rgb.shape[1]) & (y < rgb.shape[0])
    if not inside.any():
        return np.full(3, np.nan)
    colours = rgb[y[inside], x[inside]][:, None].astype(np.float32) / 255
    return np.median(cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)[:, 0], axis=0).astype(np.float64)
