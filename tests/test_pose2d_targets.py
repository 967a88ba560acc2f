import time

import numpy as np
import pytest

from pose2d.targets import LIMBS, TargetSettings, encode, known_channels, trainable
from posecore.errors import InputError
from posecore.skeleton import load_skeleton
from tests import reference
from tests.people2d import crowd, upright

SKELETON = load_skeleton("openpose18")


def some_people(seed, people=3, size=160):
    rng = np.random.default_rng(seed)
    return rng.uniform(-20, size + 20, (people, 18, 2)), rng.random((people, 18)) < 0.7


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("cells_hw", "stride"), [((20, 20), 8), ((9, 31), 4)])
def test_targets_equal_their_slow_twin(seed, cells_hw, stride):
    xy_px, valid = some_people(seed)
    xy_px[0, 5] = xy_px[0, 6]  # a limb without length has no direction
    settings = TargetSettings(limb_half_width_cells=1.3)
    for fast, slow in zip(
        encode(xy_px, valid, cells_hw, stride, settings),
        reference.encode(xy_px, valid, cells_hw, stride, settings),
        strict=True,
    ):
        assert fast.dtype == np.float32
        np.testing.assert_allclose(fast, slow, atol=2e-6)


def test_a_joint_on_a_cell_centre_peaks_there():
    xy_px = np.full((1, 18, 2), (5 * 8 + 3.5, 2 * 8 + 3.5))
    heat, _ = encode(xy_px, np.ones((1, 18)), (10, 12), 8)
    assert heat[0, 2, 5] == 1
    assert heat[0, 2, 6] == pytest.approx(np.exp(-0.5 * (8 / 7) ** 2), abs=1e-6)
    assert (heat[0] > 0).sum() < 30


def test_two_close_people_stay_two_peaks_and_their_fields_are_averaged():
    near = np.stack([upright(60, 40, 100), upright(76, 40, 100)])
    heat, paf = encode(near, np.ones((2, 18)), (20, 20), 8)
    assert heat[:-1].max() <= 1
    np.testing.assert_allclose(heat[-1], 1 - heat[:-1].max(axis=0))
    assert np.linalg.norm(paf.reshape(19, 2, 20, 20), axis=1).max() <= 1 + 1e-6


def test_nobody_is_all_background():
    heat, paf = encode(np.zeros((0, 18, 2)), np.zeros((0, 18)), (6, 7), 8)
    assert (heat[-1] == 1).all()
    assert not heat[:-1].any()
    assert not paf.any()


def test_mirrored_people_give_mirrored_targets():
    xy_px, valid = some_people(7)
    heat, paf = encode(xy_px, valid, (20, 20), 8)
    mirror, flipped = SKELETON.mirror, xy_px[:, SKELETON.mirror] * (-1, 1) + (159, 0)
    heat2, paf2 = encode(flipped, valid[:, mirror], (20, 20), 8)
    np.testing.assert_allclose(heat2[:-1], heat[mirror][..., ::-1], atol=1e-6)
    limb_mirror = [SKELETON.limbs.index((mirror[a], mirror[b])) for a, b in LIMBS]
    turned = paf.reshape(19, 2, 20, 20)[limb_mirror][..., ::-1] * np.array([-1, 1])[:, None, None]
    np.testing.assert_allclose(paf2.reshape(19, 2, 20, 20), turned, atol=1e-6)


def test_the_shortest_limb_still_covers_a_cell():
    rng = np.random.default_rng(3)
    for start in rng.uniform(20, 60, (50, 2)):
        xy_px = np.tile(start, (1, 18, 1)) + rng.uniform(-1, 1, (1, 18, 2))
        _, paf = encode(xy_px, np.ones((1, 18)), (10, 10), 8)
        assert (np.abs(paf.reshape(19, 2, -1)).sum(axis=1).max(axis=1) > 0.99).all()


@pytest.mark.parametrize("seed", range(4))
def test_known_channels_equal_their_slow_twin(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 100, (2, 2))
    box = np.concatenate([corner, corner + rng.uniform(10, 50, (2, 2))], axis=1)
    ignored = np.zeros((80, 120), dtype=bool)
    ignored[30:33, 17:60] = True
    crowd_box = np.array([[70.0, 5.0, 90.0, 11.0]])
    valid = rng.random((2, 18)) < 0.8
    settings = TargetSettings()
    fast = known_channels(box, valid, (10, 15), 8, ignored, crowd_box, settings)
    slow = reference.known_channels(box, valid, (10, 15), 8, ignored, crowd_box, settings)
    np.testing.assert_array_equal(fast[0], slow[0])
    np.testing.assert_array_equal(fast[1], slow[1])


def test_an_unlabelled_joint_is_unknown_in_its_box_only():
    valid = np.ones((1, 18), dtype=bool)
    wrist = SKELETON.index("left_wrist")
    valid[0, wrist] = False
    heat, paf = known_channels([[16.0, 16.0, 40.0, 40.0]], valid, (10, 10), 8)
    assert not heat[wrist, 3, 3]
    assert not heat[-1, 3, 3]
    assert heat[wrist, 9, 9]
    assert heat[[j for j in range(18) if j != wrist]].all()
    forearm = SKELETON.limbs.index((SKELETON.index("left_elbow"), wrist))
    unknown = np.flatnonzero(~paf[:, 3, 3])
    assert list(unknown) == [2 * forearm, 2 * forearm + 1]


def test_fully_labelled_people_leave_everything_known():
    heat, paf = known_channels([[16.0, 16.0, 40.0, 40.0]], np.ones((1, 18)), (10, 10), 8)
    assert heat.all()
    assert paf.all()
    heat, paf = known_channels(np.zeros((0, 4)), np.zeros((0, 18)), (10, 10), 8)
    assert heat.all()
    assert paf.all()


def test_small_or_barely_labelled_people_are_not_learnt():
    valid = np.zeros((3, 18), dtype=bool)
    valid[:, :5] = True
    valid[2, 0] = False
    assert list(trainable([1023.0, 1024.0, 9999.0], valid)) == [False, True, False]


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="18"):
        encode(np.zeros((1, 17, 2)), np.ones((1, 17)), (4, 4), 8)
    with pytest.raises(InputError, match="unlabelled"):
        encode(np.full((1, 18, 2), np.nan), np.ones((1, 18)), (4, 4), 8)
    with pytest.raises(InputError, match="boxes"):
        known_channels([[0, 0, np.nan, 3]], np.ones((1, 18)), (4, 4), 8)
    with pytest.raises(InputError, match="pixels"):
        known_channels(np.zeros((0, 4)), np.zeros((0, 18)), (4, 4), 8, np.zeros((4, 4), dtype=bool))


def test_three_people_are_encoded_within_milliseconds():
    xy_px, valid = crowd(3, (368, 368), 200), np.ones((3, 18))
    times = []
    for _ in range(15):
        start = time.process_time()
        encode(xy_px, valid, (46, 46), 8)
        times.append(time.process_time() - start)
    assert min(times) < 6e-3  # budget 3 ms; doubled for slow machines
