"""What the detector is trained to say: heat maps, part affinity fields, masks of the known (Cao et al., TPAMI 2019, 3.2-3.3).

All maps lie on the network's cells (h, w) of a given stride. Heat channels are the 18 joints of openpose18 and the background;
part affinity channels 2l and 2l + 1 are x and y of limb l, which runs from the first to the second joint of the skeleton file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.errors import InputError
from posecore.heatmap import cells_to_px
from posecore.skeleton import load_skeleton

SKELETON = load_skeleton("openpose18")
LIMBS = np.array(SKELETON.limbs)


@dataclass(frozen=True)
class TargetSettings:
    """How people become maps. The article's values unless said otherwise."""

    sigma_px: float = 7.0  # input pixels; width of a joint's Gaussian
    heat_cut: float = 0.01  # heat below this becomes 0, so that far cells are plain background
    limb_half_width_cells: float = 1.0  # cells; half the width of a limb's rectangle
    limb_end_cells: float = (
        0.5  # cells; the rectangle reaches this far past both joints, so that the shortest limb covers a cell
    )
    box_pad: float = 0.15  # share of the box's longer side; how far outside its box a person's unlabelled joint may lie
    min_area_px: float = 32.0 * 32.0  # square input pixels; smaller people are not learnt but ignored
    min_joints: int = 5  # people with fewer labelled joints are not learnt but ignored


DEFAULTS = TargetSettings()


def encode(
    people_xy_px: ArrayLike,
    people_valid: ArrayLike,
    cells_hw: tuple[int, int],
    stride: int,
    settings: TargetSettings = DEFAULTS,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heat maps (19, h, w), background last, and part affinity fields (38, h, w), of people in input pixels.

    people_xy_px (P, 18, 2) and people_valid (P, 18): openpose18 joints and whether they are labelled; P may be 0. A cell holds
    the maximum over people of exp(-d^2 / (2 sigma^2)) (not their sum: two close joints stay two peaks), and the average over
    people of the unit vectors of the limbs whose rectangle covers its centre.
    """
    xy_px, valid = _people(people_xy_px, people_valid)
    x_px, y_px = (cells_to_px(np.arange(n), stride) for n in (cells_hw[1], cells_hw[0]))
    joints = _heat(xy_px, valid, x_px, y_px, settings)
    background = 1 - joints.max(axis=0, keepdims=True)
    return np.concatenate([joints, background]), _fields(xy_px, valid, x_px, y_px, stride, settings)


def known_channels(
    people_box_xyxy_px: ArrayLike,
    people_valid: ArrayLike,
    cells_hw: tuple[int, int],
    stride: int,
    ignored_px: NDArray[np.bool_] | None = None,
    ignored_box_xyxy_px: ArrayLike | None = None,
    settings: TargetSettings = DEFAULTS,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the targets of `encode` are known: masks (19, h, w) of the heat maps and (38, h, w) of the fields.

    people_box_xyxy_px (P, 4) and people_valid (P, 18) are the people given to `encode`: inside its padded box, a person's
    unlabelled joint and the limbs that touch it are unknown. ignored_px (h stride, w stride), true on crowds and on people not
    given to `encode`, and ignored_box_xyxy_px (K, 4) make every channel unknown. Background is known where all joints are.
    """
    valid = np.asarray(people_valid, dtype=bool).reshape(-1, len(SKELETON))
    box = np.asarray(people_box_xyxy_px, dtype=np.float64).reshape(-1, 4)
    if len(box) != len(valid) or not np.isfinite(box).all():
        raise InputError(f"known_channels: expected {len(valid)} finite boxes, one per person, got {box.tolist()}")
    pad_px = settings.box_pad * (box[:, 2:] - box[:, :2]).max(axis=1, keepdims=True)
    inside = cells_in_boxes(box + np.concatenate([-pad_px, -pad_px, pad_px, pad_px], axis=1), cells_hw, stride)
    ignored = _ignored_cells(ignored_px, ignored_box_xyxy_px, cells_hw, stride)
    joints = ~(ignored | _any_person(np.logical_not(valid), inside))
    limbs = ~(ignored | _any_person(np.logical_not(valid[:, LIMBS].all(axis=2)), inside))
    return np.concatenate([joints, joints.all(axis=0, keepdims=True)]), np.repeat(limbs, 2, axis=0)


def trainable(area_px: ArrayLike, people_valid: ArrayLike, settings: TargetSettings = DEFAULTS) -> NDArray[np.bool_]:
    """(P,) whether a person of this area (P,) in input pixels and with these labels (P, 18) is learnt or ignored."""
    enough = np.asarray(people_valid, dtype=bool).sum(axis=-1) >= settings.min_joints
    return enough & (np.asarray(area_px) >= settings.min_area_px)


def cells_in_boxes(box_xyxy_px: ArrayLike, cells_hw: tuple[int, int], stride: int) -> NDArray[np.bool_]:
    """(K, h, w) whether a cell overlaps each of the boxes (K, 4) in input pixels."""
    box = np.asarray(box_xyxy_px, dtype=np.float64).reshape(-1, 4)
    h, w = cells_hw
    x_px, y_px = cells_to_px(np.arange(w), stride), cells_to_px(np.arange(h), stride)
    reach = stride / 2
    in_x = (x_px > box[:, :1] - reach) & (x_px < box[:, 2:3] + reach)
    in_y = (y_px > box[:, 1:2] - reach) & (y_px < box[:, 3:4] + reach)
    return in_y[:, :, None] & in_x[:, None, :]


def _people(people_xy_px: ArrayLike, people_valid: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    xy_px, valid = np.asarray(people_xy_px, dtype=np.float64), np.asarray(people_valid, dtype=bool)
    joints = len(SKELETON)
    if xy_px.shape != (len(valid), joints, 2) or valid.shape != (len(xy_px), joints):
        raise InputError(f"encode: expected people (P, {joints}, 2) and labels (P, {joints}), got {xy_px.shape}, {valid.shape}")
    if not np.isfinite(xy_px[valid]).all():
        raise InputError("encode: a labelled joint is not finite; mark it unlabelled")
    return np.where(valid[..., None], xy_px, 0.0), valid


def _heat(xy_px: NDArray, valid: NDArray, x_px: NDArray, y_px: NDArray, settings: TargetSettings) -> NDArray[np.float32]:
    """(18, h, w): a Gaussian is the product of one over x and one over y."""
    out = np.zeros((len(SKELETON), len(y_px), len(x_px)), dtype=np.float32)
    scale = np.sqrt(0.5) / settings.sigma_px
    over_x = np.exp(-np.square(scale * (x_px - xy_px[..., :1]))) * valid[..., None]
    over_y = np.exp(-np.square(scale * (y_px - xy_px[..., 1:])))
    for row, column in zip(over_y.astype(np.float32), over_x.astype(np.float32), strict=True):
        np.maximum(out, row[:, :, None] * column[:, None, :], out=out)
    out[out < settings.heat_cut] = 0
    return out


def _fields(
    xy_px: NDArray, valid: NDArray, x_px: NDArray, y_px: NDArray, stride: int, settings: TargetSettings
) -> NDArray[np.float32]:
    """(38, h, w): along and across are the cell's coordinates in the limb's own axes, from its first joint."""
    start = xy_px[:, LIMBS[:, 0]]
    vector = xy_px[:, LIMBS[:, 1]] - start
    length_px = np.linalg.norm(vector, axis=-1)
    drawn = valid[:, LIMBS].all(axis=2) & (length_px > 0)
    unit = vector / np.where(drawn, length_px, 1.0)[..., None]
    total = np.zeros((len(LIMBS), 2, len(y_px), len(x_px)), dtype=np.float32)
    count = np.zeros((len(LIMBS), 1, len(y_px), len(x_px)), dtype=np.float32)
    reach_px = np.array([settings.limb_end_cells, settings.limb_half_width_cells]) * stride
    for person in np.flatnonzero(drawn.any(axis=1)):
        here = drawn[person]
        columns, rows = _window(xy_px[person, valid[person]], reach_px.sum(), x_px, y_px)
        vector_of = unit[person, here].astype(np.float32)
        half_px = 0.5 * length_px[person, here]
        middle = start[person, here] + half_px[:, None] * unit[person, here]
        covered = _rectangles(middle, vector_of, half_px, reach_px, x_px[columns], y_px[rows])
        total[here, :, rows, columns] += covered[:, None] * vector_of[:, :, None, None]
        count[here, :, rows, columns] += covered[:, None]
    return np.divide(total, count, out=total, where=count > 0).reshape(2 * len(LIMBS), len(y_px), len(x_px))


def _window(xy_px: NDArray, reach_px: float, x_px: NDArray, y_px: NDArray) -> tuple[slice, slice]:
    """Columns and rows of the cells within reach of a person's joints (K, 2)."""
    low, high = xy_px.min(axis=0) - reach_px, xy_px.max(axis=0) + reach_px
    columns, rows = (slice(*np.searchsorted(c, (low[i], high[i]))) for i, c in enumerate((x_px, y_px)))
    return columns, rows


def _rectangles(
    middle_px: NDArray, unit: NDArray, half_px: NDArray, reach_px: NDArray, x_px: NDArray, y_px: NDArray
) -> NDArray[np.bool_]:
    """(K, h, w): cells within half_px + reach_px[0] of the middle along the limb and within reach_px[1] across it."""
    dx, dy = x_px - middle_px[:, :1], y_px - middle_px[:, 1:]
    ux, uy = unit[:, :1], unit[:, 1:]
    along = (uy * dy)[:, :, None] + (ux * dx)[:, None, :]
    across = (ux * dy)[:, :, None] - (uy * dx)[:, None, :]
    return (np.abs(along) <= (half_px + reach_px[0])[:, None, None]) & (np.abs(across) <= reach_px[1])


def _any_person(unlabelled: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(P, C) flags and (P, h, w) regions to (C, h, w): in the region of some flagged person."""
    people, h, w = inside.shape
    return (unlabelled.T.astype(np.float32) @ inside.reshape(people, h * w).astype(np.float32) > 0).reshape(-1, h, w)


def _ignored_cells(
    ignored_px: NDArray[np.bool_] | None, ignored_box_xyxy_px: ArrayLike | None, cells_hw: tuple[int, int], stride: int
) -> NDArray[np.bool_]:
    """(h, w): cells of which any pixel is ignored."""
    h, w = cells_hw
    out = np.zeros(cells_hw, dtype=bool)
    if ignored_px is not None:
        if ignored_px.shape != (h * stride, w * stride):
            raise InputError(f"known_channels: expected a mask of {(h * stride, w * stride)} pixels, got {ignored_px.shape}")
        out |= ignored_px.reshape(h, stride, w, stride).any(axis=(1, 3))
    if ignored_box_xyxy_px is not None:
        out |= cells_in_boxes(ignored_box_xyxy_px, cells_hw, stride).any(axis=0)
    return out
