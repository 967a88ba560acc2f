import numpy as np
import pytest

from apps.evaluate import main
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
from lift3d.spikes import doubt_spikes
from posecore.camera import camera_from_fov, camera_to_image
from posecore.scale import STATURE_M
from posecore.skeleton import LIMB_JOINTS
from posecore.types import Motion, Track

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
        ("pose2d --set people --data . --held-out", "--held-out picks from --annotations"),
        ("pose2d --composites 3 --set people --data .", "say one thing to evaluate on"),
    ],
)
def test_what_would_not_be_heeded_is_refused(words, told, capsys):
    """A figure must not be written down under a command that asked for another."""
    assert main(words.split()) == 2
    assert told in capsys.readouterr().err
