import numpy as np
import pytest

from pose2d.merge import SAME_OKS, likeness, merge_people
from posecore.oks import oks_sigma
from posecore.skeleton import load_skeleton
from posecore.types import Detection2D


def person(shift=0.0, size=1.0, score=0.5, missing=0):
    xy = np.random.default_rng(0).uniform(100, 200, (18, 2)) * size + shift
    scores = np.full(18, score)
    xy[:missing], scores[:missing] = np.nan, 0
    return Detection2D(xy, scores)


def test_a_person_seen_twice_is_kept_once_the_surer_one():
    sure, weak = person(score=0.8), person(shift=2.0, score=0.4)
    assert merge_people([weak, sure]) == [sure]


def test_half_a_person_is_the_same_as_the_whole():
    whole, half = person(), person(shift=1.0, missing=9)
    assert merge_people([half, whole]) == [whole]


def test_people_side_by_side_stay_two_best_first():
    left, right = person(score=0.5), person(shift=120.0, score=0.7)
    assert merge_people([left, right]) == [right, left]


def test_a_small_person_in_front_of_a_large_one_stays():
    large, small = person(), person(shift=90.0, size=0.3)
    assert len(merge_people([large, small])) == 2


def test_the_same_box_is_the_same_person_however_unlike_the_joints():
    one = person()
    other = Detection2D(one.xy_px[::-1], np.full(18, 0.4))
    assert likeness(other, one)[0] < SAME_OKS
    assert merge_people([other, one]) == [one]


def test_likeness_is_that_of_coco_for_an_area_of_about_half_the_box():
    one, other = person(), person(shift=14.0)
    sigma, area = oks_sigma(load_skeleton("openpose18")), 0.53 * np.prod(np.ptp(other.xy_px, axis=0))
    expected = np.mean(np.exp(-(2 * 14.0**2) / (2 * area * (2 * sigma) ** 2)))
    assert likeness(one, other)[0] == pytest.approx(expected, rel=1e-12)
    assert len(merge_people([one, other])) == 2  # 14 px either way of 100: two who stand close


def test_nobody_is_nobody():
    assert merge_people([]) == []
