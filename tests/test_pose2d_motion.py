"""How sure a person's place in the picture is after a look at some of the joints."""

import numpy as np
import pytest

from pose2d.motion import BodyMotion, MotionSettings
from tests.people2d import upright

SEEN_AT_FIRST = upright(100.0, 80.0, 260.0)


def place_sigma_px(joints: int | None) -> tuple[float, float]:
    """Standard deviation of the place after a second look, at the same moment, at the first so many joints; the size."""
    motion = BodyMotion(1.0, SEEN_AT_FIRST, MotionSettings())
    if joints is not None:
        xy_px = SEEN_AT_FIRST + 2.0
        xy_px[joints:] = np.nan
        motion.correct(1.0, xy_px)
    return motion.predict(1.0)[1], motion.size_px


@pytest.mark.parametrize("joints", [18, 9, 6, 2])
def test_a_place_told_by_few_joints_is_that_much_less_sure(joints):
    """Certainties add up: 1 / P' = 1 / P + 1 / R, with the standard deviation of R inverse to the share of joints seen."""
    before_px, size_px = place_sigma_px(None)
    measured_px = MotionSettings().place_sigma * size_px * 18 / joints
    after_px, _ = place_sigma_px(joints)
    assert 1 / after_px**2 == pytest.approx(1 / before_px**2 + 1 / measured_px**2, rel=1e-9)
