"""The energy of a motion and its Gauss-Newton system: the residuals of costs.py with the weights of the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting import costs, normal
from fitting.body import load_body
from fitting.contact import SOLE, Floor, foot_joints
from fitting.kinematics import Placed, Pose, below, joint_jacobian, place
from fitting.measure import Measurements
from fitting.settings import FitSettings
from posecore.camera import Camera
from posecore.scale import KNEE_TO_NECK_M, STATURE_M

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """One solve: measurements, camera, bone lengths (21,) in metres and settings."""

    measured: Measurements
    camera: Camera
    bone_length_m: Floats
    settings: FitSettings
    resting: Floats | None = None  # (T - 1, 4) weight of every foot point's rest, None before feet were looked at
    floor: Floor | None = None

    def rows(self, start: int, stop: int) -> Problem:
        """The same problem for rows start .. stop - 1."""
        resting = None if self.resting is None else self.resting[start : stop - 1]
        return replace(self, measured=self.measured.rows(start, stop), resting=resting)


@dataclass(frozen=True)
class Evaluated:
    """Every residual at a pose, and the energy they add up to; `assemble` makes the Gauss-Newton system of it.

    points: terms with their robust weights (T, J); depth: residual and slope of the root's velocity along the ray; feet: those
    of resting feet, times the roots of their weights. These two and `motion` are None where there are too few frames for them.
    """

    placed: Placed
    points: list[tuple[costs.PointTerm, Floats]]
    dofs: list[costs.DofTerm]
    depth: tuple[Floats, Floats] | None
    feet: tuple[Floats, Floats] | None
    motion: costs.Smoothness | None
    energy: float


def evaluate(problem: Problem, pose: Pose) -> Evaluated:
    """All residuals at the pose."""
    m, s = problem.measured, problem.settings
    placed = place(pose, problem.bone_length_m)
    terms = [(term, *costs.robust_weight(term.residual, scale)) for term, scale in point_terms(problem, placed)]
    dofs, depth, feet, motion, held = _dof_terms(problem, pose), None, None, None, 0.0
    if len(pose) > 1:
        depth = costs.depth_velocity(pose.root_m, m.time_s, s.depth_velocity_mps, m.joined)
    if problem.resting is not None and problem.resting.any():
        found = placed.xyz_m[:, foot_joints()]
        feet, held = costs.resting_feet(found, m.time_s, problem.resting, s.contact_sigma_mps, s.contact_outlier)
    if len(pose) > 2:
        motion = costs.smoothness(pose, m.time_s, motion_sigma(s), m.joined)
    energy = sum(float(loss.sum()) for _, loss, _ in terms) + sum(_squared(term.residual) for term in dofs)
    energy += held + (0.0 if depth is None else _squared(depth[0]))
    energy += 0.0 if motion is None else _squared(motion.residual)
    return Evaluated(placed, [(term, weight) for term, _, weight in terms], dofs, depth, feet, motion, energy)


def _squared(residual: Floats) -> float:
    return float(np.vdot(residual, residual))


def assemble(at: Evaluated) -> normal.System:
    """The Gauss-Newton system where the residuals were evaluated."""
    body = load_body()
    system = normal.System.empty(len(at.placed.xyz_m), body.dofs)
    normal.add_points(system, at.placed, at.points)
    for term in at.dofs:
        normal.add_dofs(system, term)
    if at.depth is not None:
        normal.add_depth(system, *at.depth)
    if at.feet is not None:
        feet = foot_joints()
        columns = np.flatnonzero(below()[feet].any(axis=0))
        normal.add_feet(system, joint_jacobian(at.placed, feet)[..., columns], *at.feet, columns)
    if at.motion is not None:
        normal.add_smoothness(system, at.motion, costs.smoothness_gradient(at.motion, body))
    return system


def linearise(problem: Problem, pose: Pose) -> tuple[float, normal.System]:
    """Energy at the pose and its Gauss-Newton system."""
    at = evaluate(problem, pose)
    return at.energy, assemble(at)


def _dof_terms(problem: Problem, pose: Pose) -> list[costs.DofTerm]:
    """Prior and limits of every joint."""
    m, s, body = problem.measured, problem.settings, load_body()
    limit = np.sqrt(m.fresh) / s.limit_rad
    priors = [costs.hinge_prior(pose, body, s.hinge_prior * m.fresh), costs.ball_prior(pose, body, s.prior * m.fresh)]
    return priors + [cost(pose, body, limit) for cost in (costs.hinge_limits, costs.cone_limits, costs.twist_limits)]


def point_terms(problem: Problem, placed: Placed) -> list[tuple[costs.PointTerm, float | Floats]]:
    """Point terms with the scale of their robust loss."""
    m, s, root = problem.measured, problem.settings, load_body().skeleton.root
    terms: list[tuple[costs.PointTerm, float | Floats]] = [
        (costs.ik(placed.xyz_m, root, m.lifted_m, m.inverse_m), m.outlier_m),
        (costs.projection(placed.xyz_m, problem.camera, m.xy_px, m.inverse_px), m.outlier_px),
    ]
    if problem.floor is not None:
        terms.append((_floor_term(problem, problem.floor, placed), s.floor_outlier))
    return terms


def _floor_term(problem: Problem, floor: Floor, placed: Placed) -> costs.PointTerm:
    """Feet on the floor while they rest, and never below it."""
    m, shape = problem.measured, placed.xyz_m.shape[:2]
    stands, height, weight = np.zeros(shape, dtype=bool), np.full(shape, floor.height_m), np.zeros(shape)
    feet = foot_joints()
    height[:, feet] += np.array(SOLE * 2) * stature_of(problem.bone_length_m)
    weight[:, feet] = np.sqrt(m.fresh)[:, None] / floor.sigma_m(placed.xyz_m[:, feet], problem.settings.floor_sigma_m)
    if problem.resting is not None:
        stands[:-1, feet] = problem.resting > 0.5
    return costs.floor_height(placed.xyz_m, floor.up, height, weight, stands)


def motion_sigma(settings: FitSettings) -> Floats:
    """(D,) root mean square acceleration of every degree of freedom at 30 frames a second, m/s^2 and rad/s^2."""
    return np.concatenate([np.full(3, settings.root_acceleration_mps2), settings.restlessness * load_body().restless])


def stature_of(bone_length_m: Floats) -> float:
    """Stature in metres of a body with bone lengths (21,), by its knee-to-neck height (docs/conventions.md)."""
    knee_to_neck = bone_length_m[load_body().skeleton.indices(["left_knee", "spine", "neck"])].sum()
    return float(knee_to_neck) * STATURE_M / KNEE_TO_NECK_M
