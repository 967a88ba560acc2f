import time

import numpy as np
import pytest

from pose2d.assemble import Connections, assemble
from pose2d.codec import DecodeSettings, decode, likeliest_px, limb_scores
from pose2d.targets import encode
from posecore.errors import InputError
from posecore.skeleton import load_skeleton
from tests import reference
from tests.people2d import crowd, upright

SKELETON = load_skeleton("openpose18")


def round_trip(people_xy_px, cells_hw, stride=8, valid=None):
    """The decoded people, each beside the person it must be, by the place of all joints."""
    people = np.asarray(people_xy_px)
    valid = np.ones(people.shape[:2], dtype=bool) if valid is None else valid
    found = decode(*encode(people, valid, cells_hw, stride), stride)
    assert len(found) == len(people)
    distance = [[np.nanmean(np.linalg.norm(d.xy_px - p, axis=1)) for d in found] for p in people]
    return [found[i] for i in np.argmin(distance, axis=1)]


def assert_same(detections, people_xy_px, atol_px=0.1):
    for detection, xy_px in zip(detections, people_xy_px, strict=True):
        np.testing.assert_allclose(detection.xy_px, xy_px, atol=atol_px)


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize("seed", range(6))
def test_people_come_back_within_a_tenth_of_a_pixel(seed, stride):
    people = crowd(3, (640, 368), 260, seed)
    found = round_trip(people, (368 // stride, 640 // stride), stride)
    assert_same(found, people)
    assert min(d.score.min() for d in found) > 0.99
    assert min(d.person_score for d in found) > 0.9


def test_every_direction_of_a_limb_comes_back():
    for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        person = (upright(0, 0, 160) @ turn.T + 184)[None]
        assert_same(round_trip(person, (46, 46)), person)


def test_maps_wider_than_127_cells():
    people = np.stack([upright(x, 60, 260) for x in (70.3, 700.8, 1210.4)])
    assert_same(round_trip(people, (46, 160)), people)


def test_different_joints_of_two_people_on_one_cell_stay_apart():
    people = np.stack([upright(120, 60, 240), upright(200, 60, 240)])
    people[0, SKELETON.index("left_wrist")] = people[1, SKELETON.index("right_knee")] = (161.5, 203.5)
    assert_same(round_trip(people, (46, 46)), people)


def test_two_peaks_of_one_joint_are_two_people():
    people = np.stack([upright(100, 60, 200), upright(130.2, 63.1, 200)])
    found = round_trip(people, (40, 40))
    for joint in ("nose", "left_knee"):
        j = SKELETON.index(joint)
        np.testing.assert_allclose([d.xy_px[j] for d in found], people[:, j], atol=0.2)


def test_a_person_at_the_border_is_as_exact():
    person = upright(100, 60, 230)
    person += (-0.3, 319.2) - np.array([person[:, 0].min(), person[:, 1].max()])
    assert_same(round_trip(person[None], (40, 40)), person[None])


def test_a_person_half_outside_keeps_its_joints_inside():
    person = upright(20, 80, 240)
    inside = (person > -0.5).all(axis=1)
    assert 8 < inside.sum() < 18
    (found,) = round_trip(person[None], (46, 46), valid=inside[None])
    np.testing.assert_allclose(found.xy_px, np.where(inside[:, None], person, np.nan), atol=0.1)


@pytest.mark.parametrize("x_px", [0.0, 2.0, 5.0])
def test_the_likeliest_place_at_the_border_is_exact_too(x_px):
    """There the width of the Gaussian, in cells, says what the neighbour beyond the border would."""
    person = upright(100, 60, 180)
    person[4] = [x_px, 1.5]
    heat, _ = encode(person[None], np.ones((1, 18)), (30, 30), 8)
    np.testing.assert_allclose(likeliest_px(heat, 8), person, atol=0.1)


def test_crossing_forearms_are_not_exchanged():
    people = np.stack([upright(110, 60, 240), upright(230, 60, 240)])
    elbow, wrist = SKELETON.indices(["left_elbow", "left_wrist"])
    right_elbow, right_wrist = SKELETON.indices(["right_elbow", "right_wrist"])
    people[0, [elbow, wrist]] = (150, 130), (200, 180)
    people[1, [elbow, wrist]] = (200, 130), (150, 180)
    people[0, [right_elbow, right_wrist]] = (60, 120), (60, 180)
    people[1, [right_elbow, right_wrist]] = (260, 120), (260, 180)
    assert_same(round_trip(people, (46, 46)), people)


@pytest.mark.parametrize("seed", range(6))
def test_decoding_equals_its_slow_twin_on_noisy_maps(seed):
    rng = np.random.default_rng(seed)
    people, valid = crowd(4, (330, 240), 150, seed), rng.random((4, 18)) < 0.9
    heat, paf = encode(people, valid, (30, 41), 8)
    heat = heat + rng.normal(0, 0.12, heat.shape)
    paf = paf * rng.uniform(0.5, 1, (38, 1, 1)) + rng.normal(0, 0.15, paf.shape)
    settings = DecodeSettings(nms_radius_cells=1 + seed % 2, samples=10 + seed, min_joints=2, max_peaks=4 + 9 * (seed % 2))
    fast, slow = decode(heat, paf, 8, settings), reference.decode(heat, paf, 8, settings)
    assert len(fast) == len(slow) > 2
    for detection, (joints, person_score) in zip(fast, slow, strict=True):
        assert set(np.flatnonzero(detection.score)) == set(joints)
        np.testing.assert_allclose(detection.xy_px[list(joints)], list(joints.values()), atol=1e-6)
        assert detection.person_score == pytest.approx(person_score, abs=1e-9)


def test_moving_the_maps_by_a_cell_moves_the_people_by_the_stride():
    heat, paf = encode(crowd(2, (300, 300), 160), np.ones((2, 18)), (40, 40), 8)
    first = decode(heat, paf, 8)
    moved = decode(np.roll(heat, (1, 2), axis=(1, 2)), np.roll(paf, (1, 2), axis=(1, 2)), 8)
    assert_same(moved, [d.xy_px + np.array([16, 8]) for d in first], 1e-6)


def connections(*limbs):
    """Limbs given as (first joint, second joint, number of the first peak, of the second, score)."""
    names = [(SKELETON.index(a), SKELETON.index(b)) for a, b, *_ in limbs]
    limb = np.array([SKELETON.limbs.index(pair) for pair in names])
    return Connections(limb, *(np.array([row[i] for row in limbs]) for i in (2, 3, 4)))


def test_merging_two_part_people_keeps_the_limbs_of_both():
    found = connections(
        ("right_shoulder", "right_elbow", 1, 2, 0.9),
        ("neck", "right_shoulder", 0, 1, 0.8),
        ("right_hip", "right_knee", 3, 4, 0.7),
        ("right_knee", "right_ankle", 4, 5, 0.6),
        ("neck", "right_hip", 0, 3, 0.5),
    )
    (person,) = assemble(found)
    assert set(person.peak_of_joint.values()) == {0, 1, 2, 3, 4, 5}
    assert person.score_of_limb == dict(zip(found.limb.tolist(), found.score.tolist(), strict=True))


def test_a_limb_that_contradicts_surer_ones_is_dropped():
    found = connections(
        ("neck", "right_hip", 0, 1, 0.9),
        ("neck", "left_hip", 2, 3, 0.8),
        ("right_hip", "right_knee", 1, 4, 0.7),
        ("left_hip", "left_knee", 3, 5, 0.7),
        ("neck", "right_shoulder", 0, 6, 0.6),
        ("right_shoulder", "right_elbow", 7, 8, 0.55),
        ("neck", "right_shoulder", 2, 7, 0.5),
        ("right_shoulder", "right_ear", 6, 9, 0.4),
        ("right_eye", "right_ear", 10, 9, 0.3),
        ("nose", "right_eye", 11, 10, 0.3),
        ("neck", "nose", 2, 11, 0.2),  # this face already belongs to the other neck
    )
    people = assemble(found)
    assert sorted(sorted(p.peak_of_joint.values()) for p in people) == [[0, 1, 4, 6, 9, 10, 11], [2, 3, 5, 7, 8]]
    assert all(len(p.score_of_limb) == len(p.peak_of_joint) - 1 for p in people)


def field_of(vector, cells_hw=(20, 30)):
    paf = np.zeros((38, *cells_hw))
    paf[0::2], paf[1::2] = vector[0], vector[1]
    return paf


def test_limb_score_is_the_cosine_to_the_field_with_a_penalty_for_length():
    start, end = np.array([[2.0, 3.0], [2.0, 3.0], [3.0, 3.0]]), np.array([[6.0, 3.0], [22.0, 3.0], [3.0, 7.0]])
    score = limb_scores(field_of((0.8, 0.6)), np.zeros(3, dtype=np.int64), start, end)
    np.testing.assert_allclose(score, [0.8, 0.8 + 0.5 * 20 / 20 - 1, 0.6])
    assert limb_scores(field_of((0.8, 0.6)), np.zeros(1, dtype=np.int64), end[:1], start[:1])[0] == 0


def test_four_fifths_of_the_points_must_agree():
    paf = field_of((1.0, 0.0))
    start, end = np.array([[0.0, 5.0]]), np.array([[9.0, 5.0]])
    for silent_cells, accepted in ((2, True), (3, False)):
        paf[:, :, :silent_cells] = 0
        assert (limb_scores(paf, np.zeros(1, dtype=np.int64), start, end)[0] > 0) == accepted


def test_fragments_and_faint_people_are_dropped():
    person = upright(100, 60, 200)[None]
    few = np.zeros((1, 18), dtype=bool)
    few[0, [0, 1]] = True
    assert decode(*encode(person, few, (40, 40), 8), 8) == []
    heat, paf = encode(person, np.ones((1, 18)), (40, 40), 8)
    assert decode(heat, paf * 0.06, 8, DecodeSettings(min_score=0.6)) == []
    assert decode(np.zeros((19, 1, 1)), np.zeros((38, 1, 1)), 8) == []


def test_noise_does_not_take_for_ever():
    heat, paf = np.random.default_rng(0).random((2, 57, 46, 82), dtype=np.float32)[:, :38]
    start = time.process_time()
    decode(heat[:19], paf, 8)
    assert time.process_time() - start < 2


def test_maps_of_a_wrong_shape_are_refused():
    with pytest.raises(InputError, match="19"):
        decode(np.zeros((18, 4, 4)), np.zeros((38, 4, 4)), 8)
    with pytest.raises(InputError, match="38"):
        decode(np.zeros((19, 4, 4)), np.zeros((38, 4, 5)), 8)
