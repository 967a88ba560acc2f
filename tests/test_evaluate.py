import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from apps.evaluate import COMMANDS, main
from apps.evaluate_lift import evaluate_lifter, evaluate_mpi
from apps.evaluate_pose2d import evaluate_coco, evaluate_detector
from apps.evaluate_pose2sim import (
    CLIPS,
    LIMBS,
    hips_of,
    load_truth,
    over_frames,
    reprojection_px,
    score_fit,
    score_lift,
    score_pose,
    the_man,
)
from lift3d.lifter import DEFAULT_WEIGHTS as LIFTER
from lift3d.spikes import doubt_spikes
from pose2d.estimator import DEFAULT_WEIGHTS as DETECTOR
from posecore.camera import camera_from_fov, camera_to_image
from posecore.errors import InputError
from posecore.scale import STATURE_M
from posecore.skeleton import LIMB_JOINTS
from posecore.types import Motion, Track
from tests.test_training_data import ideal_maps, make_sample, random_person
from training.augment import AugmentConfig
from training.held_out import is_held_out
from training.lift_data import make_example

FRAMES = 5


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.4, (FRAMES, 12, 3)) + [0, 0, 4.0]


def full(limbs, fill=np.nan):
    out = np.full((len(limbs), 21, limbs.shape[-1]), fill)
    out[:, LIMBS] = limbs
    return out


def motion_at(xyz_m, xy_px):
    shape = xyz_m.shape[:2]
    frames = np.arange(len(xyz_m))
    rest = np.zeros((*shape, 4)), np.zeros(21), xy_px, np.zeros((*shape, 2)), np.ones(shape, np.uint8)
    return Motion(1, frames, frames / 30, xyz_m, *rest)


def test_the_truth_itself_has_no_error_wherever_it_stands(truth):
    moved = truth + np.array([0.3, -0.2, 1.0])
    assert score_pose(moved, truth)["mpjpe_mm"] == pytest.approx(0, abs=1e-9)
    turned = truth[..., [2, 1, 0]] * [1, 1, -1]  # a quarter turn about y
    figures = score_pose(turned, truth)
    assert figures["mpjpe_mm"] > 50
    assert figures["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-6)


def test_one_joint_moved_by_a_hand_counts_a_twelfth(truth):
    moved = truth.copy()
    moved[:, 0, 0] += 0.12
    assert score_pose(moved, truth)["mpjpe_mm"] == pytest.approx(10, abs=1e-9)


def test_lift_is_scaled_by_the_height_and_missing_frames_are_left_out(truth):
    rows = [0, 3]
    normalised = full((truth - hips_of(truth))[rows] * STATURE_M / 1.9, 0.0)
    xy = np.zeros((2, 21, 2))
    track = Track(1, np.array(rows), np.array(rows) / 30, xy, np.ones((2, 21)), normalised, np.ones((2, 21, 2)))
    assert score_lift(track, truth, 1.9)["mpjpe_mm"] == pytest.approx(0, abs=1e-9)
    assert score_lift(track, truth, 1.5)["mpjpe_mm"] > 20


def test_a_person_placed_a_decimetre_off_has_that_root_error(truth):
    camera = camera_from_fov((640, 480), 54, "test")
    off = truth + np.array([0.1, 0, 0])
    xyz = full(off)
    figures = score_fit(motion_at(xyz, camera_to_image(xyz, camera)), truth, camera)
    assert figures["root_mm"] == pytest.approx(100)
    assert figures["root_percent"] == pytest.approx(100 * 0.1 / hips_of(truth)[..., 2].mean())
    assert figures["mpjpe_mm"] == pytest.approx(0, abs=1e-9)
    expected = np.median(camera.K_px[0, 0] * 0.1 / truth[..., 2])
    assert figures["to_truth_px_p50"] == pytest.approx(expected)


def test_rows_of_frames_that_are_not_there_are_nan():
    out = over_frames(np.array([1, 9]), np.ones((2, 3)), 4)
    assert np.isnan(out[[0, 2, 3]]).all()
    assert (out[1] == 1).all()


def test_a_folder_without_the_set_is_one_clear_line(tmp_path, capsys):
    assert main(["lift3d", "--data", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "people.json.gz" in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def track_at(number, limbs_px, frames):
    rows = len(frames)
    xy = full(limbs_px[frames], 0.0)
    shape = (rows, 21)
    return Track(
        number, np.array(frames), np.array(frames) / 30, xy, np.ones(shape), np.zeros((*shape, 3)), np.ones((*shape, 2))
    )


def test_the_man_is_who_stands_where_the_truth_is_not_who_is_seen_longest():
    truth = np.random.default_rng(1).uniform(100, 200, (FRAMES, 12, 2))
    man, bystander = track_at(2, truth + 5, [0, 1, 3]), track_at(1, truth + 300, list(range(FRAMES)))
    assert the_man([bystander, man], truth) is man
    longer = track_at(3, truth + 6, [0, 1, 2, 3])
    assert the_man([man, longer], truth) is longer
    beside = track_at(4, truth + 60, list(range(FRAMES)))  # 85 px away, of the man's 7 and as much again and 20 more
    assert the_man([man, beside], truth) is man


def test_reprojection_counts_what_the_network_was_sure_of_though_the_fit_let_it_go():
    """20 joints of 21 are off by 0 .. 19 px; the elbow jumps 80 px away for 2 of 40 frames, and the neck is hardly seen."""
    frames, joints = 40, 21
    xy = np.tile(np.random.default_rng(2).uniform(0, 300, (joints, 2)), (frames, 1, 1))
    elbow, neck = LIMBS[LIMB_JOINTS.index("left_elbow")], 1
    score = np.full((frames, joints), 0.8)
    score[:, neck] = 0.2
    off = np.zeros((frames, joints, 2))
    off[..., 0] = np.linspace(0, 19, frames)[:, None]
    off[:, neck, 0] = 500.0
    seen = xy + off
    seen[20:22, elbow, 1] += 80.0
    raw = Track(
        1, np.arange(frames), np.arange(frames) / 30, seen, score, np.zeros((*xy.shape[:2], 3)), np.ones((*xy.shape[:2], 2))
    )
    track = doubt_spikes(raw)
    figures = reprojection_px(motion_at(np.zeros((frames, joints, 3)), xy), track)
    away = np.linalg.norm(off, axis=-1)
    away[20:22, elbow] = np.hypot(off[20:22, elbow, 0], 80.0)
    sure = away[:, [j for j in range(joints) if j != neck]]
    assert figures == pytest.approx(
        {
            "reprojection_px_p50": np.percentile(sure, 50),
            "reprojection_px_p95": np.percentile(sure, 95),
            "reprojection_px_p95_all": np.percentile(away, 95),
            "doubted_joints": 2,
        }
    )
    without_the_doubted = np.percentile(away[track.score > 0.3], 95)
    assert figures["reprojection_px_p95_all"] > figures["reprojection_px_p95"] > without_the_doubted


@pytest.mark.parametrize(("clip", "camera"), [("cam01", 0), ("cam03", 2)])
def test_the_truth_is_seen_by_the_clip_s_own_camera(clip, camera, tmp_path):
    """Four cameras at 1, 2, 3 and 4 m above the world's origin; every joint stands at its place in the list."""
    names = [("R" if n.startswith("right") else "L") + n.split("_")[1].capitalize() for n in LIMB_JOINTS]
    joints = ["Nose", *reversed(names)]
    xyz = np.tile(np.arange(len(joints), dtype=float)[:, None], (3, 1, 3))
    K = np.stack([np.diag([100.0 * k, 100.0 * k, 1.0]) for k in (1, 2, 3, 4)])
    np.savez(
        tmp_path / "truth.npz",
        K_px=K,
        R_camera_world=np.tile(np.eye(3), (4, 1, 1)),
        t_camera_world_m=np.array([[0.0, 0, k] for k in (1, 2, 3, 4)]),
        distortion=np.zeros((4, 5)),
        joints=joints,
        xyz_world_m=xyz,
    )
    assert set(CLIPS) == {"cam01", "cam03"}
    found, limbs = load_truth(tmp_path, clip, (640, 480))
    np.testing.assert_array_equal(found.K_px, K[camera])
    place = np.array([joints.index(name) for name in names], dtype=float)
    np.testing.assert_allclose(limbs, np.tile(place[:, None], (3, 1, 3)) + [0, 0, camera + 1])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("lift3d --set mpi_inf_3dhp --data . --turned", "leave --turned and --company out"),
        ("lift3d --set mpi_inf_3dhp --data . --company", "leave --turned and --company out"),
        ("lift3d --set synthetic --data . --taught", "--taught: the set 'synthetic' holds nothing that was trained on"),
        ("lift3d --set mpi_inf_3dhp --data . --taught", "--taught: the set 'mpi_inf_3dhp' holds nothing that was trained on"),
        ("pose2d --set people --data . --held-out", "--held-out picks from --annotations"),
        ("pose2d --composites 3 --set people --data .", "say one thing to evaluate on"),
        ("pose2d --set people --data . --images pictures", "--images belong to --annotations"),
        ("pose2d --composites 3 --data . --images pictures", "--images belong to --annotations"),
        ("pose2d --composites 0 --data .", "--composites 0: expected the number of scenes"),
        ("pose2d --composites -3 --data .", "--composites -3: expected the number of scenes"),
        ("pose2d --set people --data . --composites 0", "--composites 0: expected the number of scenes"),
    ],
)
def test_what_would_not_be_heeded_is_refused(words, told, capsys):
    """A figure must not be written down under a command that asked for another."""
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["lift3d", "pose2d"])
@pytest.mark.parametrize("shard", [False, True])
def test_nothing_is_measured_on_rendered_people_who_were_learnt_from(command, shard, tmp_path, capsys):
    for name in ("test_1_0000.npz", "train_1_0000.npz"):
        (tmp_path / name).write_bytes(b"not read")
    where = tmp_path / "train_1_0000.npz" if shard else tmp_path
    assert main([command, "--set", "synthetic", "--data", str(where)]) == 2
    error = capsys.readouterr().err
    assert "train_1_0000.npz" in error
    assert "--part test" in error
    assert main([command, "--set", "synthetic", "--data", str(tmp_path / "test_1_0000.npz")]) == 2
    assert "--part test" not in capsys.readouterr().err  # no shard at all, but that is another matter


def test_figures_are_json_with_their_weights_and_without_nan(tmp_path, monkeypatch, capsys):
    figures = {"AP": float("nan"), "clips": {"cam01": {"pck": np.float32(0.5), "frames": 3}}, "far": -np.inf}
    monkeypatch.setitem(COMMANDS, "pose2d", lambda options: figures)
    path = tmp_path / "new" / "folder" / "figures.json"
    assert main(["pose2d", "--json", str(path)]) == 0

    def refuse(word):
        raise AssertionError(word)

    told = json.loads(path.read_text(), parse_constant=refuse)
    assert told == json.loads(capsys.readouterr().out)
    assert (told["AP"], told["far"]) == (None, None)
    assert told["clips"] == {"cam01": {"pck": 0.5, "frames": 3}}
    weights = told["measured_with"]["pose2d"]
    assert weights["file"] == DETECTOR.name
    assert hashlib.sha256(DETECTOR.read_bytes()).hexdigest().startswith(weights["sha256"])
    assert len(weights["sha256"]) == 12
    assert told["measured_with"]["precision"] in ("bfloat16", "float32")


@pytest.mark.parametrize(
    ("words", "weights", "backend"),
    [
        ("lift3d --data .", {"lift3d": LIFTER.name}, "torch"),
        ("lift3d --data . --second-opinion", {"lift3d": LIFTER.name, "pose2d": DETECTOR.name}, "torch"),
        ("lift3d --data . --weights mine.bin", {"lift3d": "mine.bin"}, "torch"),
        (
            "pose2sim --data . --set weights.backend=openvino --set weights.lift3d=mine.bin",
            {"pose2d": DETECTOR.name, "lift3d": "mine.bin"},
            "openvino",
        ),
    ],
)
def test_the_weights_told_are_those_asked_for(words, weights, backend, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.bin").write_bytes(b"1")
    monkeypatch.setitem(COMMANDS, words.split()[0], lambda options: {})
    assert main(words.split()) == 0
    told = json.loads(capsys.readouterr().out)["measured_with"]
    assert {k: v["file"] for k, v in told.items() if isinstance(v, dict)} == weights
    assert told["backend"] == backend
    assert ("precision" in told) == (backend == "torch")


def test_figures_that_could_not_be_written_are_not_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(COMMANDS, "pose2d", lambda options: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "figures.json", tmp_path):
        assert main(["pose2d", "--json", str(path)]) == 2
        error = capsys.readouterr().err
        assert "--json" in error
        assert error.count("\n") == 1


class Blind:
    """A detector that finds nobody and remembers how large the pictures were."""

    def __init__(self, weights=None):
        self.sizes = SIZES_WH

    def detect(self, rgb):
        self.sizes.append((rgb.shape[1], rgb.shape[0]))
        return []


SIZES_WH: list[tuple[int, int]] = []


@pytest.fixture
def val_photos(monkeypatch):
    """A split of the people photos of which only val may be asked for, and a detector that finds nobody."""
    samples = [make_sample(random_person(k)) for k in (1, 2)]
    monkeypatch.setattr("training.people.load_people", lambda folder, split: {"val": samples}[split])
    monkeypatch.setattr("pose2d.estimator.PoseEstimator", Blind)
    SIZES_WH.clear()
    return samples


@pytest.mark.parametrize("close", [False, True])
def test_the_detector_sees_the_val_photos_whole_or_cut_as_asked_for(val_photos, close, tmp_path):
    figures = evaluate_detector(None, None, "people", tmp_path, None, close=close)
    assert (figures["ccp_people"], figures["ccp_found"]) == (2, 0)
    assert (SIZES_WH == [(200, 200)] * 2) != close
    assert len(SIZES_WH) == 2


def test_held_out_pictures_are_those_that_training_leaves_out(tmp_path):
    names = [f"{k}.jpg" for k in range(12)]
    joints = {"keypoints": [30, 30, 2] * 17, "bbox": [10, 10, 60, 60], "category_id": 1}
    raw = {
        "images": [{"id": k, "file_name": n, "width": 10 + k, "height": 9} for k, n in enumerate(names)],
        "annotations": [{"id": k + 1, "image_id": k, **joints} for k in range(len(names))],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "people.json").write_text(json.dumps(raw))
    for k, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), np.zeros((9, 10 + k, 3), np.uint8))
    SIZES_WH.clear()
    figures = evaluate_coco(Blind().detect, tmp_path / "people.json", tmp_path, held_out_only=True)
    wanted = [10 + k for k, name in enumerate(names) if is_held_out(name)]
    assert 0 < len(wanted) < 6
    assert [width for width, _ in SIZES_WH] == wanted
    assert figures["pictures"] == len(wanted)


def test_in_coco_s_own_layout_there_is_no_side_to_pick_by_name(tmp_path):
    """Training takes all of train2017 there; one in five of its pictures had been called held out."""
    labels = tmp_path / "annotations" / "person_keypoints_train2017.json"
    labels.parent.mkdir()
    (tmp_path / "train2017").mkdir()
    labels.write_text(json.dumps({"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}))
    with pytest.raises(InputError, match="own layout"):
        evaluate_coco(Blind().detect, labels, tmp_path / "train2017", held_out_only=True)


class Knowing:
    """A lifter that knows all of these samples but how deep, by a decimetre, and stretches its error bars to tell."""

    input_px, sigma_gain = 256, np.array([1.0, 1.01 * 0.1 / (np.exp(-3.0) * np.log(5))])

    def __init__(self, samples, off_m):
        self._maps = np.stack([ideal_maps(make_example(s, 256, None, AugmentConfig()).person, 256) for s in samples])
        self._maps[:, 3, LIMBS] += off_m

    def maps(self, rgb):
        return self._maps[: len(rgb)]


def test_the_lifter_is_judged_by_its_error_bars_as_they_are_used(val_photos, monkeypatch, tmp_path):
    monkeypatch.setattr("lift3d.lifter.Lifter", lambda weights, opinion: Knowing(val_photos, 0.1))
    figures = evaluate_lifter("people", tmp_path, None)
    assert figures["ccp_mpjpe_mm"] == pytest.approx(100, abs=0.1)
    assert figures["ccp_cover80_z"] == 1


@pytest.mark.parametrize("taught", [False, True])
def test_the_lifter_is_asked_about_what_it_was_taught_only_where_that_is_wanted(taught, monkeypatch, tmp_path):
    photos = [make_sample(random_person(seed)) for seed in range(3)]
    splits = {"train": photos[:2], "val": photos[2:]}
    monkeypatch.setattr("training.people.load_people", lambda folder, split: splits[split])
    monkeypatch.setattr("lift3d.lifter.Lifter", lambda weights, opinion: Knowing(photos, 0.1))
    figures = evaluate_lifter("people", tmp_path, None, taught=taught)
    (people,) = (value for name, value in figures.items() if name.endswith("mpjpe_people"))
    assert people == (2 if taught else 1)


def test_the_actors_own_size_is_told_where_the_skeleton_is_their_own(monkeypatch, tmp_path):
    samples = [make_sample(replace(random_person(3), scale=1.2))]
    monkeypatch.setattr("training.mpi_inf_3dhp.load_mpi_inf_3dhp_test", lambda folder, skeleton="universal": samples)
    figures = evaluate_mpi(tmp_path, Knowing(samples, 0.0))
    assert figures["real_mpjpe_mm"] == pytest.approx(0, abs=0.1)
    assert figures["mpjpe_mm"] > 100
