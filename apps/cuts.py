"""Scene cuts: nobody's motion runs through one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_SMALL_WH = (32, 18)  # details move, the layout of a scene stays


@dataclass(frozen=True)
class CutSettings:
    """When a picture starts a new scene."""

    change_min: float = 22.0  # grey levels of mean change between two small pictures; 256 turns the search off
    ratio_min: float = 4.0  # times the median change of the pictures before; keeps fast pans together


class CutFinder:
    """Feed it every frame in order; it remembers only thumbnails."""

    def __init__(self, settings: CutSettings) -> None:
        self._settings = settings
        self._last: NDArray[np.float32] | None = None
        self._changes: deque[float] = deque(maxlen=15)

    def is_cut(self, rgb: NDArray[np.uint8]) -> bool:
        """Whether this (H, W, 3) frame starts a new scene; the first frame does not."""
        step = max(1, min(rgb.shape[0] // 90, rgb.shape[1] // 160))
        thin = np.ascontiguousarray(rgb[::step, ::step])
        small = cv2.resize(thin, _SMALL_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, small
        if last is None:
            return False
        change = float(np.abs(small - last).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        cut = change > self._settings.change_min and change > self._settings.ratio_min * usual
        if cut:
            self._changes.clear()
        else:
            self._changes.append(change)
        return cut
