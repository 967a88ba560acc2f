"""Slow, obvious twins of the vectorised code: one cell, one person, one joint at a time. They judge; nothing else uses them."""

import math

import numpy as np

from posecore.skeleton import load_skeleton

SKELETON = load_skeleton("openpose18")


def encode(people_xy_px, people_valid, cells_hw, stride, settings):
    """Twin of pose2d.targets.encode."""
    h, w = cells_hw
    heat = np.zeros((len(SKELETON) + 1, h, w))
    paf = np.zeros((2 * len(SKELETON.limbs), h, w))
    for row in range(h):
        for column in range(w):
            cell = (column * stride + stride / 2 - 0.5, row * stride + stride / 2 - 0.5)
            for j in range(len(SKELETON)):
                heat[j, row, column] = _heat_of_cell(cell, people_xy_px[:, j], people_valid[:, j], settings)
            for limb, (a, b) in enumerate(SKELETON.limbs):
                pairs = [(p[a], p[b]) for p, ok in zip(people_xy_px, people_valid, strict=True) if ok[a] and ok[b]]
                vectors = [v for v in (_limb_vector(cell, *pair, stride, settings) for pair in pairs) if v is not None]
                if vectors:
                    paf[2 * limb : 2 * limb + 2, row, column] = np.mean(vectors, axis=0)
    heat[-1] = 1 - heat[:-1].max(axis=0)
    return heat, paf


def _heat_of_cell(cell, joints_xy_px, valid, settings):
    best = 0.0
    for xy, ok in zip(joints_xy_px, valid, strict=True):
        if ok:
            best = max(best, math.exp(-0.5 * math.dist(cell, xy) ** 2 / settings.sigma_px**2))
    return best if best >= settings.heat_cut else 0.0


def _limb_vector(cell, a, b, stride, settings):
    """Unit vector from a to b if the limb's rectangle covers the cell, else None."""
    length = math.dist(a, b)
    if length == 0:
        return None
    ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
    along = ux * (cell[0] - a[0]) + uy * (cell[1] - a[1])
    across = -uy * (cell[0] - a[0]) + ux * (cell[1] - a[1])
    end = settings.limb_end_cells * stride
    if -end <= along <= length + end and abs(across) <= settings.limb_half_width_cells * stride:
        return ux, uy
    return None


def known_channels(boxes_xyxy_px, people_valid, cells_hw, stride, ignored_px, ignored_boxes_xyxy_px, settings):
    """Twin of pose2d.targets.known_channels."""
    h, w = cells_hw
    heat = np.ones((len(SKELETON) + 1, h, w), dtype=bool)
    paf = np.ones((2 * len(SKELETON.limbs), h, w), dtype=bool)
    for row in range(h):
        for column in range(w):
            x0, y0 = column * stride - 0.5, row * stride - 0.5
            square = (x0, y0, x0 + stride, y0 + stride)
            pixels = ignored_px[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
            if pixels.any() or any(_overlap(square, box) for box in ignored_boxes_xyxy_px):
                heat[:, row, column] = paf[:, row, column] = False
            for box, valid in zip(boxes_xyxy_px, people_valid, strict=True):
                pad = settings.box_pad * max(box[2] - box[0], box[3] - box[1])
                if _overlap(square, (box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad)):
                    _forget(heat[:, row, column], paf[:, row, column], valid)
    return heat, paf


def _forget(heat_of_cell, paf_of_cell, valid):
    for j, ok in enumerate(valid):
        if not ok:
            heat_of_cell[[j, -1]] = False
            for limb, pair in enumerate(SKELETON.limbs):
                if j in pair:
                    paf_of_cell[2 * limb : 2 * limb + 2] = False


def _overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
