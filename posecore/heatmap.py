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


def find_peaks(maps: NDArray, threshold: float, radius_cells: int = 1) -> NDArray[np.int64]:
    """(K, 3) local maxima (map, row, column) of (C, h, w) maps, ordered by map, then row, then column.

    A peak exceeds the threshold and no cell within the square of the radius; of equal neighbours the first is the peak.
    """
    h, w = maps.shape[1:]
    padded = np.pad(maps, ((0, 0), (radius_cells, radius_cells), (radius_cells, radius_cells)), constant_values=-np.inf)
    found = np.stack(np.nonzero(maps > threshold), axis=1)
    wide = w + 2 * radius_cells
    at = (found[:, 0] * (h + 2 * radius_cells) + found[:, 1] + radius_cells) * wide + found[:, 2] + radius_cells
    flat = padded.ravel()
    reach = range(-radius_cells, radius_cells + 1)
    steps = [dy * wide + dx for dy in reach for dx in reach if (dy, dx) != (0, 0)]
    keep = np.arange(len(at))
    for step in steps:
        here, there = flat[at[keep]], flat[at[keep] + step]
        keep = keep[here > there] if step < 0 else keep[here >= there]
    return found[keep]


def refine_peaks(
    maps: NDArray, peaks: NDArray[np.int64], sigma_cells: float, floor: float = 0.01
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (K, 2) in cells, (x, y), and heights (K,) of peaks (K, 3) between the cells of (C, h, w) maps.

    Along each axis a parabola runs through the logarithm of the peak and its two neighbours, which is exact for a Gaussian. A
    neighbour outside the map or not above `floor` is replaced by what a Gaussian of sigma_cells says, so that joints at the
    border are as exact. A peak never leaves its cell.
    """
    channel, row, column = peaks.T
    top = np.log(np.maximum(maps[channel, row, column].astype(np.float64), floor))
    xy_cells, height = np.empty((len(peaks), 2)), top.copy()
    for axis, (index, length) in enumerate(((column, maps.shape[2]), (row, maps.shape[1]))):
        sides: list[NDArray] = []
        for step in (-1, 1):
            there = np.clip(index + step, 0, length - 1)
            value = maps[channel, row, there] if axis == 0 else maps[channel, there, column]
            sides.append(np.where((there == index + step) & (value > floor), np.log(np.maximum(value, floor)), np.nan))
        offset, gain = _parabola_top(top, sides[0], sides[1], 1 / sigma_cells**2)
        xy_cells[:, axis] = index + offset
        height += gain
    return xy_cells, np.exp(height)


def _parabola_top(
    middle: NDArray, before: NDArray, after: NDArray, curvature: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset and height above the middle of parabolas through values at -1, 0, 1; a NaN side follows from the curvature."""
    alone = np.isnan(before) & np.isnan(after)
    before = np.where(alone, middle - curvature / 2, before)
    after = np.where(np.isnan(after), 2 * middle - before - curvature, after)
    before = np.where(np.isnan(before), 2 * middle - after - curvature, before)
    bend = np.minimum(before - 2 * middle + after, -1e-12)
    offset = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return offset, 0.5 * (after - before) * offset + 0.5 * bend * offset**2
