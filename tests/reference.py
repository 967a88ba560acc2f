"""Slow, obvious twins of the vectorised code: one cell, one person, one joint at a time. They judge; nothing else uses them."""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

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


def decode(heat, paf, stride, settings):
    """Twin of pose2d.codec.decode: list of (joints {joint: (x_px, y_px, score)}, person score)."""
    peaks = _peaks(heat, settings)
    sub_cell = [_sub_cell(heat, peak, settings.sigma_px / stride) for peak in peaks]
    limbs = []
    for limb, (a, b) in enumerate(SKELETON.limbs):
        limbs += _best_pairs(peaks, sub_cell, paf[2 * limb : 2 * limb + 2], limb, a, b, settings)
    people = []
    for members, limb_scores in _gather(limbs, peaks):
        scores = [sub_cell[m][2] for m in members] + limb_scores
        joints = {peaks[m][0]: ((sub_cell[m][0] + 0.5) * stride - 0.5, (sub_cell[m][1] + 0.5) * stride - 0.5) for m in members}
        if len(members) >= settings.min_joints and min(1, np.mean(scores)) >= settings.min_score:
            people.append((joints, min(1, np.mean(scores))))
    return sorted(people, key=lambda person: -person[1])


def _peaks(heat, settings):
    _, h, w = heat.shape
    out, reach = [], range(-settings.nms_radius_cells, settings.nms_radius_cells + 1)
    for j in range(len(SKELETON)):
        for row in range(h):
            for column in range(w):
                steps = [(dy, dx) for dy in reach for dx in reach if (dy, dx) != (0, 0)]
                around = [s for s in steps if 0 <= row + s[0] < h and 0 <= column + s[1] < w]
                value = heat[j, row, column]
                top = all(
                    value > heat[j, row + dy, column + dx] if (dy, dx) < (0, 0) else value >= heat[j, row + dy, column + dx]
                    for dy, dx in around
                )
                if top and value > settings.heat_threshold:
                    out.append((j, row, column))
    by_height = sorted(out, key=lambda peak: -heat[peak])
    kept = [[peak for peak in by_height if peak[0] == j][: settings.max_peaks] for j in range(len(SKELETON))]
    return [peak for peak in out if peak in kept[peak[0]]]


def _sub_cell(heat, peak, sigma_cells):
    j, row, column = peak
    x, gain_x = _parabola(heat[j, row], column, sigma_cells)
    y, gain_y = _parabola(heat[j, :, column], row, sigma_cells)
    return x, y, min(1.0, math.exp(math.log(heat[peak]) + gain_x + gain_y))


def _parabola(line, i, sigma_cells):
    def log_at(k):
        return math.log(line[k]) if 0 <= k < len(line) and line[k] > 0.01 else None

    middle, before, after = log_at(i), log_at(i - 1), log_at(i + 1)
    if before is None and after is None:
        return float(i), 0.0
    if before is None:
        before = 2 * middle - after - 1 / sigma_cells**2
    if after is None:
        after = 2 * middle - before - 1 / sigma_cells**2
    slope, bend = (after - before) / 2, min(before - 2 * middle + after, -1e-12)
    offset = max(-0.5, min(0.5, -slope / bend))
    return i + offset, slope * offset + bend * offset**2 / 2


def _best_pairs(peaks, sub_cell, field, limb, a, b, settings):
    firsts = [m for m, peak in enumerate(peaks) if peak[0] == a]
    seconds = [m for m, peak in enumerate(peaks) if peak[0] == b]
    table = np.zeros((len(firsts), len(seconds)))
    for i, first in enumerate(firsts):
        for k, second in enumerate(seconds):
            table[i, k] = _line_integral(field, sub_cell[first], sub_cell[second], settings)
    rows, columns = linear_sum_assignment(-table)
    chosen = zip(rows, columns, strict=True)
    return [(table[i, k], limb, firsts[i], seconds[k]) for i, k in chosen if table[i, k] > 0]


def _line_integral(field, start, end, settings):
    length = math.dist(start[:2], end[:2])
    if length == 0:
        return 0.0
    ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    dots = []
    for k in range(settings.samples):
        t = k / (settings.samples - 1)
        x, y = start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])
        dots.append(ux * _bilinear(field[0], x, y) + uy * _bilinear(field[1], x, y))
    score = sum(dots) / len(dots) + min(settings.long_limb * field.shape[1] / length - 1, 0)
    enough = sum(d > settings.field_threshold for d in dots) >= settings.agreeing_share * len(dots)
    return score if enough and score > 0 else 0.0


def _bilinear(image, x, y):
    h, w = image.shape
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    total = 0.0
    for row in {math.floor(y), math.ceil(y)}:
        for column in {math.floor(x), math.ceil(x)}:
            total += image[row, column] * (1 - abs(x - column)) * (1 - abs(y - row))
    return total


def _gather(limbs, peaks):
    """[(peaks of a person, scores of its limbs)], the surest limb first; a limb that doubles a joint type is dropped."""
    people = []
    for score, _, first, second in sorted(limbs, key=lambda limb: -limb[0]):
        touched = [person for person in people if {first, second} & person[0]]
        members = {first, second}.union(*[person[0] for person in touched])
        if len({peaks[m][0] for m in members}) < len(members):
            continue
        people = [person for person in people if person not in touched]
        people.append((members, [s for person in touched for s in person[1]] + [score]))
    return people
