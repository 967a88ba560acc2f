"""The whole-clip fit: Levenberg-Marquardt over all frames at once on the energy of costs.py, linear in the number of frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fitting import normal
from fitting.body import load_body
from fitting.contact import find_contacts, find_floor
from fitting.energy import Problem, linearise, stature_of
from fitting.initial import start_pose
from fitting.kinematics import Pose, bone_quaternions, concatenate, place, step
from fitting.lengths import estimate_lengths
from fitting.measure import Measurements, expand, pick, present_rows, weigh
from fitting.settings import FitSettings
from posecore.camera import Camera, camera_to_image
from posecore.errors import InputError
from posecore.scale import STATURE_M, person_scale
from posecore.types import Motion, Source, Track

Floats = NDArray[np.float64]
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


def solve(problem: Problem, pose: Pose) -> Pose:
    """Descend in overlapping windows; every window's core is kept, its margins only tell the core what comes next."""
    m, size = problem.measured, problem.settings.window_frames
    if len(m) <= size:
        return descend(problem, pose)
    rate = 1 / np.median(np.diff(m.time_s))
    margin, cores = int(np.ceil(problem.settings.overlap_s * rate)), []
    for start in range(0, len(m), size):
        a, b = max(start - margin, 0), min(start + size + margin, len(m))
        solved = descend(problem.rows(a, b), pose[a:b])
        cores.append(solved[start - a : min(start + size, len(m)) - a])
    return concatenate(cores)


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
    measured = pick(every, rows)
    length = prior_lengths(height_m)
    pose = start_pose(measured, camera)
    if len(rows):
        problem = Problem(measured, camera, length, settings)
        length, _ = estimate_lengths(problem, pose)
        problem = replace(problem, bone_length_m=length)
        pose = solve(problem, pose)
        problem = with_feet(problem, pose)
        pose = solve(problem, pose)
    return _motion(track.person, frame, every, rows, pose, length, camera)


def _motion(
    person: int, frame: NDArray, every: Measurements, rows: NDArray, pose: Pose, length: Floats, camera: Camera
) -> Motion:
    """The fitted rows put back among the clip's frames."""
    total, joints = len(frame), len(length)
    xyz, q, xy, sigma = (np.full((total, joints, n), np.nan) for n in (3, 4, 2, 2))
    source = np.full((total, joints), Source.EMPTY, dtype=np.uint8)
    if len(rows):
        placed = place(pose, length)
        xyz[rows], q[rows], xy[rows] = placed.xyz_m, bone_quaternions(pose), camera_to_image(placed.xyz_m, camera)
        source[rows] = _sources(pick(every, rows), xy[rows], camera)
    return Motion(person, frame, every.time_s, xyz, q, length, xy, sigma, source)


def _sources(measured: Measurements, xy_px: Floats, camera: Camera) -> NDArray[np.uint8]:
    """(T, 21) where every joint came from."""
    seen = measured.inverse_px > 0
    inside = ((xy_px > -0.5) & (xy_px < np.array(camera.size_wh) - 0.5)).all(axis=2)
    source = np.where(inside, Source.OCCLUDED, Source.OUTSIDE)
    source = np.where(seen, np.where(measured.score >= 0.3, Source.MEASURED, Source.WEAK), source)
    return np.where(seen.any(axis=1, keepdims=True), source, Source.FILLED).astype(np.uint8)
