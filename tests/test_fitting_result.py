"""Where a fitted joint is said to come from, and how sure it is: what lies beyond the picture is no measurement."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.measure import doubt_outside, weigh
from fitting.settings import FitSettings
from fitting.solve import fit_clip
from fitting.uncertainty import add_outside
from posecore.camera import image_to_ray
from posecore.types import Source
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, truth

TIME = np.arange(15) / 30
BORDER_PX = 400
CLOSE = replace(CAMERA, size_wh=(1280, BORDER_PX))
PLAIN = FitSettings(contact=False, floor=False, iterations=4)


@pytest.mark.parametrize("score", [0.2, 0.6])
def test_joints_beyond_the_picture_are_outside_however_sure_the_network_was(score):
    """A network guesses joints in the black beyond the border too: what it calls them there is no measurement."""
    track = seen(truth(TIME), TIME, 3.0, 0.06)
    track = replace(track, score=np.full_like(track.score, score))
    believed = replace(PLAIN, pixel_outside=0.0)
    whole, motion = (fit_clip(track, camera, height_m=HEIGHT_M, settings=believed) for camera in (CAMERA, CLOSE))
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
    """Across the view beyond it alone; in depth everywhere, for fewer joints in the picture tell the size worse."""
    track, believed = seen(truth(TIME), TIME, 3.0, 0.06), replace(PLAIN, pixel_outside=0.0)
    whole, motion = (fit_clip(track, camera, height_m=HEIGHT_M, settings=believed) for camera in (CAMERA, CLOSE))
    wider = motion.sigma_m > whole.sigma_m * (1 + 1e-9)
    assert np.array_equal(wider[..., 0], motion.xy_px[..., 1] > BORDER_PX - 0.5)
    assert wider[..., 1].all()


def guessed_low(guess_px: float, settings: FitSettings) -> np.ndarray:
    """(T,) how much too near somebody comes out of whom what is beyond the border is seen `guess_px` too low."""
    track = seen(truth(TIME), TIME)
    track.xy_px[..., 1] += guess_px * (track.xy_px[..., 1] > BORDER_PX)
    motion = fit_clip(track, CLOSE, height_m=HEIGHT_M, settings=settings)
    return (truth(TIME) - motion.xyz_m)[:, BODY.skeleton.root, 2]


def test_guesses_beyond_the_border_say_less_of_the_distance():
    """Trunks guessed too long beyond the border put people too near, which the joints in the picture know better."""
    believed, doubted = (guessed_low(12.0, replace(PLAIN, pixel_outside=share)).mean() for share in (0.0, 2.5))
    assert believed > 0.05
    assert abs(doubted) < 0.5 * believed


def test_a_guess_is_doubted_by_its_way_beyond_the_border():
    """A share of the way is added to the standard deviation in quadrature, on every side; joints in the picture keep theirs."""
    measured = weigh(seen(truth(TIME), TIME, 3.0, 0.06), HEIGHT_M, PLAIN)
    doubted, (width, height) = doubt_outside(measured, CLOSE, 0.7), CLOSE.size_wh
    for (row, joint), before in np.ndenumerate(measured.inverse_px):
        x, y = measured.xy_px[row, joint]
        way = np.hypot(max(-0.5 - x, 0, x - (width - 0.5)), max(-0.5 - y, 0, y - (height - 0.5)))
        assert np.isclose(1 / doubted.inverse_px[row, joint] ** 2, 1 / before**2 + (0.7 * way) ** 2, rtol=1e-9)
    assert np.array_equal(doubted.inverse_m, measured.inverse_m)


def test_an_unseen_joint_stays_unmeasured_beyond_the_border():
    measured = weigh(seen(truth(TIME), TIME), HEIGHT_M, PLAIN)
    unseen = replace(measured, inverse_px=np.zeros_like(measured.inverse_px))
    assert not doubt_outside(unseen, CLOSE, 2.5).inverse_px.any()
