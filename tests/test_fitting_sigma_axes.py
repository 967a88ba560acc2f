"""The sampled standard deviations against the inverse of the whole matrix, axis by axis."""

import numpy as np
import pytest

from fitting import normal
from fitting.energy import Problem, assemble, evaluate
from fitting.kinematics import joint_jacobian, place
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import prior_lengths
from fitting.uncertainty import CALIBRATION, joint_sigma
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, swaying_pose, truth


def test_the_image_plane_s_deviation_is_the_mean_of_its_two_axes():
    time_s, settings = np.arange(4) / 30, FitSettings(contact=False, floor=False)
    measured = weigh(seen(truth(time_s), time_s, 3.0, 0.06), HEIGHT_M, settings)
    problem, pose = Problem(measured, CAMERA, prior_lengths(HEIGHT_M), settings), swaying_pose(time_s)
    placed = place(pose, problem.bone_length_m)
    L = normal.factor(assemble(evaluate(problem, pose)), 0.0)
    frames, dofs = L.second.shape
    covariance = L.solve(np.eye(frames * dofs).reshape(frames, dofs, -1)).reshape(frames, dofs, frames, dofs)
    J = joint_jacobian(placed)
    variance = np.stack([np.einsum("jad,de,jae->ja", J[t], covariance[t, :, t], J[t]) for t in range(frames)])
    exact = np.sqrt(np.stack([variance[..., :2].mean(axis=-1), variance[..., 2]], axis=-1)) * CALIBRATION
    ratio = joint_sigma(L, placed) / exact
    for axis in (0, 1):  # 32 samples, shared by all joints: the mean of their squares is off by a tenth or two
        assert np.sqrt(np.mean(ratio[..., axis] ** 2)) == pytest.approx(1.0, abs=0.2)
