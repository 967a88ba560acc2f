"""How often error bars hold, by direction, against a truth."""

from dataclasses import replace

import numpy as np
import pytest

from apps.evaluate_pose2sim import LIMBS, score_bars
from tests.test_evaluate import motion_at


def limbs_of(xyz_m):
    return xyz_m[:, LIMBS]


def test_intervals_hold_what_a_normal_distribution_of_their_width_says():
    rng = np.random.default_rng(0)
    xyz = rng.normal(size=(4000, 21, 3))
    sigma = rng.uniform(0.01, 0.1, (4000, 21, 2))
    off = sigma[..., [0, 0, 1]] * rng.normal(size=xyz.shape) * [1, 1, 2]  # in depth twice as far off as the bars say
    motion = replace(motion_at(xyz + off, np.zeros((4000, 21, 2))), sigma_m=sigma)
    found = score_bars(motion, limbs_of(xyz))
    expected = {50: 26.4, 80: 47.8, 95: 67.3}  # of a normal distribution within half as many standard deviations
    for percent, depth in expected.items():
        assert found[f"inside_{percent}_plane"] == pytest.approx(percent, abs=0.6)
        assert found[f"inside_{percent}_depth"] == pytest.approx(depth, abs=0.8)


def test_frames_without_a_place_are_left_out():
    xyz = np.zeros((6, 21, 3))
    motion = replace(motion_at(xyz, np.zeros((6, 21, 2))), sigma_m=np.full((6, 21, 2), 0.01))
    motion.xyz_m[4:] = np.nan
    assert set(score_bars(motion, limbs_of(xyz)).values()) == {100.0}
    assert score_bars(motion, limbs_of(xyz) + [0.0, 0.0, 1.0])["inside_95_depth"] == 0
