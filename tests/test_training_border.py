"""A border drawn through a picture: black beyond it, and the joints there stay known, less surely."""

import numpy as np
import pytest

from tests.test_training_data import make_sample, random_person
from training.augment import AugmentConfig
from training.border import GUESS_TRUST, SHOWN, SIDES, cut_off
from training.lift_data import lift_target, make_example
from training.lift_task import LiftLesson
from training.samples import LABELS, PersonLabel, single
from training.shared import SharedLesson, SharedTask

SIZE = 96
WHITE = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
STILL = {"rotation_sd_deg": 0.0, "upside_down": 0.0, "scale_sd": 0.0, "shift_sd": 0.0, "flip": 0.0, "colour": 0.0}
STILL |= {"degrade": 0.0, "occlude": 0.0}


def somebody(seed: int = 0) -> PersonLabel:
    """All joints known, anywhere in the middle of the crop."""
    rng, ones = np.random.default_rng(seed), np.ones(len(LABELS), dtype=np.float32)
    xy = rng.uniform(20, 76, (len(LABELS), 2))
    box = single([*xy.min(axis=0), *xy.max(axis=0)])
    return PersonLabel(single(xy), ones, single(rng.normal(size=(len(LABELS), 3))), ones, box)


@pytest.mark.parametrize("turn_rad", [0.0, 0.6, -2.0])
def test_what_lies_beyond_the_border_is_black_and_its_joints_are_guesses(turn_rad):
    down = 3.0 * np.array([-np.sin(turn_rad), np.cos(turn_rad)])  # a scale does not matter
    borders = set()
    for seed in range(60):
        person = somebody(seed)
        rgb, cut, beyond_px = cut_off(WHITE, person, down, np.random.default_rng(seed))
        np.testing.assert_array_equal(rgb, 255 * ~beyond_px[..., None].repeat(3, axis=2))
        at = np.round(person.xy_px).astype(int)
        inside, near = ~beyond_px[at[:, 1], at[:, 0]], np.array([beyond_px[y - 2 : y + 3, x - 2 : x + 3].mean() for x, y in at])
        clear = (near == 0) | (near == 1)  # farther from the border than a rounded pixel
        np.testing.assert_array_equal(cut.trust[clear], np.where(inside, 1.0, GUESS_TRUST)[clear])
        np.testing.assert_array_equal(cut.trust_xyz, cut.trust)
        np.testing.assert_array_equal(cut.xy_px, person.xy_px)
        rows, columns = np.nonzero(beyond_px)
        out = np.array([columns.mean(), rows.mean()]) - (SIZE - 1) / 2
        turned = np.array([[np.cos(turn_rad), np.sin(turn_rad)], [-np.sin(turn_rad), np.cos(turn_rad)]]) @ out
        borders.add(max(SIDES, key=lambda side: float(np.dot(side, turned))))
    assert borders == set(SIDES)


def test_a_part_of_the_person_stays_in_the_picture():
    for seed in range(40):
        person = somebody(seed)
        _, cut, _ = cut_off(WHITE, person, [0.0, 1.0], np.random.default_rng(seed))
        assert 0 < (cut.trust == 1).sum() < len(LABELS)
    assert 0 < SHOWN[0] < SHOWN[1] < 1


def test_unknown_joints_stay_unknown_and_nobody_of_one_joint_is_cut():
    person = somebody()
    person.trust[3], person.trust_xyz[5] = 0.0, 0.0
    _, cut, _ = cut_off(WHITE, person, [0.0, 1.0], np.random.default_rng(0))
    assert cut.trust[3] == 0
    assert cut.trust_xyz[5] == 0
    person.trust[1:] = 0.0
    rgb, same, beyond_px = cut_off(WHITE, person, [0.0, 1.0], np.random.default_rng(0))
    assert rgb is WHITE
    assert same is person
    assert not beyond_px.any()


def test_the_setting_reaches_the_crops_and_their_targets():
    """Joints in the black are taught their places in 2D and in 3D, half as surely; without the setting nothing changes."""
    sample = make_sample(random_person(0))
    whole, cut = (
        make_example(sample, SIZE, np.random.default_rng(7), AugmentConfig(**STILL, cut=share)) for share in (0.0, 1.0)
    )
    assert (cut.rgb == 0).all(axis=2).mean() > (whole.rgb == 0).all(axis=2).mean() + 0.02
    weight, before = (lift_target(example.person, SIZE)["heat_weight"] for example in (cut, whole))
    assert (weight[before > 0] > 0).all()
    assert (weight < before).any()
    np.testing.assert_array_equal(cut.person.xy_px, whole.person.xy_px)
    assert cut.other_px is not None


def test_the_detector_of_a_shared_run_learns_nothing_in_the_black():
    sample = make_sample(random_person(0))
    lesson = SharedLesson(LiftLesson(easy_samples=0, augment=AugmentConfig(**STILL, cut=1.0)))
    task = SharedTask([sample], [], lesson)
    example = task.example(0, np.random.default_rng(7))
    assert example.other_px is not None
    assert example.other_px.mean() > 0.05
