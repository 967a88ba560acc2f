"""The fit's result as a Motion: rows put back among the clip's frames, where every joint came from, figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitting.energy import Problem
from fitting.kinematics import Pose, bone_quaternions, place
from fitting.measure import Measurements
from posecore.camera import Camera, beyond_picture, camera_to_image
from posecore.types import Motion, Source

Floats = NDArray[np.float64]
WEAK_SCORE = 0.3


def nobody(person: int, frame: NDArray[np.int64], time_s: Floats, bone_length_m: Floats) -> Motion:
    """A motion whose frames are all empty."""
    shape = (len(frame), len(bone_length_m))
    empty = [np.full((*shape, n), np.nan) for n in (3, 4, 2, 2)]
    source = np.full(shape, Source.EMPTY, dtype=np.uint8)
    return Motion(person, frame, time_s, empty[0], empty[1], bone_length_m, empty[2], empty[3], source)


def to_motion(
    person: int,
    frame: NDArray[np.int64],
    time_s: Floats,
    rows: NDArray[np.int64],
    problem: Problem,
    pose: Pose,
    sigma_m: Floats,
    report: dict[str, Any],
) -> Motion:
    """The poses of the clip's rows `rows` as a motion over all its frames."""
    motion = nobody(person, frame, time_s, problem.bone_length_m)
    xyz = place(pose, problem.bone_length_m).xyz_m
    xy = camera_to_image(xyz, problem.camera)
    motion.xyz_m[rows], motion.xy_px[rows], motion.sigma_m[rows] = xyz, xy, sigma_m
    motion.quaternion_xyzw[rows] = bone_quaternions(pose)
    motion.source[rows] = sources(problem.measured, xy, problem.camera)
    motion.report.update(report, **figures(problem, xy))
    return motion


def sources(measured: Measurements, xy_px: Floats, camera: Camera) -> NDArray[np.uint8]:
    """(T, 21) where every joint came from. Weak are also joints that are `refused`.

    Outside are joints that the fit puts there and those that the network guessed in the black beyond the picture's border.
    """
    seen = measured.inverse_px > 0
    sure = (measured.score >= WEAK_SCORE) & ~refused(measured, xy_px)
    outside = beyond_picture(xy_px, camera) | (seen & beyond_picture(measured.xy_px, camera))
    source = np.where(seen, np.where(sure, Source.MEASURED, Source.WEAK), Source.OCCLUDED)
    source = np.where(outside, Source.OUTSIDE, source)
    return np.where(seen.any(axis=1, keepdims=True), source, Source.FILLED).astype(np.uint8)


def refused(measured: Measurements, xy_px: Floats) -> NDArray[np.bool_]:
    """(T, 21) joints that body and motion do not take where the network saw them: so far from there that three quarters of a
    joint's say are lost (`costs.robust_weight`). None that is unseen or behind the camera."""
    return np.asarray(np.linalg.norm(xy_px - measured.xy_px, axis=2) * measured.inverse_px > measured.outlier_px)


def figures(problem: Problem, xy_px: Floats) -> dict[str, Any]:
    """Reprojection error, share of 2D joints that lost their say, contact and floor, for the report."""
    m, seen = problem.measured, problem.measured.inverse_px > 0
    error = np.linalg.norm(xy_px - m.xy_px, axis=2)[seen]
    out: dict[str, Any] = {"frames_fitted": len(m)}
    if len(error):
        p50, p95 = np.nanpercentile(error, [50, 95])
        out |= {"reprojection_p50_px": round(float(p50), 2), "reprojection_p95_px": round(float(p95), 2)}
        lost = refused(m, xy_px)[seen]
        out["rejected_joints_percent"] = round(100 * float(np.mean(lost)), 2)
    if problem.resting is not None:
        out["resting_feet_percent"] = round(100 * float(np.mean(problem.resting)), 1) if problem.resting.size else 0.0
    if problem.floor is not None:
        out["floor_up_xyz"] = problem.floor.up.round(4).tolist()
        out["floor_height_m"] = round(problem.floor.height_m, 4)
    return out
