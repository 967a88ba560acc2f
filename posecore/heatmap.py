"""Heat maps and sub-cell points. A map's cell i of stride s has its centre at pixel s (i + 0.5) - 0.5 (docs/conventions.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.camera import scale_xy_px


def cells_to_px(xy_cells: ArrayLike, stride: float) -> NDArray[np.float64]:
    """Positions in cells (centre of the first cell is 0) to input pixels."""
    return scale_xy_px(xy_cells, stride)


def px_to_cells(xy_px: ArrayLike, stride: float) -> NDArray[np.float64]:
    """Input pixels to positions in cells, the inverse of cells_to_px."""
    return scale_xy_px(xy_px, 1 / stride)
