"""The whole-clip fit: Levenberg-Marquardt over all frames at once on the energy of costs.py, linear in the number of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitting import normal
from fitting.body import load_body
from fitting.contact import find_contacts, find_floor
from fitting.energy import Problem, linearise, stature_of
from fitting.initial import start_pose
from fitting.kinematics import Pose, concatenate, place, step
from fitting.lengths import estimate_lengths
from fitting.measure import expand, pick, present_rows, weigh
from fitting.result import nobody, to_motion
from fitting.settings import FitSettings
from fitting.uncertainty import add_scale, joint_sigma
from posecore.camera import Camera
from posecore.errors import InputError
from posecore.scale import STATURE_M, person_scale
from posecore.types import Motion, Track

Floats = NDArray[np.float64]
ASSUMED_FOCAL_SIGMA, GIVEN_FOCAL_SIGMA = 0.2, 0.01
ASSUMED_STATURE_SIGMA, GIVEN_STATURE_SIGMA = 0.04, 0.006
LONGEST_STEP = 0.4  # metres or radians per iteration: longer ones wind limbs around


def descend(problem: Problem, pose: Pose) -> Pose:
    """Levenberg-Marquardt: damping falls tenfold after a step that helps and rises tenfold after one that does not."""
    damping, s = 1e-3, problem.settings
    energy, system = linearise(problem, pose)
    for _ in range(s.iterations):
        delta = normal.newton_step(system, damping)
        trial = step(pose, np.clip(delta, -LONGEST_STEP, LONGEST_STEP)) if delta is not None else pose
        lower, trial_system = linearise(problem, trial)
        if lower < energy:
            done = energy - lower < s.tolerance * energy
            pose, energy, system, damping = trial, lower, trial_system, max(damping / 10, 1e-7)
            if done:
                break
        else:
            damping *= 10
            if damping > 1e6:
                break
    return pose


def windows(problem: Problem) -> Iterator[tuple[Problem, slice, slice]]:
    """Overlapping parts of a long problem: (part, its rows, the part's own rows that are kept).

    Every window's core is kept; its margins only tell the core what comes before and next.
    """
    m, size = problem.measured, problem.settings.window_frames
    margin = int(np.ceil(problem.settings.overlap_s / np.median(np.diff(m.time_s)))) if len(m) > size else 0
    for start in range(0, len(m), size):
        stop = min(start + size, len(m))
        a, b = max(start - margin, 0), min(stop + margin, len(m))
        yield problem.rows(a, b), slice(a, b), slice(start - a, stop - a)


def solve(problem: Problem, pose: Pose) -> Pose:
    """The pose of least energy near a start, in overlapping windows if the clip is long."""
    return concatenate([descend(part, pose[rows])[core] for part, rows, core in windows(problem)])


def sigma_of(problem: Problem, pose: Pose) -> Floats:
    """(T, 21, 2) standard deviations of the solution, window by window."""
    return np.concatenate([joint_sigma(part, pose[rows])[core] for part, rows, core in windows(problem)])


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
    every = weigh(expand(track, frame, time_s), height_m, settings)
    rows = present_rows(every, settings)
    if len(rows) == 0:
        return nobody(track.person, frame, time_s, prior_lengths(height_m))
    problem, pose, report = fit(Problem(pick(every, rows), camera, prior_lengths(height_m), settings))
    sigma = add_scale(
        sigma_of(problem, pose), place(pose, problem.bone_length_m).xyz_m, *scale_sigma(camera, height_m, settings)
    )
    return to_motion(track.person, frame, time_s, rows, problem, pose, sigma, report)


def fit(problem: Problem) -> tuple[Problem, Pose, dict[str, Any]]:
    """From measurements to the motion: start, bone lengths, motion, resting feet, motion. Returns the problem as it was solved."""
    pose = start_pose(problem.measured, problem.camera)
    lengths, spread = estimate_lengths(problem, pose)
    problem = replace(problem, bone_length_m=lengths)
    pose = solve(problem, pose)
    problem = with_feet(problem, pose)
    if problem.resting is not None and problem.resting.any():
        pose = solve(problem, pose)
    return problem, pose, {"bone_length_sigma": dict(zip(load_body().skeleton.joints, spread.round(4).tolist(), strict=True))}


def scale_sigma(camera: Camera, height_m: float | None, settings: FitSettings) -> tuple[float, float]:
    """Relative standard deviations of the focal length and of the stature."""
    focal, stature = settings.focal_sigma, settings.stature_sigma
    if focal is None:
        focal = ASSUMED_FOCAL_SIGMA if camera.source.startswith("assumed") else GIVEN_FOCAL_SIGMA
    if stature is None:
        stature = ASSUMED_STATURE_SIGMA if height_m is None else GIVEN_STATURE_SIGMA
    return focal, stature
