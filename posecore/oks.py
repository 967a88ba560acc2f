"""How alike two people in the image are, COCO's object keypoint similarity and the overlap of boxes; how large one is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.skeleton import Skeleton, load_skeleton


def oks_sigma(skeleton: Skeleton) -> NDArray[np.float64]:
    """(J,) COCO's standard deviation of each joint as a share of the person's scale; NaN for joints COCO does not have.

    The neck, midpoint of the shoulders, gets that of the shoulders.
    """
    coco = load_skeleton("coco17")
    assert coco.oks_sigma is not None
    known = dict(zip(coco.joints, coco.oks_sigma, strict=True))
    known["neck"] = known["left_shoulder"]
    return np.array([known.get(joint, np.nan) for joint in skeleton.joints])


def oks(
    xy_px: ArrayLike,
    other_xy_px: ArrayLike,
    area_px: ArrayLike,
    sigma: ArrayLike,
    counted: ArrayLike | None = None,
    extra_variance_px: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Object keypoint similarity in 0..1 of poses (..., J, 2) of persons of area (...,) square pixels; leading axes broadcast.

    Mean over joints of exp(-d^2 / (2 s^2 k^2)), s^2 = area, k = 2 sigma (COCO). Joints are counted where `counted` (..., J)
    says so, and then a NaN joint scores 0; by default where both poses have them. Without any, the similarity is 0.
    extra_variance_px (..., J), square pixels, widens each joint's Gaussian.
    """
    square = np.square(np.asarray(xy_px, dtype=np.float64) - np.asarray(other_xy_px, dtype=np.float64)).sum(axis=-1)
    sigma = np.asarray(sigma, dtype=np.float64)
    variance = np.multiply.outer(np.asarray(area_px, dtype=np.float64), (2 * sigma) ** 2)
    score = np.nan_to_num(np.exp(-0.5 * square / (variance + extra_variance_px)))
    used = np.isfinite(square) if counted is None else np.broadcast_to(np.asarray(counted, dtype=bool), square.shape)
    used = used & np.isfinite(sigma)
    return (score * used).sum(axis=-1) / np.maximum(used.sum(axis=-1), 1)


def joints_box(xy_px: ArrayLike) -> NDArray[np.float64]:
    """(..., J, 2) joints to the tightest boxes (..., 4) x0, y0, x1, y1 around those that are not NaN; NaN if there are none."""
    xy = np.asarray(xy_px, dtype=np.float64)
    known = np.isfinite(xy).all(axis=-1, keepdims=True)
    box = np.concatenate([np.where(known, xy, np.inf).min(axis=-2), np.where(known, xy, -np.inf).max(axis=-2)], axis=-1)
    return np.where(np.isfinite(box), box, np.nan)


def body_height_px(xy_px: ArrayLike) -> NDArray[np.float64]:
    """(..., J, 2) joints, NaN where unknown, to people's sizes in the image (...): the longer side of their box, at least 1."""
    box = joints_box(xy_px)
    return np.maximum(np.nan_to_num(box[..., 2:] - box[..., :2]).max(axis=-1), 1.0)


def box_iou(box_xyxy_px: ArrayLike, other_xyxy_px: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union in 0..1 of boxes (..., 4), leading axes broadcast; 0 for empty or unknown (NaN) boxes."""
    a, b = np.asarray(box_xyxy_px, dtype=np.float64), np.asarray(other_xyxy_px, dtype=np.float64)
    common = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - common
    return np.nan_to_num(np.divide(common, union, out=np.zeros_like(common), where=union > 0))
