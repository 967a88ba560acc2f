"""Error bars are those of the matrix at the solution, however the solver came there."""

import numpy as np
import pytest

from fitting import normal
from fitting.descent import descend, solve_with_sigma
from fitting.energy import Problem, assemble, evaluate
from fitting.kinematics import place
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import prior_lengths
from fitting.uncertainty import joint_sigma
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, swaying_pose, truth


@pytest.mark.parametrize("fps", [30, 240])
def test_error_bars_hold_no_damping(fps):
    time_s, settings = np.arange(fps // 2) / fps, FitSettings(contact=False, floor=False, iterations=3)
    measured = weigh(seen(truth(time_s), time_s, 3.0, 0.06), HEIGHT_M, settings)
    problem = Problem(measured, CAMERA, prior_lengths(HEIGHT_M), settings)
    found, sigma = solve_with_sigma(problem, swaying_pose(time_s))
    exact = joint_sigma(normal.factor(assemble(evaluate(problem, found)), 0.0), place(found, problem.bone_length_m))
    assert np.allclose(sigma, exact, rtol=0.08)  # the matrix is from where the last step began


def test_what_nothing_determines_has_an_error_bar_all_the_same():
    time_s, settings = np.arange(3) / 30, FitSettings(contact=False, floor=False, prior=0.0, hinge_prior=0.0, score_floor=2.0)
    measured = weigh(seen(truth(time_s), time_s), HEIGHT_M, settings)
    assert not measured.inverse_px.any()
    problem = Problem(measured, CAMERA, prior_lengths(HEIGHT_M), settings)
    factor = descend(problem, swaying_pose(time_s)).factor()
    assert factor is not None
    assert np.isfinite(factor.inverse).all()
