"""The whole-clip fit of one person, from what the networks saw to the motion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitting.body import load_body
from fitting.contact import find_contacts, find_floor
from fitting.descent import solve, solve_with_sigma
from fitting.energy import Problem, stature_of
from fitting.hypotheses import settle_limbs, settle_sides
from fitting.initial import start_pose
from fitting.kinematics import Pose, place
from fitting.lengths import estimate_lengths
from fitting.measure import doubt_outside, expand, pick, present_rows, weigh
from fitting.result import nobody, to_motion
from fitting.settings import FitSettings
from fitting.uncertainty import add_centres, add_outside, add_scale
from posecore.camera import Camera
from posecore.errors import InputError
from posecore.scale import STATURE_M, person_scale
from posecore.types import Motion, Track

Floats = NDArray[np.float64]
ASSUMED_FOCAL_SIGMA, GIVEN_FOCAL_SIGMA = 0.2, 0.01
ASSUMED_STATURE_SIGMA, GIVEN_STATURE_SIGMA = 0.04, 0.006
COARSE = 6.0  # the first pass only has to find feet and floor


def with_feet(problem: Problem, pose: Pose) -> Problem:
    """The problem with the contacts and the floor that a fitted motion shows."""
    s, xyz = problem.settings, place(pose, problem.bone_length_m).xyz_m
    if not s.contact or len(pose) < 3:
        return problem
    resting = find_contacts(xyz, problem.measured.time_s, problem.measured.joined, s)
    floor = find_floor(xyz, resting, stature_of(problem.bone_length_m), s) if s.floor else None
    return replace(problem, resting=resting.astype(np.float64), floor=floor)


def prior_lengths(height_m: float | None) -> Floats:
    """(21,) bone lengths of an average adult of this stature, metres."""
    return load_body().length * person_scale(height_m) * STATURE_M


def fit_clip(
    track: Track,
    camera: Camera,
    frame: NDArray[np.int64] | None = None,
    time_s: Floats | None = None,
    height_m: float | None = None,
    settings: FitSettings | None = None,
) -> Motion:
    """One person's motion from what the networks saw.

    frame (T,), time_s (T,): the clip's frames for which the motion has rows (all the track's frames must be among them);
    without them the track's own rows. height_m: the person's stature, None for the default. InputError on arrays that do not
    belong together.
    """
    settings = settings or FitSettings()
    frame = track.frame if frame is None else np.asarray(frame)
    time_s = track.time_s if time_s is None else np.asarray(time_s, dtype=np.float64)
    if track.score.shape[1] != len(load_body().skeleton):
        raise InputError(f"fit: expected {len(load_body().skeleton)} joints, the track has {track.score.shape[1]}")
    every = doubt_outside(weigh(expand(track, frame, time_s), height_m, settings), camera, settings.pixel_outside)
    rows = present_rows(every, settings)
    if len(rows) == 0:
        return nobody(track.person, frame, time_s, prior_lengths(height_m))
    problem, pose, sigma, report = fit(Problem(pick(every, rows), camera, prior_lengths(height_m), settings))
    xyz = place(pose, problem.bone_length_m).xyz_m
    sigma = add_scale(sigma, xyz, *scale_sigma(camera, height_m, settings))
    sigma = add_outside(add_centres(sigma, xyz, camera, settings.joint_sigma_m), xyz, camera, settings.outside_sigma)
    return to_motion(track.person, frame, time_s, rows, problem, pose, sigma, report)


def fit(problem: Problem) -> tuple[Problem, Pose, Floats, dict[str, Any]]:
    """From measurements to the motion: start, lengths, motion, resting feet, motion.

    Returns the problem as it was solved, the poses, the joints' standard deviations (T, 21, 2) and what to report.
    """
    measured, sides = settle_sides(problem.measured)
    problem = replace(problem, measured=measured)
    pose = start_pose(problem.measured, problem.camera)
    lengths, spread = estimate_lengths(problem, pose)
    problem = replace(problem, bone_length_m=lengths)
    coarse = replace(problem.settings, tolerance=COARSE * problem.settings.tolerance)
    pose = solve(replace(problem, settings=coarse), pose)
    pose, limbs = settle_limbs(problem, pose)
    problem = with_feet(problem, pose)
    pose, sigma = solve_with_sigma(problem, pose)
    report = {"exchanged_sides": sides, "settled_limbs": limbs}
    names = load_body().skeleton.joints
    report["bone_length_sigma"] = {name: round(float(s), 4) for name, s in zip(names, spread, strict=True)}
    return problem, pose, sigma, report


def scale_sigma(camera: Camera, height_m: float | None, settings: FitSettings) -> tuple[float, float]:
    """Relative standard deviations of the focal length and of the stature."""
    focal, stature = settings.focal_sigma, settings.stature_sigma
    if focal is None:
        focal = ASSUMED_FOCAL_SIGMA if camera.is_assumed else GIVEN_FOCAL_SIGMA
    if stature is None:
        stature = ASSUMED_STATURE_SIGMA if height_m is None else GIVEN_STATURE_SIGMA
    return focal, stature
