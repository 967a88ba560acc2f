"""Between joints and maps: training targets from joints, joints from maps. numpy.

Heat maps are softmax maps over all cells: the network's logits times `LOGIT_GAIN`, normalised to sum 1. Trained towards a
Gaussian of `HEAT_SIGMA_CELLS`, so that the logarithm is a parabola around the peak and its apex is the joint, below a cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.camera import in_picture
from posecore.heatmap import cells_to_px, px_to_cells

STRIDE = 8
LOGIT_GAIN = 8.0  # gives the cross-entropy a head start from scratch, measured in docs/lifting.md
HEAT_SIGMA_CELLS = 1.0
GAUSSIAN_MASS = 2 * np.pi * HEAT_SIGMA_CELLS**2  # of a Gaussian of height 1: what turns a softmax map into VNect's heat map
READ_POWER = 1.5  # of a heat map under which location maps are averaged: far, low places count less (docs/lifting.md)
SCORE_RADIUS = 2  # cells around the peak whose mass is the confidence
OPINION, OPINION_FLOOR = 0.3, 0.05  # say of another network's heat maps, and what of theirs is noise (docs/lifting.md)


def to_cells(xy_px: NDArray) -> NDArray[np.float64]:
    """Crop pixels to cells of stride 8; a cell's centre is at 8 (i + 0.5) - 0.5 px."""
    return px_to_cells(xy_px, STRIDE)


def to_pixels(xy_cells: NDArray) -> NDArray[np.float64]:
    """Inverse of `to_cells`."""
    return cells_to_px(xy_cells, STRIDE)


def encode_heat(xy_px: NDArray, cells: int) -> NDArray[np.float32]:
    """(J, 2) crop pixels to (J, cells, cells) distributions summing to 1; zero for joints outside the crop or NaN."""
    xy = to_cells(xy_px)
    grid = np.arange(cells)
    on = in_picture(xy, (cells, cells)).astype(np.float64)[:, None]
    xy = np.asarray(np.where(on > 0, xy, 0.0))
    gx, gy = (np.asarray(np.exp(-0.5 * ((grid - xy[:, k, None]) / HEAT_SIGMA_CELLS) ** 2)) for k in (0, 1))
    heat = gy[:, :, None] * gx[:, None, :] * on[:, :, None]
    total = heat.sum(axis=(1, 2), keepdims=True)
    return (heat / np.where(total > 0, total, 1)).astype(np.float32)


def softmax_heat(logits: NDArray) -> NDArray[np.float64]:
    """(..., h, w) heat logits to heat maps that sum to 1."""
    z = LOGIT_GAIN * logits.astype(np.float64)
    e = np.exp(z - z.max(axis=(-2, -1), keepdims=True))
    return e / e.sum(axis=(-2, -1), keepdims=True)


def add_opinion(logits: NDArray, heat: NDArray) -> NDArray[np.float32]:
    """Heat logits (..., h, w) after another network's heat maps of height 0..1 had their say: a log-linear pool, a product.

    Where the other sees nothing it changes nothing; of two places it says which.
    """
    say = OPINION / LOGIT_GAIN * np.log(np.clip(heat, 0, 1) + OPINION_FLOOR)
    return (logits + say).astype(np.float32)


def vnect_heat(logits: NDArray) -> NDArray[np.float64]:
    """(..., h, w) heat logits to VNect's heat maps: Gaussians of height 1 where the network is sure, lower where it is not."""
    return GAUSSIAN_MASS * softmax_heat(logits)


def _apex(before: NDArray, at: NDArray, after: NDArray) -> NDArray[np.float64]:
    """Offset in -0.5..0.5 of the apex of the parabola through three neighbouring log values."""
    curvature = before - 2 * at + after
    return np.clip(0.5 * (before - after) / np.where(curvature < -1e-9, curvature, -np.inf), -0.5, 0.5)


def find_peaks(heat: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(J, h, w) heat maps to peaks (J, 2) in cells, below a cell, and scores (J,): the mass within SCORE_RADIUS of the peak."""
    cell = heat.reshape(len(heat), -1).argmax(axis=1)
    return _refine(heat, cell), _mass(heat, cell)


def find_second_peaks(heat: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `find_peaks`, the highest of the other peaks, more than SCORE_RADIUS cells away; NaN and score 0 where there is none.

    A network that cannot tell whose ankle is whose gives both ankles' maps both places.
    """
    joints, rows, cols = heat.shape
    y, x = np.divmod(heat.reshape(joints, -1).argmax(axis=1), cols)
    near = np.abs(np.arange(rows)[:, None] - y[:, None, None]) <= SCORE_RADIUS
    near = near & (np.abs(np.arange(cols) - x[:, None, None]) <= SCORE_RADIUS)
    others = np.where((_highest_about(heat) == heat) & ~near, heat, 0.0).reshape(joints, -1)
    cell = others.argmax(axis=1)
    there = others.max(axis=1) > 0
    return np.where(there[:, None], _refine(heat, cell), np.nan), np.where(there, _mass(heat, cell), 0.0)


def _refine(heat: NDArray, cell: NDArray) -> NDArray[np.float64]:
    """Flat cells (J,) to places (J, 2) below a cell: apex of the parabola through the logarithm and its neighbours.

    Exact for a Gaussian; a peak on the border keeps its cell in that direction.
    """
    joints, rows, cols = heat.shape
    y, x = np.divmod(cell, cols)
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, cols - 1)
    up, down = np.maximum(y - 1, 0), np.minimum(y + 1, rows - 1)
    j = np.arange(joints)
    cells = ((y, x), (y, left), (y, right), (up, x), (down, x))
    at, before_x, after_x, before_y, after_y = np.log(np.stack([heat[j, row, column] for row, column in cells]) + 1e-30)
    dx = _apex(before_x, at, after_x) * ((x > 0) & (x < cols - 1))
    dy = _apex(before_y, at, after_y) * ((y > 0) & (y < rows - 1))
    return np.stack([x + dx, y + dy], axis=1)


def _highest_about(heat: NDArray) -> NDArray[np.float64]:
    """(J, h, w) the highest of every cell and its eight neighbours."""
    wide = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    across = np.maximum(np.maximum(wide[..., :-2], wide[..., 1:-1]), wide[..., 2:])
    return np.maximum(np.maximum(across[:, :-2], across[:, 1:-1]), across[:, 2:])


def _mass(heat: NDArray, cell: NDArray) -> NDArray[np.float64]:
    """(J,) mass of the maps within SCORE_RADIUS of flat cells (J,)."""
    _, rows, cols = heat.shape
    y, x = np.divmod(cell, cols)
    near_y = np.abs(np.arange(rows) - y[:, None]) <= SCORE_RADIUS
    near_x = np.abs(np.arange(cols) - x[:, None]) <= SCORE_RADIUS
    return np.minimum(np.einsum("jhw,jh,jw->j", heat, near_y, near_x), 1.0)


def read_bilinear(maps: NDArray, xy_cells: NDArray) -> NDArray[np.float64]:
    """(C, J, h, w) maps read at (J, 2) cells to (J, C); positions beyond the outer cell centres read the border."""
    _, joints, rows, cols = maps.shape
    x = np.clip(xy_cells[:, 0], 0, cols - 1)
    y = np.clip(xy_cells[:, 1], 0, rows - 1)
    x0 = np.minimum(x.astype(int), max(cols - 2, 0))
    y0 = np.minimum(y.astype(int), max(rows - 2, 0))
    x1, y1 = np.minimum(x0 + 1, cols - 1), np.minimum(y0 + 1, rows - 1)
    fx, fy = x - x0, y - y0
    j = np.arange(joints)
    top = maps[:, j, y0, x0] * (1 - fx) + maps[:, j, y0, x1] * fx
    bottom = maps[:, j, y1, x0] * (1 - fx) + maps[:, j, y1, x1] * fx
    return (top * (1 - fy) + bottom * fy).T.astype(np.float64)


def read_mean(maps: NDArray, heat: NDArray) -> NDArray[np.float64]:
    """(C, J, h, w) maps averaged under sharpened heat maps (J, h, w), to (J, C): where a joint may be in two places, what lies
    between (integral regression, Sun et al. 2018)."""
    sharp = heat**READ_POWER
    return np.einsum("cjhw,jhw->jc", maps, sharp / sharp.sum(axis=(1, 2), keepdims=True), dtype=np.float64)


def mirror_maps(maps: NDArray, partner: NDArray) -> NDArray:
    """Maps (..., 6, J, h, w) of a mirrored picture to those of the picture: sides swap by `partner` (J,), x turns round."""
    out = maps[..., partner, :, ::-1].copy()
    out[..., 1, :, :, :] *= -1
    return out


Joints = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def decode(maps: NDArray, pelvis: int) -> Joints:
    """One crop's maps (6, J, h, w) to joints.

    Returns xy_px (J, 2) in crop pixels, score (J,), xyz_m (J, 3) relative to the joint `pelvis` in the crop's axes, and
    sigma_m (J, 2): standard deviation in the image plane and in depth (sqrt(2) times the Laplace scale).
    """
    return decode_twice(maps, pelvis)[0]


def decode_twice(maps: NDArray, pelvis: int) -> tuple[Joints, Joints]:
    """As `decode`, at the highest and at the second peaks; the pelvis is that of the highest. NaN where there is no second."""
    heat = softmax_heat(maps[0])
    first, second = find_peaks(heat), find_second_peaks(heat)
    read = read_mean(maps[1:], heat)
    origin = read[pelvis, :3].copy()
    there = np.isfinite(second[0]).all(axis=1, keepdims=True)
    other = np.where(there, read_bilinear(maps[1:], np.where(there, second[0], 0.0)), np.nan)
    return _joints(*first, read, origin), _joints(*second, other, origin)


def _joints(xy_cells: NDArray, score: NDArray, values: NDArray, origin_m: NDArray) -> Joints:
    sigma = np.sqrt(2.0) * np.exp(np.clip(values[:, 3:], -6.0, 1.0))
    return to_pixels(xy_cells), score, values[:, :3] - origin_m, sigma
