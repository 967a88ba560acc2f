"""A border drawn through a picture: black beyond it, and the joints there stay known, less surely."""

import numpy as np
import pytest

from posecore.types import Crop, rotation_2d
from tests.test_training_data import make_sample, random_person
from training.augment import AugmentConfig
from training.border import GUESS_SD, GUESS_TRUST, SHOWN, SIDES, cut_off, guessed_crop, random_side
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
@pytest.mark.parametrize("side", SIDES)
def test_what_lies_beyond_the_border_is_black_and_its_joints_are_guesses(side, turn_rad):
    out = 3.0 * rotation_2d(turn_rad) @ side  # a length does not matter
    for seed in range(20):
        person = somebody(seed)
        rgb, cut, beyond_px = cut_off(WHITE, person, out, np.random.default_rng(seed))
        np.testing.assert_array_equal(rgb, 255 * ~beyond_px[..., None].repeat(3, axis=2))
        at = np.round(person.xy_px).astype(int)
        inside, near = ~beyond_px[at[:, 1], at[:, 0]], np.array([beyond_px[y - 2 : y + 3, x - 2 : x + 3].mean() for x, y in at])
        clear = (near == 0) | (near == 1)  # farther from the border than a rounded pixel
        np.testing.assert_array_equal(cut.trust[clear], np.where(inside, 1.0, GUESS_TRUST)[clear])
        np.testing.assert_array_equal(cut.trust_xyz, cut.trust)
        np.testing.assert_array_equal(cut.xy_px, person.xy_px)
        rows, columns = np.nonzero(beyond_px)
        middle = np.array([columns.mean(), rows.mean()]) - (SIZE - 1) / 2
        assert middle @ out > 0.9 * np.linalg.norm(middle) * 3.0  # corners pull it aside by less


def test_borders_lie_where_the_shares_say():
    rng = np.random.default_rng(0)
    drawn = [tuple(random_side(rng)) for _ in range(2000)]
    assert {side: pytest.approx(drawn.count(side) / 2000, abs=0.04) for side in SIDES} == SIDES  # 4 standard deviations


@pytest.mark.parametrize("side", SIDES)
def test_a_crop_is_as_large_as_the_guesses_and_the_end_in_sight_stays_where_it_was(side):
    """Along the border's direction; across it, and in a picture whose camera nobody knows, the crop's centre stays."""
    person, crop, rng = somebody(), Crop(np.array([50.0, 44.0]), 70.0, SIZE, 0.3), np.random.default_rng(0)
    end = (person.xy_px @ side).min()
    guessed = [guessed_crop(crop, person, np.array(side), rng) for _ in range(400)]
    for new in guessed:
        assert (new.centre_px @ side - end) / new.side_px == pytest.approx((crop.centre_px @ side - end) / crop.side_px)
        assert new.centre_px @ np.array(side)[::-1] == pytest.approx(crop.centre_px @ np.array(side)[::-1])
        assert (new.size_px, new.turn_rad) == (SIZE, 0.3)
    growth = np.log([new.side_px / crop.side_px for new in guessed])
    assert growth.std() == pytest.approx(GUESS_SD, rel=0.15)  # 4 standard deviations
    still = guessed_crop(crop, person, np.array(side), rng, in_place=True)
    np.testing.assert_array_equal(still.centre_px, crop.centre_px)
    assert still.side_px != crop.side_px


def test_nobody_s_crop_grows_about_its_centre():
    person, crop = somebody(), Crop(np.array([50.0, 44.0]), 70.0, SIZE)
    person.trust[:] = 0
    np.testing.assert_array_equal(
        guessed_crop(crop, person, np.array([0.0, 1.0]), np.random.default_rng(0)).centre_px, [50, 44]
    )


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
    sample, black, weights = make_sample(random_person(0)), [], []
    plain = make_example(sample, SIZE, None, AugmentConfig())
    for seed in range(12):
        whole, cut = (
            make_example(sample, SIZE, np.random.default_rng(seed), AugmentConfig(**STILL, cut=share)) for share in (0.0, 1.0)
        )
        np.testing.assert_array_equal(whole.person.xy_px, plain.person.xy_px)
        assert whole.other_px is None
        assert cut.other_px is not None
        assert not cut.rgb[cut.other_px].any()
        black.append(cut.other_px.mean())
        target = lift_target(cut.person, SIZE)
        known = lift_target(whole.person, SIZE)["heat_weight"] > 0
        weights.append(target["heat_weight"][known])
        np.testing.assert_array_equal(target["xyz_weight"] < 1, target["heat_weight"] < 1)
    assert np.min(black) > 0.02
    assert set(np.unique(weights)) == {np.float32(GUESS_TRUST), np.float32(1.0)}


def test_the_detector_of_a_shared_run_learns_nothing_in_the_black():
    sample = make_sample(random_person(0))
    lesson = SharedLesson(LiftLesson(easy_samples=0, augment=AugmentConfig(**STILL, cut=1.0)))
    task = SharedTask([sample], [], lesson)
    example = task.example(0, np.random.default_rng(7))
    assert example.other_px is not None
    assert example.other_px.mean() > 0.05
