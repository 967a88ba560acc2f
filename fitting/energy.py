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


def linearise(problem: Problem, pose: Pose) -> tuple[float, normal.System]:
    """Energy at the pose and its Gauss-Newton system."""
    m, s, body = problem.measured, problem.settings, load_body()
    placed = place(pose, problem.bone_length_m)
    system = normal.System.empty(len(pose), body.dofs)
    energy, points = 0.0, []
    for point, scale in point_terms(problem, placed):
        loss, weight = costs.robust_weight(point.residual, scale)
        energy += float(loss.sum())
        points.append((point, weight))
    normal.add_points(system, placed, points)
    limit = np.sqrt(m.fresh) / s.limit_rad
    for term in (
        costs.hinge_prior(pose, body, s.prior * m.fresh),
        costs.ball_prior(pose, body, s.prior * m.fresh),
        costs.hinge_limits(pose, body, limit),
        costs.cone_limits(pose, body, limit),
        costs.twist_limits(pose, body, limit),
    ):
        energy += float(np.sum(term.residual**2))
        normal.add_dofs(system, term)
    if len(pose) > 1:
        energy += _add_motion(problem, pose, placed, system)
    return energy, system


def point_terms(problem: Problem, placed: Placed) -> list[tuple[costs.PointTerm, float]]:
    """Point terms with the scale of their robust loss."""
    m, s, root = problem.measured, problem.settings, load_body().skeleton.root
    terms = [
        (costs.ik(placed.xyz_m, root, m.lifted_m, m.inverse_m), s.lift_outlier),
        (costs.projection(placed.xyz_m, problem.camera, m.xy_px, m.inverse_px), s.pixel_outlier),
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
    weight[:, feet] = np.sqrt(m.fresh)[:, None] / problem.settings.floor_sigma_m
    if problem.resting is not None:
        stands[:-1, feet] = problem.resting > 0.5
    return costs.floor_height(placed.xyz_m, floor.up, height, weight, stands)


def _add_motion(problem: Problem, pose: Pose, placed: Placed, system: normal.System) -> float:
    """Add the terms between frames; their energy."""
    m, s, body = problem.measured, problem.settings, load_body()
    residual, slope = costs.depth_velocity(pose.root_m, m.time_s, s.depth_velocity_mps, m.joined)
    normal.add_depth(system, residual, slope)
    energy = float(np.sum(residual**2))
    if problem.resting is not None and problem.resting.any():
        feet = foot_joints()
        push, slopes = costs.resting_feet(placed.xyz_m[:, feet], m.time_s, problem.resting, s.contact_sigma_mps)
        columns = np.flatnonzero(below()[feet].any(axis=0))
        normal.add_feet(system, joint_jacobian(placed, feet)[..., columns], push, slopes, columns)
        energy += float(np.sum(push**2))
    if len(pose) > 2:
        term = costs.smoothness(pose, m.time_s, motion_sigma(s), m.joined)
        normal.add_smoothness(system, term, costs.smoothness_gradient(term, body))
        energy += float(np.sum(term.residual**2))
    return energy


def motion_sigma(settings: FitSettings) -> Floats:
    """(D,) root mean square acceleration of every degree of freedom at 30 frames a second, m/s^2 and rad/s^2."""
    return np.concatenate([np.full(3, settings.root_acceleration_mps2), settings.restlessness * load_body().restless])


def stature_of(bone_length_m: Floats) -> float:
    """Stature in metres of a body with bone lengths (21,), by its knee-to-neck height (docs/conventions.md)."""
    knee_to_neck = bone_length_m[load_body().skeleton.indices(["left_knee", "spine", "neck"])].sum()
    return float(knee_to_neck) * STATURE_M / KNEE_TO_NECK_M
