"""Where the solver starts, in closed form: the root from a linear least squares, the rotations from the lifted joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from fitting import rotation
from fitting.body import load_body
from fitting.kinematics import Pose, rest_pose
from fitting.measure import Measurements
from posecore.camera import Camera, image_to_ray

Floats = NDArray[np.float64]
CALM_S = 0.08  # standard deviation of the average over time
STRAIGHT = 0.2  # sine of the bend below which a limb does not tell where its hinge points
Pairs = tuple[tuple[str, str], ...]
# joints from and to that show which way is up and which is left: the pelvis' own ones first, the chest's own ones last
UP: Pairs = (("pelvis", "spine"), ("pelvis", "neck"), ("spine", "neck"))
LEFT: Pairs = (
    *(("right_hip", "left_hip"), ("pelvis", "left_hip"), ("right_hip", "pelvis")),
    *(("right_shoulder", "left_shoulder"), ("neck", "left_shoulder"), ("right_shoulder", "neck")),
)


def root_positions(lifted_m: Floats, xy_px: Floats, weight: Floats, camera: Camera, rounds: int = 5) -> Floats:
    """(T, 3) root so that lifted joints (T, 21, 3) fall on xy_px (T, 21, 2); NaN where fewer than two joints count.

    u = X / Z of the undistorted pixel gives two equations per joint that are linear in the root: tx - u tz = u Z - X. Solved by
    least squares with weights (T, 21), repeated with Geman-McClure weights of the errors against a displaced joint.
    """
    ray = image_to_ray(xy_px, camera)[..., :2]
    b = ray * lifted_m[..., 2:] - lifted_m[..., :2]
    robust, root = np.ones_like(weight), np.full((len(ray), 3), np.nan)
    enough = (weight > 0).sum(axis=1) >= 2
    for _ in range(rounds):
        w, u, shift = (weight * robust)[enough, :, None], ray[enough], b[enough]
        normal, right = np.zeros((len(u), 3, 3)), np.empty((len(u), 3, 1))
        normal[:, 0, 0] = normal[:, 1, 1] = w.sum(axis=(1, 2))
        normal[:, 2, :2] = normal[:, :2, 2] = -(w * u).sum(axis=1)
        normal[:, 2, 2] = (w * u * u).sum(axis=(1, 2))
        right[:, :2, 0], right[:, 2, 0] = (w * shift).sum(axis=1), -(w * u * shift).sum(axis=(1, 2))
        root[enough] = np.linalg.solve(normal + 1e-9 * np.eye(3), right)[..., 0]
        error = np.linalg.norm(root[:, None, :2] - ray * root[:, None, 2:] - b, axis=-1)
        middle = np.nanmedian(np.where(weight > 0, error, np.nan)[enough], axis=1) if enough.any() else np.zeros(0)
        robust[enough] = 1 / (1 + (error[enough] / (3 * middle[:, None] + 1e-6)) ** 2) ** 2
    return root


def _frames(along: Floats, across: Floats) -> Floats:
    """(..., 3, 3) right-handed axes with x along `along` and y as near `across` as may be."""
    x = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    y = across - np.sum(across * x, axis=-1, keepdims=True) * x
    y = y / np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), 1e-9)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _turn(rest_along: Floats, rest_across: Floats, along: Floats, across: Floats) -> Floats:
    """(T, 3, 3) rotation of resting directions onto (T, 3) directions; `across` only as far as it is across."""
    return _frames(along, across) @ _frames(rest_along, rest_across).T


def _swing(a: Floats, b: Floats) -> Floats:
    """(T, 3, 3) smallest rotation of the direction a (3,) onto unit b (T, 3); any half turn where they are opposite."""
    v, c = np.cross(a, b), b @ a
    K = np.zeros((len(b), 3, 3))
    K[:, 0, 1], K[:, 0, 2], K[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    K -= np.swapaxes(K, 1, 2).copy()
    return np.eye(3) + K + K @ K / np.maximum(1 + c, 1e-6)[:, None, None]


def _unit(v: Floats) -> Floats:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def limb_turn(parent: Floats, upper: Floats, lower: Floats, rest: Floats, axis: Floats) -> tuple[Floats, Floats]:
    """Ball (T, 3, 3) and bend (T,) of a limb with camera directions upper, lower (T, 3), its ball in `parent` (T, 3, 3)."""
    u, f = (np.einsum("tji,tj->ti", parent, _unit(v)) for v in (upper, lower))
    normal = np.cross(u, f)
    hinge = normal + STRAIGHT * (_swing(rest, u) @ axis)
    bend = np.arctan2(np.linalg.norm(normal, axis=1), np.sum(u * f, axis=1))
    return _turn(rest, axis, u, hinge), bend


def start_pose(measured: Measurements, camera: Camera) -> Pose:
    """A pose for every row from the lifted joints and the image; rows without measurements take their neighbours'."""
    known = measured.inverse_m[..., 0] > 0
    lifted = _completed(measured.lifted_m, known)
    calm = _calm(lifted, measured)
    trunk = _trunk(calm, np.asarray(known.any(axis=0)))
    if trunk is None:
        pose = rest_pose(len(measured))
    else:
        pose = _pose_of(calm, *trunk)
        pose.ball[:] = rotation.nearest(_calm(pose.ball, measured))
    root = root_positions(lifted, measured.xy_px, np.where(measured.inverse_px > 0, measured.score, 0.0), camera)
    good = np.isfinite(root).all(axis=1) & (root[:, 2] > 0.3) & (root[:, 2] < 100.0)
    pose.root_m[:] = _calm(_fill(root, good), measured) if good.any() else [0.0, 0.0, 4.0]
    return pose


def _completed(lifted_m: Floats, known: NDArray[np.bool_]) -> Floats:
    """(T, 21, 3) joints with the missing ones put where their bone, interpolated over time, reaches from the parent."""
    body, out = load_body(), lifted_m.copy()
    for j in body.skeleton.order[1:]:
        parent = body.skeleton.parent[j]
        bone = _fill(lifted_m[:, j] - lifted_m[:, parent], known[:, j] & (known[:, parent] | (parent == body.skeleton.root)))
        out[:, j] = np.where(known[:, j, None], lifted_m[:, j], out[:, parent] + bone)
    return out


def _trunk(lifted: Floats, seen: NDArray[np.bool_]) -> tuple[Floats, Floats] | None:
    """(T, 3, 3) turns of pelvis and chest by root-relative joints (T, 21, 3), of which `seen` (21,) were known in some row.

    Each by its own joints, else by those of the other; None where not even they tell which way is up and which is left.
    """
    index, there = load_body().skeleton.index, seen.copy()
    there[load_body().skeleton.root] = True

    def along(pairs: Pairs) -> Floats | None:
        found = ((index(a), index(b)) for a, b in pairs)
        return next((lifted[:, b] - lifted[:, a] for a, b in found if there[a] and there[b]), None)

    turns = []
    for up, left in ((UP, LEFT), (UP[::-1], LEFT[3:] + LEFT[:3])):
        y, x = along(up), along(left)
        if x is None or y is None:
            return None
        turns.append(_turn(np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), y, x))
    return turns[0], turns[1]


def _pose_of(lifted: Floats, pelvis: Floats, chest: Floats) -> Pose:
    """Rotations of (T, 21, 3) root-relative joints, limb by limb from the trunk with turns pelvis, chest (T, 3, 3)."""
    body, joint = load_body(), load_body().skeleton.index
    at = {name: lifted[:, j] for j, name in enumerate(body.skeleton.joints)}
    pose = rest_pose(len(lifted))
    hinge = {(h.joint, h.name): i for i, h in enumerate(body.hinges)}
    ball = {b.joint: i for i, b in enumerate(body.balls)}
    pose.ball[:, 0], pose.ball[:, ball[joint("neck")]] = pelvis, np.swapaxes(pelvis, 1, 2) @ chest
    for side in ("left", "right"):
        for parent, a, b, c in ((chest, "shoulder", "elbow", "wrist"), (pelvis, "hip", "knee", "ankle")):
            a, b, c = (f"{side}_{part}" for part in (a, b, c))
            h = hinge[joint(c), "flexion"]
            turn, bend = limb_turn(parent, at[b] - at[a], at[c] - at[b], body.rest[joint(b)], body.hinges[h].axis)
            pose.ball[:, ball[joint(b)]], pose.angle_rad[:, h] = turn, bend
    return pose


def _calm(values: Floats, measured: Measurements) -> Floats:
    """(T, ...) values averaged over about CALM_S seconds within every joined stretch: the solver must not start in tangles."""
    out = values.copy()
    ends = np.flatnonzero(np.append(~measured.joined, True)) + 1
    for a, b in zip(np.append(0, ends[:-1]), ends, strict=True):
        if b - a > 2:
            frames = CALM_S * (b - a - 1) / (measured.time_s[b - 1] - measured.time_s[a])
            out[a:b] = gaussian_filter1d(
                median_filter(values[a:b], (3,) + (1,) * (values.ndim - 1), mode="nearest"), frames, axis=0, mode="nearest"
            )
    return out


def _fill(values: Floats, good: NDArray[np.bool_]) -> Floats:
    """(T, 3) values with the rows that are not good interpolated over the row number; zeros if none is good."""
    if good.all() or not good.any():
        return np.where(good[:, None], values, 0.0)
    rows = np.arange(len(values))
    return np.stack([np.interp(rows, rows[good], values[good, k]) for k in range(values.shape[1])], axis=1)
