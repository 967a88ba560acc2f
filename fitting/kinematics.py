"""Forward kinematics of the body over many frames at once, and its Jacobian as screws.

x_j = x_p + R_j rest_j length_j, where R_j, the orientation of the bone that ends in j, is R_p times the bone's own rotation and
p is j's parent. Changing degree of freedom k by d moves every joint j below it by d (w_k x (x_j - x_root) + v_k): the pair
S_k = (w_k, v_k) is its screw about the root (Featherstone 2008). Balls step by a rotation vector in the parent's axes,
R <- exp(d) R, so there is no wrap and no gimbal lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fitting import rotation
from fitting.body import load_body

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """The body's free quantities over T frames: root_m (T, 3) in the camera's axes, ball (T, B, 3, 3), angle_rad (T, H)."""

    root_m: Floats
    ball: Floats
    angle_rad: Floats

    def __len__(self) -> int:
        return len(self.root_m)

    def __getitem__(self, rows: slice | NDArray) -> Pose:
        return Pose(self.root_m[rows], self.ball[rows], self.angle_rad[rows])


@dataclass(frozen=True)
class Placed:
    """A posed body: xyz_m (T, 21, 3) in the camera, R_camera_bone (T, 21, 3, 3), screw (T, D, 6) about the root joint."""

    xyz_m: Floats
    R_camera_bone: Floats
    screw: Floats


def concatenate(poses: list[Pose]) -> Pose:
    """Poses one after another in time."""
    return Pose(*(np.concatenate([getattr(p, name) for p in poses]) for name in ("root_m", "ball", "angle_rad")))


def rest_pose(frames: int) -> Pose:
    """The T-pose at the camera's centre, turned to face it."""
    body = load_body()
    ball = np.tile(np.eye(3), (frames, len(body.balls), 1, 1))
    ball[:, 0] = np.diag([1.0, -1.0, -1.0])
    return Pose(np.zeros((frames, 3)), ball, np.zeros((frames, len(body.hinges))))


def step(pose: Pose, delta: Floats) -> Pose:
    """The pose moved by delta (T, D): metres for the root's translation, radians for the rest."""
    body = load_body()
    ball = rotation.exp(delta[:, body.ball_dof]) @ pose.ball
    return Pose(pose.root_m + delta[:, :3], ball, pose.angle_rad + delta[:, body.hinge_dof])


def difference(a: Pose, b: Pose) -> Floats:
    """(T, D) delta with step(a, delta) = b."""
    body = load_body()
    out = np.empty((len(a), body.dofs))
    out[:, :3] = b.root_m - a.root_m
    out[:, body.ball_dof] = rotation.log(b.ball @ np.swapaxes(a.ball, -1, -2))
    out[:, body.hinge_dof] = b.angle_rad - a.angle_rad
    return out


@cache
def _plan() -> tuple[tuple[int, int, tuple[int, ...], int | None, tuple[int, ...]], ...]:
    """Per bone from the root outwards: joint, parent, its columns, its ball's number or None, its hinges' numbers."""
    body = load_body()
    rows = []
    for j in body.skeleton.order:
        balls = [i for i, ball in enumerate(body.balls) if ball.joint == j]
        hinges = tuple(i for i, hinge in enumerate(body.hinges) if hinge.joint == j)
        columns = tuple(int(k) for k in np.flatnonzero(body.dof_joint == j) if k >= 3)
        rows.append((j, body.skeleton.parent[j], columns, balls[0] if balls else None, hinges))
    return tuple(rows)


def hinge_rotations(angle_rad: Floats) -> Floats:
    """(T, H, 3, 3) rotation of every hinge about its own axis."""
    axes = np.array([hinge.axis for hinge in load_body().hinges])
    K = rotation.hat(axes)
    sine, cosine = np.sin(angle_rad)[..., None, None], np.cos(angle_rad)[..., None, None]
    return np.eye(3) + sine * K + (1 - cosine) * (K @ K)


def place(pose: Pose, bone_length_m: Floats) -> Placed:
    """Joints, bone orientations and screws of T poses with bone lengths (21,)."""
    body, frames = load_body(), len(pose)
    offset = body.rest * bone_length_m[:, None]
    hinge = hinge_rotations(pose.angle_rad)
    xyz, R = np.empty((frames, len(offset), 3)), np.empty((frames, len(offset), 3, 3))
    screw = np.zeros((frames, body.dofs, 6))
    screw[:, [0, 1, 2], [3, 4, 5]] = 1.0
    for j, parent, columns, ball, hinges in _plan():
        root = j == parent
        turn = np.broadcast_to(np.eye(3), (frames, 3, 3)) if root else R[:, parent]
        pivot = pose.root_m if root else xyz[:, parent]
        if ball is not None:
            screw[:, columns, :3] = np.swapaxes(turn, -1, -2)
            turn = turn @ pose.ball[:, ball]
        for column, h in zip(columns, hinges, strict=False):
            screw[:, column, :3] = turn @ body.hinges[h].axis
            turn = turn @ hinge[:, h]
        R[:, j], xyz[:, j] = turn, pivot + turn @ offset[j]
    pivot = xyz[:, [body.skeleton.parent[j] for j in body.dof_joint[3:]]] - pose.root_m[:, None]
    screw[:, 3:, 3:] = np.cross(pivot, screw[:, 3:, :3])
    return Placed(xyz, R, screw)


@cache
def tips_first() -> tuple[int, ...]:
    """All joints but the root, every child before its parent."""
    return tuple(reversed(load_body().skeleton.order[1:]))


@cache
def below() -> NDArray[np.bool_]:
    """(21, D) whether joint j moves with degree of freedom k."""
    body = load_body()
    ancestor = np.eye(len(body.skeleton), dtype=bool)
    for j in body.skeleton.order[1:]:
        ancestor[j] |= ancestor[body.skeleton.parent[j]]
    return ancestor[:, body.dof_joint]


def joint_jacobian(placed: Placed, joints: list[int] | None = None) -> Floats:
    """(T, J, 3, D) derivative of the joints' positions (all 21 if none are named) by every degree of freedom."""
    root = load_body().skeleton.root
    chosen = np.arange(placed.xyz_m.shape[1]) if joints is None else np.array(joints)
    arm = placed.xyz_m[:, chosen] - placed.xyz_m[:, root : root + 1]
    turn, shift = (np.swapaxes(placed.screw[..., part], 1, 2)[:, None] for part in (slice(3), slice(3, 6)))
    return (rotation.hat(-arm) @ turn + shift) * below()[chosen][:, None, :]


def bone_quaternions(pose: Pose) -> Floats:
    """(T, 21, 4) x y z w rotation of every bone relative to its parent bone, without sign jumps from frame to frame.

    The quaternion of joint j turns the bone that ends in j; the root's is the body's turn relative to the camera. Hence
    x_j = x_parent + R_j rest_j length_j with R_j = R_parent q_j.
    """
    body = load_body()
    own = np.tile(np.eye(3), (len(pose), len(body.skeleton), 1, 1))
    hinge = hinge_rotations(pose.angle_rad)
    for j, _, _, ball, hinges in _plan():
        if ball is not None:
            own[:, j] = pose.ball[:, ball]
        for h in hinges:
            own[:, j] = own[:, j] @ hinge[:, h]
    q = rotation.quaternion(own)
    flips = np.sign(np.sum(q[1:] * q[:-1], axis=-1))
    q[1:] *= np.cumprod(np.where(flips < 0, -1.0, 1.0), axis=0)[..., None]
    return q
