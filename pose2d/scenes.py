"""Cuts: between these two frames the camera's picture was exchanged for another, so nobody is where they were."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError


@dataclass(frozen=True)
class CutSettings:
    """When two consecutive frames are of different scenes: both their layout and their colours must differ."""

    min_layout_change: float = 0.5  # 0..1; 1 less the correlation of the small pictures, shifted by up to 1/8 to fit best
    min_colour_change: float = 0.35  # 0..1; Hellinger distance of the colour histograms
    size_wh: tuple[int, int] = (64, 36)  # pixels; both are compared this small, so that motion hardly counts
    colours: int = 6  # levels per channel of the histogram


DEFAULTS = CutSettings()


def is_cut(before_rgb: NDArray[np.uint8], after_rgb: NDArray[np.uint8], settings: CutSettings = DEFAULTS) -> bool:
    """Whether a cut lies between two consecutive frames (H, W, 3). Fades are not found: they have no one place.

    A pan keeps the colours, a flash of light the layout; only a cut changes both at once.
    """
    layout, colour = scene_change(before_rgb, after_rgb, settings)
    return layout >= settings.min_layout_change and colour >= settings.min_colour_change


def scene_change(
    before_rgb: NDArray[np.uint8], after_rgb: NDArray[np.uint8], settings: CutSettings = DEFAULTS
) -> tuple[float, float]:
    """(change of layout, change of colour), each 0..1, between two pictures (H, W, 3); their sizes may differ."""
    before, after = (_small(rgb, settings) for rgb in (before_rgb, after_rgb))
    edge_x, edge_y = (side // 8 for side in settings.size_wh)
    middle = before[edge_y:-edge_y, edge_x:-edge_x]
    layout = 1 - max(float(cv2.matchTemplate(after, middle, cv2.TM_CCOEFF_NORMED).max()), 0.0)
    overlap = np.sqrt(_histogram(before, settings.colours) * _histogram(after, settings.colours)).sum()
    return layout, float(np.sqrt(max(1 - overlap, 0.0)))


def _small(rgb: NDArray[np.uint8], settings: CutSettings) -> NDArray[np.uint8]:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(f"scene_change: expected a picture (H, W, 3) of uint8, got {rgb.shape} of {rgb.dtype}")
    step = max(min(rgb.shape[0] // settings.size_wh[1], rgb.shape[1] // settings.size_wh[0]) // 4, 1)
    thinned = np.ascontiguousarray(rgb[::step, ::step])  # averaging all pixels of a large picture takes 5 ms, a sixteenth does
    return cv2.resize(thinned, settings.size_wh, interpolation=cv2.INTER_AREA)


def _histogram(rgb: NDArray[np.uint8], levels: int) -> NDArray[np.float64]:
    """Shares of the levels^3 colours."""
    level = rgb.reshape(-1, 3).astype(np.int64) * levels // 256
    return np.bincount(level @ np.array([levels**2, levels, 1]), minlength=levels**3) / len(level)
