"""MPI-INF-3DHP on a made-up copy: order, axes, units, frames, masks, and the set's known quirks."""

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from posecore.camera import Camera, image_to_ray, rotation_to_ray
from posecore.errors import InputError
from posecore.scale import knee_to_neck_m
from posecore.skeleton import load_skeleton
from tests.mpi_made_up import (
    FRAMES,
    MPI,
    SCALE,
    SIZE,
    K,
    foreground_mask,
    project,
    walk,
    write_calibration,
    write_masks,
    write_sequence,
    write_test_sequence,
)
from training.augment import AugmentConfig
from training.company import Surroundings
from training.layers import replace_layers
from training.lift_data import lift_target, make_example
from training.lift_eval import evaluate_published
from training.mpi_files import find_frames, read_calibration
from training.mpi_inf_3dhp import FLAWED, SOURCE, Choice, load_mpi_inf_3dhp, load_mpi_inf_3dhp_test, moving_rows
from training.samples import LABELS, LIFT_JOINTS, Layers

VNECT = load_skeleton("vnect21")
# The published order of the 21 joints among the 28, 1-based ("extended" of mpii_get_joint_set).
EXTENDED = [8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7, 18, 13, 28, 23]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("mpi")
    write_sequence(root / "S1" / "Seq1")
    write_masks(root / "S1" / "Seq1")
    write_sequence(root / "S2" / "Seq2", cameras=(1,))
    write_masks(root / "S2" / "Seq2", camera=1)
    return root


def by_key(samples):
    return {sample.key: sample for sample in samples}


def test_names_give_the_published_order_of_vnects_joints():
    assert [MPI.joints.index(joint) + 1 for joint in VNECT.joints] == EXTENDED


def test_every_camera_and_every_kind_of_files_is_found_and_read_by_frame(folder):
    samples = by_key(load_mpi_inf_3dhp(folder))
    expected = {f"S1/Seq1/video_{c}/{k:06d}" for c in (0, 1, 2) for k in range(FRAMES)}
    assert set(samples) == expected | {f"S2/Seq2/video_1/{k:06d}" for k in range(FRAMES)}  # and no seventh annotation
    for camera, frame in ((0, 4), (0, 1), (0, 2), (1, 3), (2, 5)):
        sample = samples[f"S1/Seq1/video_{camera}/{frame:06d}"]
        rgb = sample.read()
        assert rgb.shape == (SIZE, SIZE, 3)
        assert np.abs(rgb.mean(axis=(0, 1)) - [20 * camera, 40 * frame, 200]).max() < 4  # RGB, and neighbours differ by 40
        assert (sample.source, sample.size_wh, sample.complete) == (SOURCE, (SIZE, SIZE), True)


def test_labels_are_the_true_joints_as_the_lift_sees_them(folder):
    camera = Camera(K, (SIZE, SIZE))
    sample = by_key(load_mpi_inf_3dhp(folder, Choice(skeleton="real")))["S1/Seq1/video_1/000003"]
    (person,) = sample.people
    xyz, _ = walk(FRAMES)
    order = [joint - 1 for joint in EXTENDED]
    np.testing.assert_allclose(person.xy_px[LIFT_JOINTS], project(xyz)[3, order], atol=1e-3)
    assert (person.trust[LIFT_JOINTS] == 1).all()
    assert (person.trust[21:] == 0).all()  # no face
    assert (person.trust_xyz[21:] == 0).all()
    assert person.scale == pytest.approx(SCALE, rel=1e-5)
    # Back to the camera's axes and true metres: the lifter's way.
    R = rotation_to_ray(image_to_ray((person.box_xyxy_px[:2] + person.box_xyxy_px[2:]) / 2, camera))
    expected = xyz[3, order] - xyz[3, MPI.index("pelvis")]
    np.testing.assert_allclose(person.xyz_m[LIFT_JOINTS] @ R.T * person.scale, expected, atol=1e-5)


@pytest.mark.parametrize(("skeleton", "scale"), [("universal", 1.0), ("real", SCALE)])
def test_both_skeletons_come_at_the_lifts_scale_and_keep_their_own(folder, skeleton, scale):
    for sample in load_mpi_inf_3dhp(folder, Choice(skeleton=skeleton)):
        assert knee_to_neck_m(sample.people[0].xyz_m[LIFT_JOINTS]) == pytest.approx(0.92, rel=1e-5)
        assert sample.people[0].scale == pytest.approx(scale, rel=1e-4)


def test_left_is_the_persons_own(folder):
    person = load_mpi_inf_3dhp(folder)[0].people[0]  # faces the camera
    for joint in ("shoulder", "hip", "hand", "toe"):
        left, right = LABELS.indices([f"left_{joint}", f"right_{joint}"])
        assert person.xy_px[left, 0] > person.xy_px[right, 0]
    assert person.xyz_m[LABELS.index("left_toe"), 2] < person.xyz_m[LABELS.index("left_ankle"), 2]


def test_frames_are_taken_only_when_somebody_has_moved():
    xyz = np.zeros((7, 28, 3))
    xyz[:, 5, 0] = [0, 0.1, 0.19, 0.21, 0.3, 0.42, 0.42]
    assert moving_rows(xyz).tolist() == [0, 3, 5]


def test_a_limit_spreads_the_frames(folder):
    samples = load_mpi_inf_3dhp(folder, Choice(cameras=(1,), per_camera=3))
    assert [s.key[-6:] for s in samples if s.key.startswith("S1")] == ["000000", "000002", "000005"]


def test_exchanged_sides_are_mended_once(tmp_path):
    start = 3759
    frames = start + 4
    for name, exchanged in (("as_published", slice(start, frames)), ("mended_there", slice(0, 0))):
        root = tmp_path / name
        write_sequence(root / "S4" / "Seq2", cameras=(1,), frames=2)
        path = root / "S4" / "Seq2" / "annot.mat"
        raw = {k: v for k, v in loadmat(path).items() if not k.startswith("_")}
        raw["frames"] = np.array([[0], [start], [start + 1]])
        if exchanged.start:
            for key, axes in (("annot2", 2), ("annot3", 3), ("univ_annot3", 3)):
                cell = raw[key][0, 0].reshape(3, 28, axes)
                cell[1:] = cell[1:, MPI.mirror]
                raw[key][0, 0] = cell.reshape(3, -1)
        savemat(path, raw)
        source = root / "S4" / "Seq2" / "imageSequence" / "img_1_000001.jpg"
        for frame in (start, start + 1):
            (source.parent / f"img_1_{frame + 1:06d}.jpg").write_bytes(source.read_bytes())
        samples = load_mpi_inf_3dhp(root)
        assert [int(s.key[-6:]) for s in samples] == [0, start, start + 1]
        for sample in samples:
            left, right = LABELS.indices(["left_hip", "right_hip"])
            assert sample.people[0].xy_px[left, 0] > sample.people[0].xy_px[right, 0], (name, sample.key)


def test_masks_are_read_with_their_own_polarity_and_bad_ones_left_out(folder):
    samples = by_key(load_mpi_inf_3dhp(folder))
    all_good = samples["S2/Seq2/video_1/000002"].layers()
    truth = foreground_mask(2)
    person, chair = truth[..., 0] > 0, np.zeros((SIZE, SIZE), bool)
    person[0:4, 0:4] = False  # dirt far from everybody
    chair[100:140, 130:150] = True
    np.testing.assert_allclose(all_good.upper > 127, (truth[..., 1] == 0))
    np.testing.assert_allclose(all_good.lower > 127, (truth[..., 2] == 0))
    np.testing.assert_allclose(all_good.chair > 127, chair)
    np.testing.assert_allclose(all_good.background > 127, ~(person | chair))
    flawed = samples["S1/Seq1/video_0/000002"].layers()
    assert flawed.upper is None
    assert flawed.lower is None
    assert flawed.background is not None
    assert samples["S1/Seq1/video_1/000002"].layers is None  # no masks of this camera


def test_the_publishers_table_of_masks():
    usable = {
        (s, q): tuple(name not in FLAWED.get((s, q), ()) for name in ("background", "upper", "lower"))
        for s in range(1, 9)
        for q in (1, 2)
    }
    assert usable[1, 2] == usable[4, 2] == (False, True, False)
    assert [k for k, v in usable.items() if all(v)] == [(2, 2), (3, 2), (5, 2), (6, 2), (7, 1), (8, 1)]
    assert sum(v == (True, False, False) for v in usable.values()) == 8


def square(low, high, value=255):
    mask = np.zeros((64, 64), np.uint8)
    mask[low:high, low:high] = value
    return mask


def test_only_the_layers_own_pixels_change_and_cloth_keeps_its_folds():
    rgb = np.full((64, 64, 3), 120, np.uint8)
    rgb[:, ::2] = 60  # folds
    always = AugmentConfig(background=1, clothes=1)
    red = [lambda: np.full((40, 50, 3), (200, 0, 0), np.uint8)]
    out = replace_layers(rgb, Layers(upper=square(16, 40)), np.random.default_rng(0), always, red)
    np.testing.assert_array_equal(out[:12], rgb[:12])
    inner = out[20:36, 20:36].astype(float)
    assert min(inner[..., 0].max(), inner[..., 2].max()) == 0  # red or, its colours in the other order, blue
    bright, dark = inner[:, 1::2].max(), inner[:, ::2].max()
    assert dark / bright == pytest.approx(61 / 121, abs=0.03)
    out = replace_layers(rgb, Layers(background=255 - square(16, 48)), np.random.default_rng(0), always, red)
    np.testing.assert_array_equal(out[20:44, 20:44], rgb[20:44, 20:44])
    assert out[:10, :, 1].max() == 0


def test_nothing_is_replaced_without_chance_or_mask():
    rgb = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    full = Layers(background=square(0, 64), chair=square(0, 64))
    for layers, config in ((full, AugmentConfig(background=0, clothes=0)), (Layers(), AugmentConfig(background=1, clothes=1))):
        np.testing.assert_array_equal(replace_layers(rgb, layers, np.random.default_rng(1), config), rgb)


def test_an_augmented_crop_has_another_background_where_the_person_is_not(folder):
    sample = by_key(load_mpi_inf_3dhp(folder))["S2/Seq2/video_1/000002"]
    still = {
        "rotation_sd_deg": 0,
        "upside_down": 0,
        "scale_sd": 0,
        "shift_sd": 0,
        "flip": 0,
        "colour": 0,
        "degrade": 0,
        "occlude": 0,
    }
    plain = make_example(sample, 64, None, AugmentConfig())
    green = Surroundings([lambda: np.full((90, 80, 3), (0, 255, 0), np.uint8)])
    other = make_example(sample, 64, np.random.default_rng(2), AugmentConfig(**still, background=1, clothes=0), 0, green)
    changed = (np.abs(other.rgb.astype(int) - plain.rgb) > 30).any(axis=2)
    masks = sample.layers()
    at = np.rint(plain.person.xy_px[LABELS.index("spine")]).astype(int)
    assert not changed[at[1] - 2 : at[1] + 3, at[0] - 2 : at[0] + 3].any()
    assert changed.mean() == pytest.approx((masks.background > 127).mean(), abs=0.25)
    np.testing.assert_array_equal(other.person.xy_px, plain.person.xy_px)


def test_test_set_takes_valid_frames_of_the_17_joints_and_finds_the_camera(tmp_path):
    pytest.importorskip("h5py", reason="the extra `test` is not installed")
    write_test_sequence(tmp_path / "mpi_inf_3dhp_test_set" / "TS1")
    samples = load_mpi_inf_3dhp_test(tmp_path)
    assert [s.key for s in samples] == ["TS1/000001", "TS1/000003", "TS1/000004"]
    assert np.abs(samples[1].read().mean(axis=(0, 1)) - [20, 80, 200]).max() < 4
    person = samples[1].people[0]
    _, universal = walk(4)
    order = [joint - 1 for joint in EXTENDED[:17]]
    R = rotation_to_ray(image_to_ray((person.box_xyxy_px[:2] + person.box_xyxy_px[2:]) / 2, Camera(K, (SIZE, SIZE))))
    expected = universal[2, order] - universal[2, MPI.index("pelvis")]
    np.testing.assert_allclose(person.xyz_m[:17] @ R.T * person.scale, expected, atol=1e-5)
    assert (person.trust[17:] == 0).all()
    assert (person.trust_xyz[17:] == 0).all()
    assert load_mpi_inf_3dhp_test(tmp_path, "real")[0].people[0].scale == pytest.approx(SCALE, rel=1e-4)


def test_calibration_is_read_by_camera(tmp_path):
    write_calibration(tmp_path / "camera.calibration", (0, 7))
    cameras = read_calibration(tmp_path / "camera.calibration")
    assert sorted(cameras) == [0, 7]
    np.testing.assert_array_equal(cameras[7].K_px, K)
    assert cameras[7].size_wh == (SIZE, SIZE)


def test_what_is_missing_or_foreign_is_one_clear_line(tmp_path):
    cases = []
    for name, words in (
        ("nothing", r"S1\.\.S8"),
        ("no_annotations", r"annot\.mat"),
        ("foreign_annotations", "not an annotation file"),
        ("no_calibration", r"camera\.calibration"),
        ("no_pictures", "no pictures of the cameras"),
        ("shrunken", "160x160, calibrated are 320x320"),
    ):
        root = tmp_path / name
        root.mkdir()
        if name != "nothing":
            write_sequence(root / "S1" / "Seq1", cameras=(1,))
            sequence = root / "S1" / "Seq1"
        if name == "no_annotations":
            (sequence / "annot.mat").unlink()
        if name == "foreign_annotations":
            (sequence / "annot.mat").write_bytes(b"nothing of the kind" * 40)
        if name == "no_calibration":
            (sequence / "camera.calibration").unlink()
        if name == "no_pictures":
            for path in (sequence / "imageSequence").iterdir():
                path.unlink()
        if name == "shrunken":
            text = (sequence / "camera.calibration").read_text()
            (sequence / "camera.calibration").write_text(text.replace(f"{SIZE} {SIZE}", f"{2 * SIZE} {2 * SIZE}"))
        cases.append((root, words))
    for root, words in cases:
        with pytest.raises(InputError, match=words) as error:
            load_mpi_inf_3dhp(root)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"TS1\.\.TS6"):
        load_mpi_inf_3dhp_test(tmp_path)


def test_a_video_cut_short_gives_only_its_frames(tmp_path):
    write_sequence(tmp_path / "S6" / "Seq2", cameras=(0,), frames=3)
    frames = find_frames(tmp_path / "S6" / "Seq2" / "imageSequence", 0)
    assert [frames.has(k) for k in range(5)] == [True, True, True, False, False]
    assert find_frames(tmp_path / "S6" / "Seq2" / "imageSequence", 3) is None


def test_published_measures_count_14_joints_about_the_pelvis_per_sequence(tmp_path):
    pytest.importorskip("h5py", reason="the extra `test` is not installed")
    for name in ("TS1", "TS5"):
        write_test_sequence(tmp_path / name, frames=3, invalid=())
    samples = load_mpi_inf_3dhp_test(tmp_path, "real")
    off = np.zeros((21, 3))
    off[VNECT.index("left_wrist")] = [0, 0.2, 0]  # one of 14, in the lift's metres
    off[VNECT.index("spine")] = [5, 0, 0]  # does not count

    def maps_of(rgb):
        return np.stack([knowing_maps(make_example(s, 256, None, AugmentConfig()).person, off) for s in samples[: len(rgb)]])

    figures = evaluate_published(maps_of, samples, 256, scaled=True)
    assert figures["mpjpe_mm"] == pytest.approx(1000 * SCALE * 0.2 / 14, rel=1e-3)
    assert figures["pck3d_percent"] == pytest.approx(100 * 13 / 14)
    assert figures["auc_percent"] == pytest.approx(100 * 13 / 14 * 30 / 31)
    assert (figures["TS1_frames"], figures["TS5_frames"], figures["frames"]) == (3, 3, 6)
    off[:] = 0
    untold = evaluate_published(maps_of, samples, 256)  # a man of 1.11 times the size whose size is not told
    assert untold["mpjpe_mm"] > 30
    assert untold["pa_mpjpe_mm"] == pytest.approx(0, abs=0.01)


def knowing_maps(person, off):
    """The maps of a lifter that knows everything but is `off` (21, 3)."""
    target = lift_target(person, 256)
    maps = np.zeros((6, 21, 32, 32), np.float32)
    maps[0] = np.log(target["heat"] + 1e-12) / 8
    maps[1:4] = (target["xyz"] + off).T[:, :, None, None]
    return maps
