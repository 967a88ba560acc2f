"""Scene cuts: nobody's motion runs through one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_SMALL_WH = (32, 18)  # details move, the layout of a scene stays
_LAYOUT_WH = (64, 36)


@dataclass(frozen=True)
class CutSettings:
    """When a picture starts a new scene."""

    change_min: float = 22.0  # grey levels of mean change between two small pictures; 256 turns the search off
    ratio_min: float = 4.0  # times the median change of the pictures before; keeps fast pans together
    layout_change_min: float = 0.35  # 0..1; change of the layout, which flashes, lamps and jerks of the camera leave


class CutFinder:
    """Feed it every frame in order; it remembers only thumbnails."""

    def __init__(self, settings: CutSettings) -> None:
        self._settings = settings
        self._last: NDArray[np.float32] | None = None
        self._last_layout: NDArray[np.uint8] | None = None
        self._changes: deque[float] = deque(maxlen=15)

    def is_cut(self, rgb: NDArray[np.uint8]) -> bool:
        """Whether this (H, W, 3) frame starts a new scene; the first frame does not."""
        step = max(1, min(rgb.shape[0] // 90, rgb.shape[1] // 160))
        thin = np.ascontiguousarray(rgb[::step, ::step])
        small = cv2.resize(thin, _SMALL_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        layout = cv2.resize(thin, _LAYOUT_WH, interpolation=cv2.INTER_AREA)
        last, self._last = self._last, small
        last_layout, self._last_layout = self._last_layout, layout
        if last is None or last_layout is None:
            return False
        change = float(np.abs(small - last).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        cut = change > self._settings.change_min and change > self._settings.ratio_min * usual
        cut = cut and layout_change(last_layout, layout) > self._settings.layout_change_min
        if cut:
            self._changes.clear()
        else:
            self._changes.append(change)
        return cut


def layout_change(before_rgb: NDArray[np.uint8], after_rgb: NDArray[np.uint8]) -> float:
    """0..1: 1 less the correlation of two pictures of one size, the first shifted by up to an eighth to fit best."""
    edge_y, edge_x = (side // 8 for side in before_rgb.shape[:2])
    middle = before_rgb[edge_y:-edge_y, edge_x:-edge_x]
    return 1 - max(float(cv2.matchTemplate(after_rgb, middle, cv2.TM_CCOEFF_NORMED).max()), 0.0)
