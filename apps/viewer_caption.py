"""Words on the viewer's pictures, and the bar at the foot of its window."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.viewer_scene import BACKGROUND

Piece = tuple[str, ArrayLike]  # text and its colour, RGB 0..1
INK = np.array([0.27, 0.30, 0.35])
SWATCH = "\N{FULL BLOCK}"  # a piece of this text is a box of its colour
BAR_PX = 34
SCALE_PX = 22  # what the bar grows by for a second line
_PAPER = BACKGROUND * 0.97
_TRACK, _DONE = (0.80, 0.82, 0.85), (0.0, 0.45, 0.70)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write(image: NDArray[np.uint8], pieces: Sequence[Piece], place_px: tuple[int, int], size: float) -> None:
    """Write pieces one after the other onto an image (H, W, 3) RGB, from the lower left corner `place_px` on."""
    x, y = place_px
    thickness = max(1, round(2 * size))
    for text, colour in pieces:
        level = (255 * np.asarray(colour)).round().tolist()
        width, height = _size_px(text, size)
        if text == SWATCH:
            cv2.rectangle(image, (x, y - height), (x + width - 1, y), level, cv2.FILLED)
        else:
            cv2.putText(image, text, (x, y), _FONT, size, level, thickness, cv2.LINE_AA)
        x += width


def fitting_size(pieces: Sequence[Piece], width_px: int, size: float) -> float:
    """The size, or a smaller one with which the pieces are not wider than this; never below a tenth."""
    while (
        size > 0.1 and sum(_size_px(text, size)[0] for text, _ in pieces) > width_px
    ):  # widths are whole pixels, not in proportion
        size *= 0.95
    return size


def _size_px(text: str, size: float) -> tuple[int, int]:
    """Width and height of a piece's text; a box is as large as a digit."""
    (width, height), _ = cv2.getTextSize("0" if text == SWATCH else text, _FONT, size, max(1, round(2 * size)))
    return width, height


def bar(width_px: int, pieces: Sequence[Piece], share: float, scale: Sequence[Piece] = ()) -> NDArray[np.uint8]:
    """The window's foot (BAR_PX, width_px, 3): a line that shows how much of the clip has passed (0..1), words below.

    scale: what colours mean, in a line of its own above the words; the foot is SCALE_PX higher then.
    """
    image = np.empty((BAR_PX + (SCALE_PX if scale else 0), width_px, 3), np.uint8)
    image[:] = np.round(255 * _PAPER)
    image[:5] = np.round(255 * np.asarray(_TRACK))
    image[:5, : round(share * width_px)] = np.round(255 * np.asarray(_DONE))
    write(image, pieces, (12, len(image) - 9), 0.5)
    write(image, scale, (12, BAR_PX - 9), fitting_size(scale, width_px - 24, 0.5))
    return image
