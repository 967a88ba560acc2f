"""The detector's second look: mirrored maps, and joints that come back in the picture's pixels, person by person."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pose2d.codec import DecodeSettings
from pose2d.second_look import LookSettings, crop_maps, look_again, mirror_maps
from pose2d.targets import encode
from posecore.skeleton import load_skeleton
from posecore.types import Detection2D
from tests.people2d import crowd, upright

SKELETON = load_skeleton("openpose18")
STRIDE = 8
HIPS = ("left_hip", "right_hip")
RADIUS_PX = 5  # no disk covers another's centre in a person of 280 px
COLOUR = np.array([[40 + 80 * (j % 3), 40 + 80 * (j // 3 % 3), 40 + 160 * (j // 9)] for j in range(len(SKELETON))])


def painted(people_xy_px, size_wh):
    """A black picture in which every joint is a disk of its own colour."""
    rgb = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for person in people_xy_px:
        for (x, y), colour in zip(person, COLOUR, strict=True):
            cv2.circle(rgb, (round(x * 16), round(y * 16)), RADIUS_PX * 16, [int(c) for c in colour], -1, shift=4)
    return rgb


def colour_network(rgb):
    """Sees the disks of `painted`; in the second picture of two, the mirror image, a right hand looks like a left one."""
    out = []
    for k, picture in enumerate(rgb):
        near = (np.abs(picture[..., None, :].astype(int) - COLOUR) < 25).all(axis=-1)
        found = [np.argwhere(near[..., j])[:, ::-1] for j in range(len(COLOUR))]  # and a few blended pixels at edges
        xy = np.array([np.median(pixels, axis=0) if len(pixels) else [np.nan] * 2 for pixels in found])
        xy = xy[SKELETON.mirror] if k else xy
        cells = (len(picture) // STRIDE, len(picture) // STRIDE)
        out.append(np.concatenate(encode(xy[None], np.isfinite(xy[None]).all(-1), cells, STRIDE)))
    return np.stack(out)


def blurred(xy_px, off_px, seed=0):
    """A first look's detection: every joint off by some pixels."""
    rng = np.random.default_rng(seed)
    return Detection2D(xy_px + rng.uniform(-off_px, off_px, xy_px.shape), np.full(len(xy_px), 0.4), person_score=0.4)


def test_maps_of_a_mirrored_picture_come_back_as_those_of_the_picture():
    people = crowd(3, (184, 120), 90)
    valid = np.ones(people.shape[:2])
    maps = np.concatenate(encode(people, valid, (15, 23), STRIDE))
    mirrored = np.array([183, 0]) + people * [-1, 1]
    seen = np.concatenate(encode(mirrored[:, SKELETON.mirror], valid, (15, 23), STRIDE))
    np.testing.assert_allclose(mirror_maps(seen), maps, atol=1e-6)  # float32 maps
    np.testing.assert_array_equal(mirror_maps(mirror_maps(maps)), maps)


def test_a_crop_and_its_mirror_image_agree_where_the_network_is_right():
    rgb = painted(upright(100, 50, 110)[None], (192, 192))
    heat, paf = crop_maps(colour_network, rgb)
    straight = colour_network(rgb[None])[0]
    np.testing.assert_allclose(np.concatenate([heat, paf]), straight, atol=0.05)  # a disk's centre is that of its whole pixels


def test_the_second_look_puts_right_what_the_first_one_blurred():
    truth = upright(330, 150, 280)
    (found,) = look_again(colour_network, painted(truth[None], (640, 480)), [blurred(truth, 12)])
    np.testing.assert_allclose(found.xy_px, truth, atol=1.8)  # a pixel of the crop, which the network here sees whole
    assert (found.score > 0.5).all()


@pytest.mark.parametrize("lean_deg", [0.0, 60.0, -100.0, 180.0])
def test_the_network_sees_whoever_leans_upright(lean_deg):
    angle = np.radians(lean_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    truth = (upright(320, 240, 280) - [320, 240]) @ turn.T
    truth += [320, 240] - (truth.min(axis=0) + truth.max(axis=0)) / 2  # in the middle of the picture
    seen_deg = []

    def network(crops):
        out = colour_network(crops)
        where = [np.array(np.unravel_index(out[0, j].argmax(), out.shape[2:])) for j in SKELETON.indices(("neck", *HIPS))]
        up = where[0] - (where[1] + where[2]) / 2
        seen_deg.append(np.degrees(np.arctan2(up[1], -up[0])))
        return out

    (found,) = look_again(network, painted(truth[None], (640, 480)), [blurred(truth, 6)])
    assert seen_deg == [pytest.approx(0, abs=8)]  # the blurred joints tell the lean, and cells where the network sees them
    np.testing.assert_allclose(found.xy_px, truth, atol=2.5)  # 1.5 pixels of a crop in which disks are turned as well


def test_whoever_is_not_seen_again_stays_at_half_the_score():
    first = blurred(upright(330, 150, 280), 5)
    (found,) = look_again(colour_network, np.zeros((480, 640, 3), np.uint8), [first])
    np.testing.assert_array_equal(found.xy_px, first.xy_px)
    np.testing.assert_array_equal(found.score, first.score)
    assert found.person_score == pytest.approx(0.5 * first.person_score)


def test_whoever_was_seen_again_comes_before_who_was_not_however_sure_his_joints():
    lamp, truth = upright(120, 150, 280), upright(480, 150, 280)
    doubtful = Detection2D(lamp, np.ones(18), person_score=1.0)  # no joint of the other will score as much
    found, unseen = look_again(colour_network, painted(truth[None], (640, 480)), [doubtful, blurred(truth, 5)])
    np.testing.assert_array_equal(unseen.xy_px, lamp)
    assert found.score.sum() < unseen.score.sum()
    assert found.person_score > unseen.person_score == 0.5


def test_one_joint_is_nobody_to_look_at_again():
    only = np.arange(18) == 3
    one_joint = Detection2D(np.where(only[:, None], upright(330, 150, 280), np.nan), np.where(only, 0.5, 0.0))
    assert look_again(colour_network, np.zeros((480, 640, 3), np.uint8), [one_joint]) == [one_joint]


def test_somebody_else_in_the_crop_is_not_taken_for_the_person_but_added():
    first, other = blurred(upright(200, 150, 280), 5), upright(290, 150, 280)
    rgb, strict = painted(other[None], (640, 480)), LookSettings(likeness_min=0.9)
    added, found = look_again(colour_network, rgb, [first], look=strict)
    np.testing.assert_array_equal(found.xy_px, first.xy_px)
    np.testing.assert_allclose(added.xy_px, other, atol=1.8)  # as where the second look puts right: he was looked at himself
    assert added.person_score > 0.5 > found.person_score


def test_fragments_and_whoever_is_known_already_are_nobody_new():
    truth = upright(330, 150, 280)
    rgb = painted(truth[None], (640, 480))
    first, strict = blurred(truth + [150, 0], 5), LookSettings(likeness_min=0.9)  # in the crop around whom the person is, too
    assert len(look_again(colour_network, rgb, [blurred(truth, 5), first], look=strict)) == 2
    arm_only = np.where(np.isin(np.arange(18), SKELETON.indices(["left_wrist", "left_elbow", "left_shoulder"])), 1.0, 0.0)

    def fragment(crops):
        maps = colour_network(crops)
        maps[:, :18] *= arm_only[:, None, None]
        return maps

    assert len(look_again(fragment, rgb, [first], look=strict)) == 1


def test_whoever_scores_too_little_beside_another_is_nobody_new():
    truth = upright(330, 150, 280)
    rgb, first = painted(truth[None], (640, 480)), blurred(truth + [150, 0], 5)
    strict, low = LookSettings(likeness_min=0.9), DecodeSettings(heat_threshold=0.05, min_score=0.05)

    def told(height):
        def network(crops):
            maps = colour_network(crops)
            maps[:, :18] *= height
            maps[:, 19:] *= height
            return maps

        return len(look_again(network, rgb, [first], low, strict))

    assert (told(0.13), told(0.5)) == (1, 2)  # all joints and limbs are found both times


def test_a_lower_threshold_of_the_first_look_holds_for_the_second_too():
    truth, wrist = upright(330, 150, 280), SKELETON.joints.index("left_wrist")
    there = np.arange(18) != wrist
    first = blurred(truth, 5)
    first = replace(first, xy_px=np.where(there[:, None], first.xy_px, np.nan), score=first.score * there)

    def shy(rgb):
        maps = colour_network(rgb)
        maps[:, [wrist, SKELETON.mirror[wrist]]] *= 0.1
        return maps

    rgb = painted(truth[None], (640, 480))
    (found,) = look_again(shy, rgb, [first], DecodeSettings(heat_threshold=0.04))
    np.testing.assert_allclose(found.xy_px[wrist], truth[wrist], atol=1.8)
    (found,) = look_again(shy, rgb, [first])
    assert np.isnan(found.xy_px[wrist]).all()


def test_joints_that_only_the_first_look_saw_are_kept():
    truth = upright(330, 150, 280)
    wrist = SKELETON.joints.index("left_wrist")
    rgb = painted(truth[None], (640, 480))
    x, y = np.round(truth[wrist]).astype(int)
    rgb[y - 9 : y + 10, x - 9 : x + 10] = 0
    first = blurred(truth, 5)
    (found,) = look_again(colour_network, rgb, [first])
    np.testing.assert_array_equal(found.xy_px[wrist], first.xy_px[wrist])
    assert found.score[wrist] == pytest.approx(0.4)


def test_joints_found_at_neither_look_are_guessed_where_their_map_is_highest():
    truth = upright(330, 150, 280)
    wrist = SKELETON.joints.index("left_wrist")
    first = blurred(truth, 5)
    first = replace(
        first,
        xy_px=np.where(np.arange(18)[:, None] == wrist, np.nan, first.xy_px),
        score=first.score * (np.arange(18) != wrist),
    )

    def shy(rgb):
        maps = colour_network(rgb)
        maps[:, [wrist, SKELETON.mirror[wrist]]] *= [
            [[[0.1]], [[1.0]]],
            [[[1.0]], [[0.1]]],
        ]  # of the mirror image, the other hand
        return maps

    (found,) = look_again(shy, painted(truth[None], (640, 480)), [first])
    assert np.isnan(found.xy_px[wrist]).all()
    assert found.score[wrist] == 0
    np.testing.assert_allclose(found.whole_xy_px, truth, atol=1.8)  # as where the second look puts right
    np.testing.assert_array_equal(np.delete(found.whole_xy_px, wrist, 0), np.delete(found.xy_px, wrist, 0))


def test_two_looks_that_end_at_one_person_give_one():
    truth = upright(330, 150, 280)
    people = look_again(colour_network, painted(truth[None], (640, 480)), [blurred(truth, 8, 1), blurred(truth, 8, 2)])
    assert len(people) == 1
