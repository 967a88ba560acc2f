"""Where to look: the square crop around one person (Mehta et al. 2017, section 4.1, "bounding box tracker"), and its pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.camera import scale_xy_px
from posecore.types import Crop, Detection2D

MARGIN = 1.35  # side of the crop over the longer side of the joints' box; training jitters around it
MIN_SIDE_PX = 16.0
UPRIGHT = np.eye(2)


def crop_from_points(xy_px: NDArray, known: NDArray, size_px: int, margin: float = MARGIN) -> Crop | None:
    """Square crop around the joints xy_px (J, 2) marked in `known` (J,); None with fewer than two of them."""
    points = xy_px[known & np.isfinite(xy_px).all(axis=1)]
    if len(points) < 2:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()) * margin, MIN_SIDE_PX)
    return Crop((low + high) / 2, side, size_px)


def crop_from_detection(detection: Detection2D, size_px: int, margin: float = MARGIN) -> Crop | None:
    """Crop around a detected person. The detector knows neither head top, hands nor toes, so its box first grows."""
    known = np.isfinite(detection.xy_px).all(axis=1) & (detection.score > 0)
    points = detection.xy_px[known]
    if len(points) < 2:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    grow = 0.06 * float((high - low).max())
    corners = np.array([low - grow, high + grow])
    return crop_from_points(corners, np.ones(2, dtype=bool), size_px, margin)


def turned_matrix(crop: Crop, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) image pixels to crop pixels, turned about the crop's centre by `turn` (2, 2), a rotation or a mirrored one."""
    A = crop.scale * turn
    return np.column_stack([A, (crop.size_px - 1) / 2 - A @ crop.centre_px])


def cut_crop(rgb: NDArray[np.uint8], crop: Crop, turn: NDArray[np.float64] = UPRIGHT) -> NDArray[np.uint8]:
    """The crop's pixels (S, S, 3) of a picture, or (S, S) of a mask; `turn` as in `turned_matrix`.

    Black outside the picture (as VNect). Strong reductions average first, so that nothing flickers.
    """
    if crop.scale < 0.5:
        rgb, crop = _shrink(rgb, crop, float(np.abs(turn[0]).sum()))
    size = (crop.size_px, crop.size_px)
    return cv2.warpAffine(rgb, turned_matrix(crop, turn), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _shrink(rgb: NDArray[np.uint8], crop: Crop, wider: float) -> tuple[NDArray[np.uint8], Crop]:
    """The neighbourhood of the crop, `wider` times its side for the corners of a turned one, at twice its final size."""
    reach = 0.5 * crop.side_px * wider + 2
    low = np.maximum(np.floor(crop.centre_px - reach), 0).astype(int)
    high = np.minimum(np.ceil(crop.centre_px + reach), [rgb.shape[1], rgb.shape[0]]).astype(int)
    if (high - low < 1).any():
        return rgb, crop
    part = rgb[low[1] : high[1], low[0] : high[0]]
    size = np.maximum(np.round(2 * crop.scale * (high - low)), 1).astype(int)
    scale = size / (high - low)
    small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    centre = scale_xy_px(crop.centre_px - low, scale)
    return small, Crop(centre, crop.side_px * float(scale.mean()), crop.size_px)
