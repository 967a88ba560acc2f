"""Bone lengths of somebody whose proportions are not the average ones are found."""

import numpy as np
import pytest

from fitting.energy import stature_of
from fitting.kinematics import place
from fitting.lengths import groups
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
