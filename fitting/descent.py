"""Levenberg-Marquardt over all frames at once, in overlapping windows for long clips: linear in frames, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitting import normal
from fitting.cholesky import Factor
from fitting.energy import Problem, assemble, evaluate
from fitting.kinematics import Pose, concatenate, place, step
from fitting.uncertainty import joint_sigma

Floats = NDArray[np.float64]
FIRST_DAMPING, LEAST_DAMPING = 1e-3, 1e-7
NEGLIGIBLE_DAMPING = 1e-5  # leaves error bars in depth about 0.1 % too small at 30 frames a second, 1 % at 60, an eighth at 240
LONGEST_STEP = 0.4  # metres or radians per iteration: longer ones wind limbs around


@dataclass(frozen=True)
class Solution:
    """The pose that was reached and the Gauss-Newton system there, or where the last step began, whose length was within the
    tolerance: near enough for error bars; hardly_damped: the last step's factor, if its damping is negligible."""

    pose: Pose
    system: normal.System
    hardly_damped: Factor | None

    def factor(self) -> Factor | None:
        """The factor of the system's matrix, for error bars: damping would count as evidence. Damped where the matrix is not
        positive definite without; None if not even then."""
        return self.hardly_damped or normal.factor(self.system, 0.0) or normal.factor(self.system, FIRST_DAMPING)


def bounded_step(pose: Pose, delta: Floats) -> Pose:
    """The pose moved by delta (T, D), no part of it by more than LONGEST_STEP."""
    return step(pose, np.clip(delta, -LONGEST_STEP, LONGEST_STEP))


def descend(problem: Problem, pose: Pose) -> Solution:
    """Levenberg-Marquardt: damping falls tenfold after a step that helps and rises tenfold after one that does not."""
    damping, s, done, last = FIRST_DAMPING, problem.settings, False, None
    at = evaluate(problem, pose)
    system = assemble(at)
    for _ in range(s.iterations):
        factor = normal.factor(system, damping)
        trial = pose if factor is None else bounded_step(pose, normal.newton_step(system, factor))
        there = evaluate(problem, trial)
        if there.energy < at.energy:
            done = at.energy - there.energy < s.tolerance * at.energy
            last = factor if damping < 1.01 * NEGLIGIBLE_DAMPING else None
            pose, at, damping = trial, there, max(damping / 10, LEAST_DAMPING)
            system = system if done else assemble(at)
        else:
            damping *= 10
        if done or damping > 1e6:
            break
    return Solution(pose, system, last)


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
    return concatenate([descend(part, pose[rows]).pose[core] for part, rows, core in windows(problem)])


def solve_with_sigma(problem: Problem, pose: Pose) -> tuple[Pose, Floats]:
    """The same, and the joints' standard deviations (T, 21, 2) in metres in the image plane and in depth; NaN if unknown."""
    parts = [(*_with_sigma(part, pose[rows]), core) for part, rows, core in windows(problem)]
    return concatenate([found[core] for found, _, core in parts]), np.concatenate([sigma[core] for _, sigma, core in parts])


def _with_sigma(problem: Problem, pose: Pose) -> tuple[Pose, Floats]:
    """`solve_with_sigma` of one window, whose matrices are let go of before the next one's are made."""
    found = descend(problem, pose)
    return found.pose, joint_sigma(found.factor(), place(found.pose, problem.bone_length_m))
