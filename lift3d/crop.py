"""Where to look: the square crop around one person (Mehta et al. 2017, section 4.1, "bounding box tracker")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.types import Crop, Detection2D

MARGIN = 1.35  # side of the crop over the longer side of the joints' box; training jitters around it
MIN_SIDE_PX = 16.0


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
