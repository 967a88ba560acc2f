"""Words on the viewer's pictures, and the bar at the foot of its window."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.viewer_scene import BACKGROUND

Piece = tuple[str, ArrayLike]  # text and its colour, RGB 0..1
INK = np.array([0.27, 0.30, 0.35])
BAR_PX = 34
_PAPER = BACKGROUND * 0.97
_TRACK, _DONE = (0.80, 0.82, 0.85), (0.0, 0.45, 0.70)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write(image: NDArray[np.uint8], pieces: Sequence[Piece], place_px: tuple[int, int], size: float) -> None:
    """Write pieces one after the other onto an image (H, W, 3) RGB, from the lower left corner `place_px` on."""
    x, y = place_px
    thickness = max(1, round(2 * size))
    for text, colour in pieces:
        level = (255 * np.asarray(colour)).round().tolist()
        cv2.putText(image, text, (x, y), _FONT, size, level, thickness, cv2.LINE_AA)
        x += cv2.getTextSize(text, _FONT, size, thickness)[0][0]


def bar(width_px: int, pieces: Sequence[Piece], share: float) -> NDArray[np.uint8]:
    """The window's foot (BAR_PX, width_px, 3): a line that shows how much of the clip has passed (0..1), words below."""
    image = np.empty((BAR_PX, width_px, 3), np.uint8)
    image[:] = np.round(255 * _PAPER)
    image[:5] = np.round(255 * np.asarray(_TRACK))
    image[:5, : round(share * width_px)] = np.round(255 * np.asarray(_DONE))
    write(image, pieces, (12, BAR_PX - 9), 0.5)
    return image
