import gzip
import io
import json
import tarfile
from dataclasses import replace

import cv2
import numpy as np
import pytest

from posecore.errors import InputError
from posecore.skeleton import halves, load_skeleton
from posecore.types import Crop
from training import cutouts, people
from training.augment import AugmentConfig, change_colours, change_picture, move_person, similarity, warp
from training.lift_data import lift_target, make_example, person_crop
from training.lift_eval import LIMBS, OTHERS, evaluate_lift
from training.people import load_people
from training.pose_data import pose_target
from training.samples import LABELS, PersonLabel, Sample, to_openpose18
from training.scenes import SceneConfig, SceneMaker, SceneShares


def random_person(seed=0, size=200.0):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0.2 * size, 0.8 * size, (26, 2)).astype(np.float32)
    xyz = rng.normal(size=(26, 3)).astype(np.float32)
    xyz -= xyz[LABELS.root]
    ones = np.ones(26, np.float32)
    return PersonLabel(xy, ones, xyz, ones, np.concatenate([xy.min(0), xy.max(0)]))


def make_sample(person, size=200, **more):
    rgb = np.random.default_rng(9).integers(0, 255, (size, size, 3), dtype=np.uint8)
    return Sample("made up", "ccp", (size, size), (person,), lambda: rgb, **more)


@pytest.mark.parametrize("flip", [False, True])
def test_an_orthographic_picture_and_its_labels_move_together(flip):
    # xy is the orthographic view of xyz; after any turn and mirroring it still is, up to the crop's scale and place.
    person = random_person()
    person = PersonLabel(100 + 50 * person.xyz_m[:, :2], person.trust, person.xyz_m, person.trust_xyz, person.box_xyxy_px)
    crop = Crop(np.array([90.0, 110.0]), 150.0, 96)
    moved = move_person(person, similarity(crop, 0.7, flip), 0.7, flip)
    root = moved.xy_px[LABELS.root]
    np.testing.assert_allclose(moved.xy_px - root, 50 * crop.scale * moved.xyz_m[:, :2], atol=1e-3)  # float32 labels
    np.testing.assert_allclose(np.linalg.norm(moved.xyz_m, axis=1), np.linalg.norm(person.xyz_m, axis=1)[perm(flip)], rtol=1e-5)


def perm(flip):
    return LABELS.mirror if flip else np.arange(26)


def test_mirroring_twice_changes_nothing():
    person = random_person(1)
    M = similarity(Crop(np.array([99.5, 99.5]), 200.0, 200), 0.0, True)
    twice = move_person(move_person(person, M, 0.0, True), M, 0.0, True)
    np.testing.assert_allclose(twice.xy_px, person.xy_px, atol=1e-3)
    np.testing.assert_allclose(twice.xyz_m, person.xyz_m, atol=1e-6)


def test_plain_similarity_is_the_crops_own_matrix():
    crop = Crop(np.array([33.0, 71.0]), 120.0, 64)
    M, xy = similarity(crop, 0.0, False), np.random.default_rng(0).uniform(0, 150, (9, 2))
    np.testing.assert_allclose(xy @ M[:, :2].T + M[:, 2], crop.to_crop(xy), atol=1e-12)


@pytest.mark.parametrize("scale", [0.15, 0.8, 2.5])
def test_warp_moves_a_spot_to_where_the_matrix_says(scale):
    y, x = np.mgrid[0:400, 0:400]
    spread = 3 / scale
    spot = 250 * np.exp(-((x - 222.0) ** 2 + (y - 181.0) ** 2) / (2 * spread**2))
    M = similarity(Crop(np.array([210.0, 190.0]), 96 / scale, 96), 0.4, False)
    out = warp(np.repeat(spot[..., None], 3, 2).astype(np.uint8), M, 96)[..., 0].astype(float)
    v, u = np.mgrid[0:96, 0:96]
    centre = np.array([(out * u).sum(), (out * v).sum()]) / out.sum()
    np.testing.assert_allclose(centre, M[:, :2] @ [222.0, 181.0] + M[:, 2], atol=0.15)  # 8-bit skirts


def test_examples_are_seeded_and_unknown_joints_stay_unknown():
    person = random_person(2)
    person.trust[3] = 0
    sample = make_sample(person)
    one, two = (make_example(sample, 64, np.random.default_rng(5), AugmentConfig(flip=0.0)) for _ in range(2))
    np.testing.assert_array_equal(one.rgb, two.rgb)
    np.testing.assert_array_equal(one.person.xy_px, two.person.xy_px)
    assert one.person.trust[3] == 0
    assert (one.person.trust > 0).sum() == 25


STILL = AugmentConfig(rotation_sd_deg=0, upside_down=0, scale_sd=0, shift_sd=0, flip=0, colour=0, degrade=0, occlude=0)


def test_a_close_up_shows_one_half_of_the_body_and_teaches_no_joint_outside():
    person = random_person(4)
    legs = halves(LABELS.joints)[1]
    person.xy_px[legs, 1] = np.linspace(110, 190, legs.sum())  # the pelvis is the first of them
    person.xy_px[~legs, 1] = np.linspace(10, 100, (~legs).sum())
    sample, seen = make_sample(person), set()
    for seed in range(8):
        shown = make_example(sample, 128, np.random.default_rng(seed), replace(STILL, half=1.0)).person
        inside = ((shown.xy_px > -0.5) & (shown.xy_px < 127.5)).all(axis=1)[:21]
        half = next(name for name, joints in zip("ul", halves(LABELS.joints), strict=True) if inside[joints[:21]].all())
        taught = lift_target(shown, 128)["heat"].sum(axis=(1, 2)) > 0
        np.testing.assert_array_equal(taught, inside)
        assert not inside.all()
        seen.add(half)
    assert seen == {"u", "l"}
    person.trust[:] = np.where(legs, 0, person.trust)  # nothing is known of the lower half, so it cannot be shown
    for seed in range(8):
        whole = make_example(sample, 128, np.random.default_rng(seed), replace(STILL, half=1.0)).person.xy_px[:21][~legs[:21]]
        assert ((whole > 0) & (whole < 127)).all()


def test_pictures_keep_size_and_type_through_every_change():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)
    always = AugmentConfig(colour=1, degrade=1, occlude=1)
    for _ in range(40):
        out = change_picture(rgb, rng, always)
        assert out.shape == rgb.shape
        assert out.dtype == np.uint8


def test_channels_change_places_and_nothing_else():
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    plain, swapped = (AugmentConfig(colour=1, swap_channels=share) for share in (0.0, 1.0))
    orders = set()
    for seed in range(20):
        one, other = (change_colours(rgb, np.random.default_rng(seed), config) for config in (plain, swapped))
        order = [int(np.argmin([np.abs(other[..., c].astype(int) - one[..., k]).sum() for k in range(3)])) for c in range(3)]
        np.testing.assert_array_equal(other, one[..., order])
        orders.add(tuple(order))
    assert len(orders) > 3


def test_crop_of_a_barely_labelled_person_is_that_of_the_box():
    person = random_person(3)
    person.trust[4:21] = 0
    crop = person_crop(person, 64)
    np.testing.assert_allclose(crop.centre_px, (person.box_xyxy_px[:2] + person.box_xyxy_px[2:]) / 2, atol=1e-4)


def write_people(folder):
    """A made-up set of two photos in the real set's layout."""
    folder.mkdir(parents=True)
    jpeg = cv2.imencode(".jpg", np.full((80, 60, 3), (10, 20, 200), np.uint8))[1].tobytes()
    with tarfile.open(folder / "shard_0.tar", "w") as tar:
        for name in ("a.jpg", "b.jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(jpeg)
            tar.addfile(info, io.BytesIO(jpeg))
    extra = ["head_top", "neck", "left_hand", "right_hand", "left_toe", "right_toe", "left_heel", "right_heel"]
    xyz = list(range(99))
    labels = {
        "keypoints": [30, 40, 2] * 16 + [0, 0, 0],
        "extra_keypoints": [30, 10, 2] * 2 + [0, 0, 0] * 6,
        "bbox": [10, 10, 40, 60],
    }
    raw = {
        "images": [
            {"id": k, "file_name": n, "width": 60, "height": 80, "source": "ccp", "split": s}
            for k, (n, s) in enumerate([("a.jpg", "train"), ("b.jpg", "val")])
        ],
        "annotations": [{"image_id": 0, **labels, "xyz_mm": xyz, "xyz_trusted": "1" * 33}, {"image_id": 1, **labels}],
        "categories": [{"extra_keypoints": extra}],
    }
    with gzip.open(folder / "people.json.gz", "wt") as stream:
        json.dump(raw, stream)


def test_people_are_read_by_split_with_unknown_joints_and_unknown_depth(tmp_path):
    write_people(tmp_path / "people")
    (train,), (val,) = load_people(tmp_path / "people", "train"), load_people(tmp_path / "people", "val")
    assert train.key == "a.jpg"
    rgb = train.read()
    assert rgb.shape == (80, 60, 3)
    assert rgb[..., 0].mean() > 190  # RGB: the red of a BGR (10, 20, 200)
    person = train.people[0]
    assert person.trust[LABELS.index("right_ankle")] == 0
    assert person.trust[LABELS.index("left_ankle")] == 1
    assert person.trust_xyz.max() == 1
    assert val.people[0].trust_xyz.max() == 0


@pytest.mark.parametrize("split", ["train", "val"])
def test_train_photos_that_are_val_photos_too_are_not_trained_on(tmp_path, monkeypatch, split):
    write_people(tmp_path / "people")
    before = [sample.key for sample in load_people(tmp_path / "people", split)]
    monkeypatch.setattr(people, "VAL_TWINS", {"a.jpg", "b.jpg"})
    assert [sample.key for sample in load_people(tmp_path / "people", split)] == ([] if split == "train" else before)


def test_a_foreign_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"people\.json\.gz"):
        load_people(tmp_path, "train")


def test_openpose_neck_is_the_shoulders_middle():
    person = random_person(4)
    xy, trust = to_openpose18(person)
    shoulders = person.xy_px[LABELS.indices(["left_shoulder", "right_shoulder"])]
    np.testing.assert_allclose(xy[1], shoulders.mean(axis=0), rtol=1e-6)
    assert (trust > 0).all()


def test_nothing_is_known_outside_an_incomplete_pictures_person():
    person = random_person(5, size=100)  # lies in 20..80 of 160 px
    target = pose_target([person], (160, 160), complete=False)
    assert not target["heat_known"][:, 14:, 14:].any()
    assert target["heat_known"][:, 5, 5].all()
    assert pose_target([person], (160, 160), complete=True)["heat_known"].all()


def scaled(person, factor, place):
    """The person at another size and place."""
    return replace(person, xy_px=person.xy_px * factor + place, box_xyxy_px=person.box_xyxy_px * factor + place)


@pytest.mark.parametrize("reason", ["small", "few joints"])
def test_people_who_are_not_learnt_are_ignored_not_background(reason):
    large = random_person(5, size=100)
    other = scaled(large, np.float32(0.3), np.float32(110))  # a box of under 32 x 32 px
    if reason == "few joints":
        other = scaled(large, np.float32(1.0), np.float32(60))
        known = np.flatnonzero(to_openpose18(large)[1])[:4]
        keep = LABELS.indices([load_skeleton("openpose18").joints[j] for j in known if j != 1])
        other = replace(other, trust=np.where(np.isin(np.arange(26), keep), other.trust, 0).astype(np.float32))
    target = pose_target([large, other], (160, 160), complete=True)
    x0, y0, x1, y1 = np.floor(other.box_xyxy_px / 8).astype(int)
    box = np.s_[:, y0 : y1 + 1, x0 : x1 + 1]
    # In the other's box nothing is known but where the large person's own joints and limbs reach into it.
    np.testing.assert_array_equal(target["heat_known"][:-1][box], target["heat"][:-1][box] > 0)
    on_limb = np.repeat((target["paf"].reshape(19, 2, 20, 20) != 0).any(axis=1), 2, axis=0)
    np.testing.assert_array_equal(target["paf_known"][box], on_limb[box])
    assert not target["heat_known"][-1][box[1:]].any()
    alone = pose_target([large], (160, 160), complete=True)
    np.testing.assert_array_equal(target["heat"], alone["heat"])
    assert target["heat_known"][:, :2, :2].all()


def mask_of(person, size):
    from pycocotools import mask

    x0, y0, x1, y1 = person.box_xyxy_px.astype(int)
    pixels = np.zeros((size, size), np.uint8, order="F")
    pixels[y0:y1, x0:x1] = 1
    return mask.encode(pixels)


def test_composites_label_everybody_and_hide_what_is_covered():
    person = random_person(6)
    person = PersonLabel(person.xy_px, person.trust, person.xyz_m, person.trust_xyz, person.box_xyxy_px, mask_of(person, 200))
    config = SceneConfig(size_px=96, shares=SceneShares(1, 0, 0, 0), people=(0, 0, 0, 1.0))
    sample = make_sample(person)
    maker = SceneMaker([sample], [], [], [lambda: np.zeros((150, 150, 3), np.uint8)], config)
    scenes = [maker.make(np.random.default_rng(k)) for k in range(12)]
    assert all(s.complete and s.rgb.shape == (96, 96, 3) for s in scenes)
    counts = [len(s.people) + len(s.ignored_box_xyxy_px) for s in scenes]
    assert max(counts) == 3
    hidden = [p.trust.min() for s in scenes for p in s.people[:-1]]
    assert min(hidden) == 0.5  # somebody stands behind somebody


@pytest.mark.parametrize(("beside", "nearest"), [(0.0, False), (1.0, True)])
def test_people_who_cross_stand_half_behind_one_another_and_are_as_large(beside, nearest):
    person = random_person(6)
    person = PersonLabel(person.xy_px, person.trust, person.xyz_m, person.trust_xyz, person.box_xyxy_px, mask_of(person, 200))
    augment = AugmentConfig(rotation_sd_deg=0.0, upside_down=0.0)
    config = SceneConfig(
        size_px=96, shares=SceneShares(1, 0, 0, 0), people=(0, 0, 1.0), height_share=(0.3, 0.9), beside=beside, augment=augment
    )
    maker = SceneMaker([make_sample(person)], [], [], [lambda: np.zeros((150, 150, 3), np.uint8)], config)
    apart, ratio = [], []
    for k in range(60):
        people = maker.make(np.random.default_rng(k)).people
        if len(people) == 2:
            low, high = (np.stack([p.box_xyxy_px[part] for p in people]) for part in (slice(2), slice(2, 4)))
            longer = (high - low).max(axis=1)
            apart.append(np.abs(np.diff((low + high) / 2, axis=0)[0]) / longer[0])
            ratio.append(longer[1] / longer[0])
    # offsets of 0.2 to the side and 0.06 down in the mean of squares, sizes within 0.15 of each other's logarithm
    side, down = np.sqrt(np.mean(np.square(apart), axis=0))
    assert (side < 0.26) == (down < 0.09) == (np.std(np.log(ratio)) < 0.2) == nearest


def test_a_person_covered_bit_by_bit_is_as_unknown_as_one_covered_at_once():
    person = random_person(6)
    x = person.xy_px[:, 0]
    halves = [np.zeros((200, 200), np.float32) for _ in range(2)]
    halves[0][:, : int(np.median(x))] = halves[1][:, int(np.median(x)) :] = 1
    once, bit_by_bit = cutouts.under(person, halves[0]), cutouts.under(person, halves[0]) | cutouts.under(person, halves[1])
    assert (cutouts.behind(person, once).trust[once] == 0.5).all()
    assert (cutouts.behind(person, once).trust[~once] == 1).all()
    assert not cutouts.behind(person, bit_by_bit).trust.any()


def test_joints_that_the_mask_missed_are_unknown_in_a_composite():
    person = random_person(6)
    alpha = np.zeros((200, 200), np.float32)
    middle = int(np.median(person.xy_px[:, 0]))
    alpha[:, :middle] = 1
    trust = cutouts.only_cut_out(person, alpha, 10.0).trust
    beyond = person.xy_px[:, 0] - middle
    assert (trust[beyond > 12] == 0).all()
    assert (trust[beyond < 8] == 1).all()
    assert (beyond > 12).any()


def ideal_maps(person, size_px, log_b=-3.0):
    """The maps of a network that knows everything."""
    target = lift_target(person, size_px)
    maps = np.full((6, 21, size_px // 8, size_px // 8), log_b, np.float32)
    maps[0] = np.log(target["heat"] + 1e-12) / 8
    maps[1:4] = target["xyz"].T[:, :, None, None]
    return maps


def test_evaluation_of_the_truth_is_perfect_and_a_shift_is_measured():
    person = random_person(7)
    sample = make_sample(person)
    example = make_example(sample, 256, None, AugmentConfig())
    maps = ideal_maps(example.person, 256)
    perfect = evaluate_lift(lambda rgb: maps[None], [sample], 256)
    assert perfect["ccp_pck"] == 1
    assert perfect["ccp_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert perfect["ccp_cover80"] == 1
    moved = maps.copy()
    moved[3] += 0.1  # the whole person deeper, but for the pelvis
    moved[3, LABELS.root] -= 0.1
    off = evaluate_lift(lambda rgb: moved[None], [sample], 256)
    assert off["ccp_mpjpe_mm"] == pytest.approx(100, abs=0.1)
    assert off["ccp_cover80"] == pytest.approx(2 / 3)
    gain = 0.1 / (np.exp(-3.0) * np.log(5))  # stretches the half width of the interval to the decimetre
    assert off["ccp_gain_z"] == pytest.approx(gain, rel=1e-3)
    again = evaluate_lift(lambda rgb: moved[None], [sample], 256, sigma_gain=(1, 1.01 * gain))
    assert again["ccp_cover80"] == 1


def test_every_person_counts_the_same_and_only_those_of_whom_something_is_known():
    """One known whole and right, one known in six limb joints and 100 mm off, one of whom no depth is known at all."""
    whole, few, nothing = (random_person(k) for k in (7, 9, 8))
    few = replace(few, trust_xyz=np.isin(np.arange(26), LIMBS[:6]).astype(np.float32))
    nothing = replace(nothing, trust_xyz=np.zeros(26, np.float32), trust=(np.arange(26) == LIMBS[0]).astype(np.float32))
    samples = [make_sample(person) for person in (whole, few, nothing)]
    maps = np.stack([ideal_maps(make_example(s, 256, None, AugmentConfig()).person, 256) for s in samples])
    maps[1, 1, LIMBS] += 0.1
    figures = evaluate_lift(lambda rgb: maps, samples, 256)
    assert figures["ccp_mpjpe_mm"] == pytest.approx(50, abs=0.1)
    assert (figures["ccp_pck_people"], figures["ccp_mpjpe_people"]) == (2, 2)


def test_error_bars_are_judged_by_direction_and_apart_for_limbs_and_the_rest():
    """Depth of limbs is off by 1, 2, ... 12 cm, the image plane of the other joints by a metre; 80 % of a Laplace is b ln 5."""
    sample = make_sample(random_person(7))
    maps = ideal_maps(make_example(sample, 256, None, AugmentConfig()).person, 256)
    maps[3, LIMBS] += 0.01 * np.arange(1, 13)[:, None, None]
    maps[1:3, OTHERS] += 1.0
    figures = evaluate_lift(lambda rgb: maps[None], [sample], 256)
    half = np.exp(-3.0) * np.log(5)  # 80 mm
    inside = np.mean(0.01 * np.arange(1, 13) < half)
    assert 0.5 < inside < 0.8
    assert (figures["ccp_cover80_xy"], figures["ccp_cover80_z"]) == (1, pytest.approx(inside))
    assert figures["ccp_cover80"] == pytest.approx((2 + inside) / 3)
    assert (figures["ccp_others_cover80_xy"], figures["ccp_others_cover80_z"]) == (0, 1)
    assert figures["ccp_gain_z"] == pytest.approx(np.quantile(0.01 * np.arange(1, 13), 0.8) / half, rel=1e-3)


def test_a_bent_head_is_measured_though_it_is_no_limb():
    sample = make_sample(random_person(7))
    maps = ideal_maps(make_example(sample, 256, None, AugmentConfig()).person, 256)
    maps[1, LABELS.index("head_top")] += 0.24
    figures = evaluate_lift(lambda rgb: maps[None], [sample], 256)
    assert figures["ccp_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert figures["ccp_others_mm"] == pytest.approx(240 / 8, abs=1e-3)  # head, head top, neck, spine, two hands, two toes


def test_evaluation_in_crops_that_turn_compares_in_the_turned_crop():
    person = random_person(7)
    sample = make_sample(person)
    turned = make_example(sample, 256, None, AugmentConfig(upright=1.0)).person
    assert not np.allclose(turned.xy_px, make_example(sample, 256, None, AugmentConfig()).person.xy_px)
    maps = ideal_maps(turned, 256)
    assert evaluate_lift(lambda rgb: maps[None], [sample], 256, turned=True)["ccp_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert evaluate_lift(lambda rgb: maps[None], [sample], 256)["ccp_mpjpe_mm"] > 1
