"""Colours of clothes, and what they decide for the tracker."""

import cv2
import numpy as np
import pytest

from pose2d.appearance import OTHER, SAME, WORST, blend_looks, look_log_odds, look_of
from pose2d.tracker import Tracker, TrackerSettings
from posecore.skeleton import load_skeleton
from posecore.types import Detection2D
from tests.people2d import upright

SKELETON = load_skeleton("openpose18")
RED, BLUE, GREY = (200, 30, 30), (40, 60, 200), (120, 120, 120)


def picture(people):
    """People of one colour each, drawn as their bones on grey: (rgb, joints)."""
    rgb = np.full((240, 640, 3), GREY, np.uint8)
    for xy_px, colour in people:
        corners = np.int32(np.round(xy_px[SKELETON.indices(["left_shoulder", "right_shoulder", "right_hip", "left_hip"])]))
        cv2.fillPoly(rgb, [corners], colour)
        for a, b in SKELETON.limbs:
            cv2.line(rgb, np.int32(np.round(xy_px[a])).tolist(), np.int32(np.round(xy_px[b])).tolist(), colour, 5)
    return rgb


def lab(colour):
    return cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]


def test_a_look_is_the_colour_of_the_parts_that_are_seen():
    person = upright(300, 60, 180)
    rgb = picture([(person, RED)])
    np.testing.assert_allclose(look_of(rgb, person), np.tile(lab(RED), (3, 1)), atol=1)
    hidden = person.copy()
    hidden[SKELETON.indices(["left_knee", "right_knee"])] = np.nan
    assert np.isnan(look_of(rgb, hidden)).tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert np.isnan(look_of(rgb, person + 5000)).all()


def test_a_look_keeps_clear_of_the_joints():
    """Thighs dark above, bright below and dark again near the knee, where a shoe may be: the median is the middle."""
    person = upright(300, 60, 180)
    hip, knee = person[SKELETON.indices(["left_hip", "left_knee"]), 1]
    share = (np.arange(240) - hip) / (knee - hip)
    row = np.select([share < 0.44, share < 0.56, share < 0.9], [40, 120, 200], 40).astype(np.uint8)
    look = look_of(np.tile(row[:, None, None], (1, 640, 3)), person)
    np.testing.assert_allclose(look[1], lab((120, 120, 120)), atol=1)


@pytest.mark.parametrize("flip", [False, True])
def test_a_look_turns_with_the_picture(flip):
    person = upright(300, 60, 180)
    rgb = picture([(person, RED)])
    rgb[:, :300] //= 2  # one half in the shade
    mirrored = person[SKELETON.mirror] * (-1, 1) + (639, 0)
    there = look_of(rgb[:, ::-1], mirrored if flip else mirrored[SKELETON.mirror])
    np.testing.assert_allclose(there, look_of(rgb, person), atol=1e-4)


def test_odds_are_the_ratio_of_two_gaussians():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 8, (2, 3, 3))
    b[1] = np.nan

    def density(difference, sigma):
        return np.exp(-0.5 * (difference / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)

    ratio = [np.log(density(a[k] - b[k], SAME) / density(a[k] - b[k], OTHER)).sum() for k in (0, 2)]
    assert look_log_odds(a, b) == pytest.approx(max(np.mean(ratio), WORST))
    assert look_log_odds(a, a) > 2
    assert look_log_odds(a, a + 200) == WORST
    assert look_log_odds(a, np.full((3, 3), np.nan)) == 0
    assert look_log_odds(a[None, None], np.stack([a, b])).shape == (1, 2)


def test_a_remembered_look_follows_slowly_and_fills_its_gaps():
    known, seen = np.full((3, 3), 10.0), np.full((3, 3), 20.0)
    known[0], seen[1] = np.nan, np.nan
    np.testing.assert_allclose(blend_looks(known, seen, 0.2), [[20] * 3, [10] * 3, [12] * 3])
    np.testing.assert_array_equal(blend_looks(known, seen), blend_looks(known, seen, 0.2))  # slowly, if nothing is said


def seen(xy_px):
    return Detection2D(xy_px, np.ones(18))


def after_the_wall(settings, apart_px=90):
    """Numbers of red and blue, who walked towards each other, vanished for a second and turned back behind a wall."""
    tracker = Tracker(settings)
    for t in np.arange(0, 1, 0.1):
        red, blue = upright(150 + 100 * t, 60, 180), upright(450 - 100 * t, 60, 180)
        tracker.update(t, [seen(red), seen(blue)], picture([(red, RED), (blue, BLUE)]))
    red, blue = upright(300 - apart_px / 2, 60, 180), upright(300 + apart_px / 2, 60, 180)
    return tracker.update(2.0, [seen(red), seen(blue)], picture([(red, RED), (blue, BLUE)]))


def test_clothes_tell_who_turned_back_from_who_walked_on():
    assert after_the_wall(TrackerSettings(appearance=0.0)) == [2, 1]  # places alone: both walked on
    assert after_the_wall(TrackerSettings(appearance=1.0)) == [1, 2]


def test_clothes_do_not_count_where_two_stand_close():
    assert after_the_wall(TrackerSettings(appearance=1.0), apart_px=70) == [1, 2]
    assert after_the_wall(TrackerSettings(appearance=1.0), apart_px=50) == [2, 1]  # by places, as if nothing had been seen
    assert after_the_wall(TrackerSettings(appearance=0.0), apart_px=50) == [2, 1]


def test_clothes_do_not_part_who_is_plainly_there():
    """Lights go out: the same people in the same place keep their numbers."""
    tracker = Tracker(TrackerSettings(appearance=1.0))
    red, blue = upright(150, 60, 180), upright(450, 60, 180)
    rgb = picture([(red, RED), (blue, BLUE)])
    assert tracker.update(0.0, [seen(red), seen(blue)], rgb) == [1, 2]
    assert tracker.update(0.1, [seen(blue), seen(red)], rgb // 6) == [2, 1]


def test_without_pictures_or_weight_nothing_changes():
    person = upright(150, 60, 180)
    for settings, rgb in ((TrackerSettings(appearance=1.0), None), (TrackerSettings(appearance=0.0), picture([(person, RED)]))):
        tracker = Tracker(settings)
        assert tracker.update(0.0, [seen(person)], rgb) == [1]
        assert tracker.update(0.1, [seen(person)], rgb) == [1]
        assert not tracker._look_of


@pytest.mark.parametrize(("apart_px", "remembered"), [(40, False), (300, True)])
def test_clothes_seen_beside_another_are_not_remembered(apart_px, remembered):
    """Whoever stands before somebody shows his own clothes in the other's place."""
    tracker = Tracker(TrackerSettings(appearance=1.0))
    red, blue = upright(150, 60, 180), upright(150 + apart_px, 60, 180)
    assert tracker.update(0.0, [seen(red), seen(blue)], picture([(red, RED), (blue, BLUE)])) == [1, 2]
    first = tracker._look_of[1].copy()
    assert tracker.update(0.1, [seen(red), seen(blue)], picture([(red, BLUE), (blue, BLUE)])) == [1, 2]
    assert np.allclose(tracker._look_of[1], first) != remembered
