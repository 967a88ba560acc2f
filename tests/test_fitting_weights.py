"""What the networks say of their own errors is what the fit believes: sigmas by axis, scores, settings, stature."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.descent import solve
from fitting.energy import Problem
from fitting.kinematics import place
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import fit_clip, prior_lengths
from posecore.camera import camera_to_image
from posecore.scale import person_scale
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, swaying_pose, truth

TIME = np.arange(40) / 30
# Errors that are new in every frame, and sigmas taken at their word: the fit is then plain weighted least squares.
HONEST = FitSettings(
    contact=False,
    floor=False,
    lift_sigma=1.0,
    lift_memory_s=0.0,
    pixel_memory_s=0.0,
    pixel_sigma_px=3.0,
    pixel_sigma_body=0.0,
)
LINEAR = replace(HONEST, prior=0.0, hinge_prior=0.0, pixel_outlier=1e4, lift_outlier=1e4, tolerance=1e-14, iterations=60)


def unequal_track():
    """A track whose scores and sigmas, in the image plane and in depth, differ from joint to joint."""
    rng, track = np.random.default_rng(3), seen(truth(TIME), TIME)
    score, sigma = rng.uniform(0.2, 1.0, track.score.shape), rng.uniform(0.1, 0.4, track.sigma_m.shape)
    return replace(track, score=score, sigma_m=sigma)


@pytest.mark.parametrize("lift_sigma", [1.0, 1.75])
@pytest.mark.parametrize("height_m", [1.4, 1.9])
def test_x_and_y_are_as_sure_as_the_plane_and_z_as_the_depth(lift_sigma, height_m):
    """sigma' = sigma lift_sigma scale / sqrt(score), element by element."""
    track = unequal_track()
    measured = weigh(track, height_m, replace(HONEST, lift_sigma=lift_sigma))
    for (row, joint), score in np.ndenumerate(track.score):
        across, along = track.sigma_m[row, joint] * lift_sigma * person_scale(height_m) / np.sqrt(score)
        np.testing.assert_allclose(measured.inverse_m[row, joint], [1 / across, 1 / across, 1 / along], rtol=1e-12)


def test_a_joint_in_the_picture_weighs_by_its_score():
    track = unequal_track()
    weight = weigh(track, HEIGHT_M, HONEST).inverse_px ** 2
    np.testing.assert_allclose(weight, track.score / HONEST.pixel_sigma_px**2, rtol=1e-12)


def hip_pull(score: float) -> np.ndarray:
    """(2, 2) pixels that a hip, known from the picture alone, follows a pixel of displacement, by axis of it in columns."""
    hip, pose, lengths = BODY.skeleton.index("left_hip"), swaying_pose(TIME[:1]), prior_lengths(HEIGHT_M)
    track = seen(truth(TIME[:1]), TIME[:1])
    track.score[0, hip], track.xyz_m[0, hip] = score, np.nan

    def fitted_px(away_px):
        xy_px = track.xy_px.copy()
        xy_px[0, hip] += away_px
        problem = Problem(weigh(replace(track, xy_px=xy_px), HEIGHT_M, LINEAR), CAMERA, lengths, LINEAR)
        return camera_to_image(place(solve(problem, pose), lengths).xyz_m, CAMERA)[0, hip]

    return np.stack([(fitted_px(e) - fitted_px(-e)) / 0.4 for e in 0.2 * np.eye(2)], axis=1)


def test_a_joint_is_followed_as_far_as_its_score_says():
    """Least squares: with A the rest's covariance of the joint over the pixel's variance, it follows s A (1 + s A)^-1."""
    sure, unsure = hip_pull(0.9), hip_pull(0.2)
    assert np.trace(unsure) < 0.5 * np.trace(sure) < 0.5 * 2
    A, same = (np.linalg.inv(np.linalg.inv(pull) - np.eye(2)) / score for pull, score in ((sure, 0.9), (unsure, 0.2)))
    np.testing.assert_allclose(A, same, rtol=0.01, atol=0.01 * np.abs(A).max())


@pytest.mark.parametrize("seed", range(2))
def test_errors_in_depth_alone_hurt_less_where_the_sigmas_say_so(seed):
    depth_m, xyz = 0.25, truth(TIME, seed)
    track = seen(xyz, TIME, 3.0, 0.03, seed)
    track.xyz_m[..., 2] += depth_m * np.random.default_rng(seed + 50).standard_normal(track.score.shape)

    def error_m(*sigma_m):
        sigma = np.tile(np.array(sigma_m) / person_scale(HEIGHT_M), (*track.score.shape, 1))
        found = fit_clip(replace(track, sigma_m=sigma), CAMERA, height_m=HEIGHT_M, settings=HONEST).xyz_m
        root = BODY.skeleton.root
        return np.linalg.norm(found - found[:, [root]] - xyz + xyz[:, [root]], axis=2).mean()

    assert error_m(0.03, depth_m) < 0.75 * error_m(depth_m, 0.03)
