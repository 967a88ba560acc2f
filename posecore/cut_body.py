"""Where the rest of a body is whom the picture's border cuts off, by the proportions of somebody upright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.camera import in_picture
from posecore.skeleton import Skeleton

# Shares of the stature, medians of 250 rendered pictures' people. "shoulders" are the middle of both, and so on.
BELOW_TOP = {"head_top": 0.0, "nose": 0.04, "shoulders": 0.18, "hips": 0.45, "knees": 0.69, "ankles": 0.94}
BONES = {
    ("nose", "shoulders"): 0.14,
    ("left_shoulder", "right_shoulder"): 0.194,
    ("shoulders", "hips"): 0.27,
    **{(f"{side}_shoulder", f"{side}_elbow"): 0.155 for side in ("left", "right")},
    **{(f"{side}_elbow", f"{side}_wrist"): 0.135 for side in ("left", "right")},
    **{(f"{side}_hip", f"{side}_knee"): 0.244 for side in ("left", "right")},
    **{(f"{side}_knee", f"{side}_ankle"): 0.247 for side in ("left", "right")},
}


def beyond_border_px(xy_px: NDArray, known: NDArray, skeleton: Skeleton, picture_wh: tuple[int, int]) -> NDArray[np.float64]:
    """(K, 2) places beyond a picture of this width and height of what is higher or lower on a body than all joints known of it.

    xy_px (J, 2), known (J,): the joints. The body is taken for a straight one: on the line from the shoulders to the hips or,
    where that is not known, upright. The bone that looks largest tells its size, since others are seen shortened. What would
    be in the picture, hidden by something else, is left out; nothing is said of whom no bone is known.
    """
    where = parts_px(xy_px, known, skeleton)
    sizes_px = [np.linalg.norm(where[a] - where[b]) / share for (a, b), share in BONES.items() if {a, b} <= where.keys()]
    levels = [part for part in BELOW_TOP if part in where]
    if not sizes_px or not levels:
        return np.empty((0, 2))
    down_px = _down(where) * max(sizes_px)
    depth, ends = np.array(list(BELOW_TOP.values())), (levels[0], levels[-1])
    above, below = (where[end] + (depth[:, None] - BELOW_TOP[end]) * down_px for end in ends)
    rest_px = np.concatenate([above[depth < BELOW_TOP[ends[0]]], below[depth > BELOW_TOP[ends[1]]]])
    return rest_px[~in_picture(rest_px, picture_wh)]


def parts_px(xy_px: NDArray, known: NDArray, skeleton: Skeleton) -> dict[str, NDArray[np.float64]]:
    """Places (2,) by name of the joints (J, 2) marked in `known` (J,), and middles of pairs ("hips"), of which one may do."""
    where = {joint: xy_px[k] for k, joint in enumerate(skeleton.joints) if known[k] and np.isfinite(xy_px[k]).all()}
    for joint in ("shoulder", "hip", "knee", "ankle"):
        pair = [where[f"{side}_{joint}"] for side in ("left", "right") if f"{side}_{joint}" in where]
        if pair:
            where[f"{joint}s"] = np.mean(pair, axis=0)
    return where


def _down(where: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Unit vector (2,) along the trunk, to the picture's lower border where that is not known."""
    trunk = where["hips"] - where["shoulders"] if {"hips", "shoulders"} <= where.keys() else np.zeros(2)
    return trunk / np.linalg.norm(trunk) if trunk.any() else np.array([0.0, 1.0])
