"""Where a fitted joint is said to come from, and how sure it is: what lies beyond the picture is no measurement."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.settings import FitSettings
from fitting.solve import fit_clip
from fitting.uncertainty import add_outside
from posecore.camera import image_to_ray
from posecore.types import Source
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, truth

TIME = np.arange(15) / 30
BORDER_PX = 400
CLOSE = replace(CAMERA, size_wh=(1280, BORDER_PX))
PLAIN = FitSettings(contact=False, floor=False, iterations=4)


@pytest.mark.parametrize("score", [0.2, 0.6])
def test_joints_beyond_the_picture_are_outside_however_sure_the_network_was(score):
    """A network guesses joints in the black beyond the border too: what it calls them there is no measurement."""
    track = seen(truth(TIME), TIME, 3.0, 0.06)
    track = replace(track, score=np.full_like(track.score, score))
    whole, motion = (fit_clip(track, camera, height_m=HEIGHT_M, settings=PLAIN) for camera in (CAMERA, CLOSE))
    beyond = np.maximum(track.xy_px[..., 1], motion.xy_px[..., 1]) >= BORDER_PX - 0.5
    assert 0.2 < beyond.mean() < 0.8
    assert np.array_equal(motion.source == Source.OUTSIDE, beyond)
    assert np.array_equal(motion.source[~beyond], whole.source[~beyond])
    assert np.array_equal(motion.xyz_m, whole.xyz_m)  # they still help to place the body


@pytest.mark.parametrize("depth_m", [2.0, 5.0])
def test_error_bars_grow_with_the_way_beyond_the_border_and_nowhere_else(depth_m):
    ways_m, before = np.array([0.0, 0.1, 0.5, 1.0]), np.array([0.03, 0.08])
    corner, rng = np.array([1279.5, BORDER_PX - 0.5]), np.random.default_rng(0)
    for way, side in (([0.0, 1.0], [640.0, corner[1]]), ([-1.0, 0.0], [-0.5, 200.0]), ([0.6, 0.8], corner)):
        border_m = depth_m * image_to_ray(np.array([side]), CLOSE)
        xyz = border_m + ways_m[:, None] * np.array([*way, 0.0])
        sigma = add_outside(np.tile(before, (4, 1)), xyz, CLOSE, 0.25)
        assert np.allclose(sigma**2 - before**2, (0.25 * ways_m[:, None]) ** 2, atol=1e-9)
    seen_m = depth_m * image_to_ray(rng.uniform(-0.5, corner, (50, 2)), CLOSE)
    assert np.array_equal(add_outside(np.tile(before, (50, 1)), seen_m, CLOSE, 0.25), np.tile(before, (50, 1)))


def test_a_fitted_clip_s_bars_know_the_border():
    track = seen(truth(TIME), TIME, 3.0, 0.06)
    whole, motion = (fit_clip(track, camera, height_m=HEIGHT_M, settings=PLAIN) for camera in (CAMERA, CLOSE))
    wider = (motion.sigma_m > whole.sigma_m * (1 + 1e-9)).all(axis=2)
    assert np.array_equal(wider, motion.xy_px[..., 1] > BORDER_PX - 0.5)
