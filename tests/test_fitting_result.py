"""Where a fitted joint is said to come from: what lies beyond the picture is no measurement."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.settings import FitSettings
from fitting.solve import fit_clip
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
