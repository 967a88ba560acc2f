"""Where to look: the square crop around one person (Mehta et al. 2017, section 4.1, "bounding box tracker"), and its pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.camera import scale_xy_px
from posecore.cut_body import beyond_border_px, parts_px
from posecore.skeleton import Skeleton, load_skeleton
from posecore.types import Crop, Detection2D, rotation_2d

MARGIN = 1.22  # side of the crop over the longer side of the joints' box; training jitters around it
MIN_SIDE_PX = 16.0
GROWTH = 1.12  # of a detection's box, for the parts of the body that the detector does not know
UPRIGHT_RAD = 0.7  # turn of the window with somebody who lies
UPRIGHT = np.eye(2)


def crop_from_points(
    xy_px: NDArray, known: NDArray, size_px: int, margin: float = MARGIN, turn_rad: float = 0.0
) -> Crop | None:
    """Square crop around the joints xy_px (J, 2) marked in `known` (J,), turned clockwise; None with fewer than two of them."""
    points = xy_px[known & np.isfinite(xy_px).all(axis=1)]
    if len(points) < 2:
        return None
    R_image_crop = rotation_2d(turn_rad)
    turned = points @ R_image_crop
    low, high = turned.min(axis=0), turned.max(axis=0)
    side = max(float((high - low).max()) * margin, MIN_SIDE_PX)
    return Crop((low + high) / 2 @ R_image_crop.T, side, size_px, turn_rad)


def crop_from_detection(
    detection: Detection2D, size_px: int, margin: float = MARGIN, picture_wh: tuple[int, int] | None = None
) -> Crop | None:
    """Crop around a detected person. The detector knows neither head top, hands nor toes, so its box first grows.

    With room for the rest of whom the border of a picture of this width and height cuts off, if it is told.
    """
    xy_px, known = detection.xy_px, np.isfinite(detection.xy_px).all(axis=1) & (detection.score > 0)
    skeleton = load_skeleton(detection.skeleton)
    turn_rad = upright_turn(xy_px, known, skeleton)
    if picture_wh is not None:
        rest_px = beyond_border_px(xy_px, known, skeleton, picture_wh)
        xy_px, known = np.concatenate([xy_px, rest_px]), np.concatenate([known, np.ones(len(rest_px), dtype=bool)])
    return crop_from_points(xy_px, known, size_px, GROWTH * margin, turn_rad)


def upright_turn(xy_px: NDArray, known: NDArray, skeleton: Skeleton) -> float:
    """The angle in radians, clockwise, by which the lift's window should turn with a person who leans; 0 where that is unknown.

    The network that looks into the window has seen few people who lean. The turn is UPRIGHT_RAD times the sine of the lean:
    half of it or more where it is moderate, nothing for somebody who stands on his hands, since which way is down tells
    something of the pose.
    """
    return UPRIGHT_RAD * float(np.sin(lean(xy_px, known, skeleton, ("hip", "ankle"))))


def lean(xy_px: NDArray, known: NDArray, skeleton: Skeleton, below: tuple[str, ...]) -> float:
    """How far a person leans, radians clockwise from the image's upward direction, -pi..pi; 0 where that cannot be told.

    Joints (J, 2) of which those marked in `known` (J,) count. The direction is that of the neck above the mean of the middles
    of the pairs `below`, such as "hip" and "ankle", as far as they are known.
    """
    where = parts_px(xy_px, known, skeleton)
    middles = [where[f"{joint}s"] for joint in below if f"{joint}s" in where]
    if "neck" not in where or not middles:
        return 0.0
    up = where["neck"] - np.mean(middles, axis=0)
    return float(np.arctan2(up[0], -up[1])) if up.any() else 0.0  # of no way at all arctan2(0, -0) says pi


def turned_matrix(crop: Crop, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) affine from image pixels to crop pixels (both with pixel centres at integers), as cv2.warpAffine takes it.

    Turned about the crop's centre by `turn` (2, 2), a rotation or a mirrored one; with UPRIGHT it is `Crop.to_crop`.
    """
    A = crop.scale * turn @ crop.R_image_crop.T
    return np.column_stack([A, (crop.size_px - 1) / 2 - A @ crop.centre_px])


def cut_crop(rgb: NDArray[np.uint8], crop: Crop, turn: NDArray[np.float64] = UPRIGHT) -> NDArray[np.uint8]:
    """The crop's pixels (S, S, 3) of a picture, or (S, S) of a mask; `turn` as in `turned_matrix`.

    Black outside the picture (as VNect). Strong reductions average, so that nothing flickers: whoever is larger in the picture
    than in the crop is drawn at twice the crop's size first.
    """
    if crop.scale >= 0.5:
        return _draw(rgb, crop, turn)
    if crop.scale < 0.25:
        rgb, crop = _shrink(rgb, crop, float(np.abs(turned_matrix(crop, turn)[0, :2]).sum()) / crop.scale)
    double = _draw(rgb, replace(crop, size_px=2 * crop.size_px), turn)
    return cv2.resize(double, (crop.size_px, crop.size_px), interpolation=cv2.INTER_AREA)


def _draw(rgb: NDArray[np.uint8], crop: Crop, turn: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The crop's pixels, each between the four nearest of the picture."""
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
    return small, Crop(centre, crop.side_px * float(scale.mean()), crop.size_px, crop.turn_rad)
