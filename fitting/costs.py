"""The energy, one small function per residual with its analytic Jacobian. Every residual is whitened: in standard deviations.

Three shapes of residual:
- `PointTerm`: of one joint's position in one frame, with d residual / d position;
- `DofTerm`: of a few degrees of freedom in one frame, with d residual / d step;
- `smoothness`: of three neighbouring frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitting import rotation
from fitting.body import Body
from fitting.kinematics import Pose, difference
from posecore.camera import Camera, distort

Floats = NDArray[np.float64]
NEAREST_M = 0.2  # a joint nearer to the camera's plane than this is not projected


@dataclass(frozen=True)
class PointTerm:
    """residual (T, J, r); jacobian (T, J, r, 3) by the joint's position; `relative`: the position is relative to the root."""

    residual: Floats
    jacobian: Floats
    relative: bool = False


@dataclass(frozen=True)
class DofTerm:
    """residual (T, n, r); jacobian (T, n, r, c) by the c degrees of freedom in columns (n, c)."""

    residual: Floats
    jacobian: Floats
    columns: NDArray[np.int64]


def robust_weight(residual: Floats, scale: float | Floats) -> tuple[Floats, Floats]:
    """Geman-McClure: (loss, weight), both (T, J), of whitened residuals (T, J, r). loss = s c^2 / (s + c^2), s = |r|^2.

    The scale c is one for all or (T, 1), one for every row.
    """
    s = np.sum(residual**2, axis=-1)
    share = 1 / (1 + s / scale**2)
    return s * share, share**2


def ik(xyz_m: Floats, root: int, lifted_m: Floats, inverse_sigma: Floats) -> PointTerm:
    """Root-relative joints at the lifted ones: (x_j - x_root - p_j) / sigma_j, sigma per axis; unknown where 1/sigma = 0."""
    residual = np.where(inverse_sigma > 0, xyz_m - xyz_m[:, root : root + 1] - lifted_m, 0.0) * inverse_sigma
    return PointTerm(residual, inverse_sigma[..., None] * np.eye(3), relative=True)


def projection_jacobian(xyz_m: Floats, camera: Camera) -> Floats:
    """(..., 2, 3) derivative of pixel coordinates by camera coordinates, lens distortion included."""
    k1, k2, p1, p2, k3 = camera.distortion
    z = xyz_m[..., 2]
    x, y = xyz_m[..., 0] / z, xyz_m[..., 1] / z
    r2 = x * x + y * y
    radial, slope = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))
    cross = slope * x * y + 2 * p1 * x + 2 * p2 * y
    lens = np.empty((*z.shape, 2, 2))
    lens[..., 0, 0] = radial + slope * x * x + 2 * p1 * y + 6 * p2 * x
    lens[..., 0, 1] = lens[..., 1, 0] = cross
    lens[..., 1, 1] = radial + slope * y * y + 6 * p1 * y + 2 * p2 * x
    ray = np.zeros((*z.shape, 2, 3))
    ray[..., 0, 0] = ray[..., 1, 1] = 1 / z
    ray[..., 0, 2], ray[..., 1, 2] = -x / z, -y / z
    return camera.K_px[:2, :2] @ lens @ ray


def projection(xyz_m: Floats, camera: Camera, xy_px: Floats, inverse_sigma: Floats) -> PointTerm:
    """Image positions: (pi(x_j) - k_j) / sigma_j, inverse_sigma (T, J) in 1/px; 0 where unknown or not before the camera."""
    known = (inverse_sigma > 0) & (xyz_m[..., 2] > NEAREST_M)
    safe = np.where(known[..., None], xyz_m, [0.0, 0.0, 1.0])
    weight = np.where(known, inverse_sigma, 0.0)[..., None]
    image = distort(safe[..., :2] / safe[..., 2:], camera.distortion) @ camera.K_px[:2, :2].T + camera.K_px[:2, 2]
    residual = np.where(known[..., None], image - xy_px, 0.0) * weight
    return PointTerm(residual, projection_jacobian(safe, camera) * weight[..., None])


def hinge_prior(pose: Pose, body: Body, strength: Floats) -> DofTerm:
    """Angles near the middle of their range: (angle - mean) / spread, times sqrt strength (T,)."""
    mean, spread = (np.array([getattr(h, name) for h in body.hinges]) for name in ("mean_rad", "spread_rad"))
    weight = np.sqrt(strength)[:, None] / spread
    return DofTerm(((pose.angle_rad - mean) * weight)[..., None], weight[..., None, None], body.hinge_dof[:, None])


def ball_prior(pose: Pose, body: Body, strength: Floats) -> DofTerm:
    """Balls near their mean: log(R R_mean^T) / spread, times sqrt strength (T,); the root has none."""
    vector = rotation.log(pose.ball[:, 1:] @ np.swapaxes([ball.R_mean for ball in body.balls[1:]], -1, -2))
    weight = np.sqrt(strength)[:, None] / np.array([ball.spread_rad for ball in body.balls[1:]])
    jacobian = rotation.inverse_left_jacobian(vector) * weight[..., None, None]
    return DofTerm(vector * weight[..., None], jacobian, body.ball_dof[1:])


def hinge_limits(pose: Pose, body: Body, inverse_sigma: Floats) -> DofTerm:
    """How far an angle is outside its range, times inverse_sigma (T,) in 1/rad."""
    low, high = np.array([h.range_rad for h in body.hinges]).T
    outside = pose.angle_rad - np.clip(pose.angle_rad, low, high)
    jacobian = np.where(outside != 0, inverse_sigma[:, None], 0.0)
    return DofTerm((outside * inverse_sigma[:, None])[..., None], jacobian[..., None, None], body.hinge_dof[:, None])


def cone_limits(pose: Pose, body: Body, inverse_sigma: Floats) -> DofTerm:
    """How far a ball's bone d is outside its cone about c, as cos(cone) - c.d where positive; its derivative is (c x d)."""
    balls = body.balls[1:]
    centre = np.array([ball.cone_axis for ball in balls])
    bone = np.einsum("tbij,bj->tbi", pose.ball[:, 1:], body.rest[[ball.joint for ball in balls]])
    outside = np.cos([ball.cone_rad for ball in balls]) - np.einsum("tbi,bi->tb", bone, centre)
    weight = np.where(outside > 0, inverse_sigma[:, None], 0.0)
    jacobian = np.cross(centre, bone) * weight[..., None]
    return DofTerm((outside * weight)[..., None], jacobian[..., None, :], body.ball_dof[1:])


def twist_angle(pose: Pose, body: Body) -> tuple[Floats, Floats]:
    """Twist of every ball but the root about its own bone, (T, B - 1) rad in -pi..pi, and its derivative (T, B - 1, 3).

    The rotation is a swing after a twist about the resting bone a: twist = 2 atan2(a.v, w) for the quaternion (v, w).
    """
    q = rotation.quaternion(pose.ball[:, 1:])
    v, w = q[..., :3], q[..., 3]
    axis = body.rest[[ball.joint for ball in body.balls[1:]]]
    s = np.einsum("tbi,bi->tb", v, axis)
    norm = np.maximum(s * s + w * w, 1e-9)
    ds = 0.5 * (w[..., None] * axis + np.cross(v, axis))
    dw = -0.5 * v
    angle = 2 * np.arctan2(s, w)
    return angle, 2 * (w[..., None] * ds - s[..., None] * dw) / norm[..., None]


def twist_limits(pose: Pose, body: Body, inverse_sigma: Floats) -> DofTerm:
    """How far a ball's twist is outside its range, times inverse_sigma (T,) in 1/rad."""
    low, high = np.array([ball.twist_rad for ball in body.balls[1:]]).T
    angle, slope = twist_angle(pose, body)
    outside = angle - np.clip(angle, low, high)
    weight = np.where(outside != 0, inverse_sigma[:, None], 0.0)
    return DofTerm((outside * weight)[..., None], (slope * weight[..., None])[..., None, :], body.ball_dof[1:])


@dataclass(frozen=True)
class Smoothness:
    """residual (T - 2, D); turn (T - 1, D) steps between frames; before, after (T - 2, D): 1/s^2 over sigma, by side."""

    residual: Floats
    turn: Floats
    before: Floats
    after: Floats


def smoothness(pose: Pose, time_s: Floats, sigma: Floats, joined: NDArray[np.bool_]) -> Smoothness:
    """Accelerations with the true time steps over sigma (D,), the root mean square at 30 frames a second.

    joined (T - 1,): whether a frame and the next are one motion. White acceleration has a variance inverse to its time step,
    hence the factor sqrt(30 dt).
    """
    turn = difference(pose[:-1], pose[1:])
    dt = np.diff(time_s)
    middle = 0.5 * (dt[1:] + dt[:-1])
    weight = np.where(joined[1:] & joined[:-1], np.sqrt(30.0 * middle) / middle, 0.0)[:, None] / sigma
    before, after = weight / dt[:-1, None], weight / dt[1:, None]
    return Smoothness(turn[1:] * after - turn[:-1] * before, turn, before, after)


def smoothness_gradient(term: Smoothness, body: Body) -> Floats:
    """(T, D) gradient of half the squared smoothness residuals by the steps of all frames; exact on the rotation group.

    d log(exp(d') R' (exp(d) R)^T) = J d' - J^T d, with J the inverse left Jacobian of the turn.
    """
    late, early = np.zeros_like(term.turn), np.zeros_like(term.turn)
    late[1:] += term.residual * term.after
    late[:-1] -= term.residual * term.before
    early[:] = late
    J, pull = rotation.inverse_left_jacobian(term.turn[:, body.ball_dof]), late[:, body.ball_dof]
    late[:, body.ball_dof] = np.einsum("tbij,tbi->tbj", J, pull)
    early[:, body.ball_dof] = np.einsum("tbij,tbj->tbi", J, pull)
    gradient = np.zeros((len(term.turn) + 1, term.turn.shape[1]))
    gradient[1:] += late
    gradient[:-1] -= early
    return gradient


def depth_velocity(root_m: Floats, time_s: Floats, sigma_mps: float, joined: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Velocity of the root along its viewing ray over sigma: residual (T - 1,) and the ray (T - 1, 3) times 1/(sigma dt).

    The ray is held fixed, so the derivative by the later root is the second array and by the earlier one its negative.
    """
    middle = 0.5 * (root_m[1:] + root_m[:-1])
    ray = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), NEAREST_M)
    dt = np.diff(time_s)
    weight = np.where(joined, np.sqrt(30.0 * dt) / (sigma_mps * dt), 0.0)
    slope = ray * weight[:, None]
    return np.sum(slope * (root_m[1:] - root_m[:-1]), axis=1), slope


def resting_feet(
    feet_m: Floats, time_s: Floats, resting: Floats, sigma_mps: float, outlier: float
) -> tuple[tuple[Floats, Floats], float]:
    """Velocities of resting points: residual (T - 1, F, 3) and its slope (T - 1, F) by the later position; and their loss.

    feet_m (T, F, 3); resting (T - 1, F) in 0..1 is the weight of each. The loss is Geman-McClure's: a foot at `outlier` times
    sigma_mps, at any frame rate, costs half its square. Both arrays carry the root of its weight and of `resting`. The slope
    by the earlier position is the negative.
    """
    dt = np.diff(time_s)[:, None]
    fresh = np.sqrt(30.0 * dt)
    slope = fresh / (sigma_mps * dt)
    residual = np.diff(feet_m, axis=0) * slope[..., None]
    loss, weight = robust_weight(residual, outlier * fresh)
    share = np.sqrt(resting * weight)
    return (residual * share[..., None], slope * share), float(np.vdot(resting, loss))


def floor_height(xyz_m: Floats, up: Floats, height_m: Floats, inverse_sigma: Floats, stands: NDArray[np.bool_]) -> PointTerm:
    """Distance to the floor: (up . x - height) / sigma for joints that stand on it, only what is below it for the others.

    height_m and inverse_sigma (T, J): the height at which each joint stands and 1/sigma in 1/m.
    """
    over = xyz_m @ up - height_m
    weight = np.where(stands | (over < 0), inverse_sigma, 0.0)
    return PointTerm((over * weight)[..., None], (weight[..., None] * up)[..., None, :])
