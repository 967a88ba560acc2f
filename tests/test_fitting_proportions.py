"""Bone lengths of somebody whose proportions are not the average ones are found."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.energy import stature_of
from fitting.kinematics import place
from fitting.lengths import groups, posterior
from fitting.settings import FitSettings
from fitting.solve import fit_clip, prior_lengths
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, swaying_pose

TIME = np.arange(40) / 30
# Nothing is believed but what is measured, which here is exact.
EXACT = FitSettings(
    contact=False,
    floor=False,
    prior=0.0,
    hinge_prior=0.0,
    pixel_sigma_px=0.5,
    pixel_sigma_body=0.0,
    pixel_memory_s=0.0,
    lift_sigma=1.0,
    lift_memory_s=0.0,
)


def drawn_lengths(seed: int) -> np.ndarray:
    """(21,) bone lengths of somebody drawn from the body's spread, left and right alike, up to 1.5 standard deviations."""
    member = groups(BODY)
    spread = member @ BODY.spread / member.sum(axis=1)
    drawn = np.random.default_rng(seed).uniform(-1.5, 1.5, len(spread))
    return prior_lengths(HEIGHT_M) * np.exp((drawn * spread) @ member)


@pytest.mark.parametrize("seed", range(3))
def test_drawn_proportions_are_recovered(seed):
    lengths = drawn_lengths(seed)
    height_m, bones = stature_of(lengths), np.arange(21) != BODY.skeleton.root
    track = seen(place(swaying_pose(TIME, seed), lengths).xyz_m, TIME, height_m=height_m)
    motion = fit_clip(track, CAMERA, height_m=height_m, settings=EXACT)
    assert np.abs(prior_lengths(height_m)[bones] / lengths[bones] - 1).max() > 0.06
    np.testing.assert_allclose(motion.bone_length_m[bones], lengths[bones], rtol=0.03)


def some_information(seed, size=4):
    half = np.random.default_rng(seed).normal(size=(size, size))
    return half @ half.T + np.eye(size)


def test_errors_that_last_bound_what_any_number_of_frames_can_tell():
    told, prior, lasting = some_information(0), some_information(1), np.array([0.05, 0.1, 0.2, 0.4])
    slow = np.linalg.inv(prior + np.linalg.inv(np.linalg.inv(told) + np.diag(lasting**2)))
    np.testing.assert_allclose(posterior(told, prior, lasting), slow, rtol=1e-9)
    endless = np.linalg.inv(prior + np.diag(1 / lasting**2))
    np.testing.assert_allclose(posterior(1e12 * told, prior, lasting), endless, rtol=1e-6)
    np.testing.assert_allclose(posterior(np.zeros((4, 4)), prior, lasting), np.linalg.inv(prior), rtol=1e-9)
    np.testing.assert_allclose(posterior(told, prior, 0 * lasting), np.linalg.inv(told + prior), rtol=1e-9)


def test_a_lasting_error_of_the_joints_is_in_the_lengths_error_bars():
    """Exact measurements, 40 frames of them: taken at their word they fix the lengths, but joints lie 3 cm off for good."""
    track = seen(place(swaying_pose(TIME), prior_lengths(HEIGHT_M)).xyz_m, TIME, height_m=HEIGHT_M)
    sure, honest = (
        fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=replace(EXACT, joint_sigma_m=joint_m)).report["bone_length_sigma"]
        for joint_m in (0.0, 0.03)
    )
    for name in ("left_elbow", "neck", "left_hip"):
        spread = BODY.spread[BODY.skeleton.index(name)]
        assert sure[name] < 0.5 * spread
        assert 0.5 * spread < honest[name] <= spread
