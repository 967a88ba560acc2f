"""Levenberg-Marquardt over all frames at once, in overlapping windows for long clips: linear in frames, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fitting import normal
from fitting.energy import Problem, linearise
from fitting.kinematics import Pose, concatenate, step

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
