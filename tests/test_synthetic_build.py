"""What makes an asset pack: BVH motion, compressed bodies. Made-up data, no assets needed."""

import json

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import InputError
from training.synthetic.assets import AssetPack
from training.synthetic.build_assets import build_motion, build_pictures, compress, read_obj_groups, stage_axes
from training.synthetic.bvh import ROLE_JOINTS, read_bvh, role_motion
from training.synthetic.motion import MotionBank
from training.synthetic.retarget import ROLES


def _bvh_text(joints: list[str], euler_zyx_deg: np.ndarray, root: np.ndarray, frame_time_s: float) -> str:
    """A chain of joints, each a child of the one before, with channels Z Y X."""
    lines = ["HIERARCHY"]
    for depth, joint in enumerate(joints):
        pad = "\t" * depth
        kind = "ROOT" if depth == 0 else "JOINT"
        position = "6 Xposition Yposition Zposition " if depth == 0 else "3 "
        lines += [f"{pad}{kind} {joint}", pad + "{", f"{pad}\tOFFSET 0 1 0"]
        lines += [f"{pad}\tCHANNELS {position}Zrotation Yrotation Xrotation"]
    pad = "\t" * len(joints)
    lines += [f"{pad}End Site", pad + "{", f"{pad}\tOFFSET 0 1 0", pad + "}"]
    lines += ["\t" * depth + "}" for depth in reversed(range(len(joints)))]
    rows = np.concatenate([root, euler_zyx_deg.reshape(len(root), -1)], axis=1)
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {frame_time_s:.7f}"]
    return "\n".join(lines + [" ".join(f"{v:.9f}" for v in row) for row in rows]) + "\n"


def test_a_bvh_chain_turns_as_its_angles_say(tmp_path):
    rng = np.random.default_rng(0)
    angles, root = rng.uniform(-80, 80, (5, 3, 3)), rng.normal(size=(5, 3))
    (tmp_path / "a.bvh").write_text(_bvh_text(["a", "b", "c"], angles, root, 1 / 120))
    take = read_bvh(tmp_path / "a.bvh")
    assert take.joints == ("a", "b", "c")
    assert take.frame_time_s == pytest.approx(1 / 120, abs=1e-7)
    assert take.root == pytest.approx(root, abs=1e-8)
    for t in range(5):
        R = np.eye(3)
        for j in range(3):
            z, y, x = (Rotation.from_euler(a, v, degrees=True).as_matrix() for a, v in zip("zyx", angles[t, j], strict=True))
            R = R @ z @ y @ x
            assert take.R[t, j] == pytest.approx(R, abs=1e-8)


@pytest.mark.parametrize("family", ROLE_JOINTS)
def test_roles_turn_away_from_the_first_frame(family, tmp_path):
    joints = list(dict.fromkeys(ROLE_JOINTS[family].values()))
    rng = np.random.default_rng(1)
    angles = rng.uniform(-40, 40, (9, len(joints), 3))
    (tmp_path / "a.bvh").write_text(_bvh_text(joints, angles, np.zeros((9, 3)), 1 / 120))
    take = read_bvh(tmp_path / "a.bvh")
    quaternion, root = role_motion(take)
    assert quaternion.shape == (2, len(ROLES), 4)  # frames 1 and 5 of 120 Hz are the frames at 30 Hz
    assert len(root) == 2
    for r, role in enumerate(ROLES):
        j = joints.index(ROLE_JOINTS[family][role])
        away = Rotation.from_quat(quaternion[1, r]).as_matrix() @ take.R[0, j]
        assert away == pytest.approx(take.R[5, j], abs=1e-8)


@pytest.mark.parametrize("rate_hz", [24, 25, 30, 50, 59.94, 100, 120])
def test_a_motion_keeps_its_speed_whatever_the_rate_of_its_capture(rate_hz, tmp_path):
    """Somebody turning at 2 rad/s and walking at 1.5 units a second, from 0.1 rad and the origin, after a T-pose."""
    joints = list(dict.fromkeys(ROLE_JOINTS["daz"].values()))
    time_s = np.arange(int(2 * rate_hz) + 1) / rate_hz
    angles = np.zeros((len(time_s) + 1, len(joints), 3))
    angles[1:, 0, 1] = np.degrees(0.1 + 2 * time_s)
    root = np.concatenate([np.zeros((1, 3)), time_s[:, None] * [0, 0, 1.5]])
    (tmp_path / "a.bvh").write_text(_bvh_text(joints, angles, root, 1 / rate_hz))
    quaternion, way = role_motion(read_bvh(tmp_path / "a.bvh"))
    expected_s = np.arange(len(way)) / 30
    assert expected_s[-1] == pytest.approx(time_s[-1], abs=1 / 30)
    assert way == pytest.approx(expected_s[:, None] * [0, 0, 1.5], abs=0.002 * 2)  # a frame time near 30 Hz counts as it
    turn = Rotation.from_quat(quaternion[:, 0]) * Rotation.from_rotvec((0.1 + 2 * expected_s)[:, None] * [0, 1, 0]).inv()
    assert turn.magnitude().max() < 0.002 * 2


def test_a_capture_at_a_multiple_of_30_hz_is_thinned_and_nothing_else(tmp_path):
    joints = list(dict.fromkeys(ROLE_JOINTS["daz"].values()))
    rng = np.random.default_rng(2)
    angles, root = rng.uniform(-40, 40, (4001, len(joints), 3)), rng.normal(size=(4001, 3))
    (tmp_path / "a.bvh").write_text(_bvh_text(joints, angles, root, 0.0083333))  # as rounded as files have it
    take = read_bvh(tmp_path / "a.bvh")
    quaternion, way = role_motion(take)
    np.testing.assert_array_equal(way, take.root[1::4])
    away = Rotation.from_quat(quaternion[:, 0]).as_matrix() @ take.R[0, 0]
    np.testing.assert_allclose(away, take.R[1::4, 0], atol=1e-8)


def test_bad_motion_files_are_one_clear_line(tmp_path):
    path = tmp_path / "a.bvh"
    for text in (
        "hello",
        "HIERARCHY\nMOTION\nFrame Time: 1\n1 2 3\n",
        _bvh_text(["a"], np.zeros((1, 1, 3)), np.zeros((1, 3)), 1) + "1 2\n",
    ):
        path.write_text(text)
        with pytest.raises(InputError, match="expected a BVH file"):
            read_bvh(path)
    path.write_text(_bvh_text(["a", "b"], np.zeros((2, 2, 3)), np.zeros((2, 3)), 1 / 30))
    with pytest.raises(InputError, match="unknown joint names"):
        role_motion(read_bvh(path), path)


def test_compressing_bodies_is_exact_at_full_rank_and_best_below():
    rng = np.random.default_rng(3)
    bodies = (rng.normal(size=(12, 5)) * [5, 2, 1, 0.3, 0.1]) @ rng.normal(size=(5, 90)) + rng.normal(size=90)
    points = bodies.reshape(12, 30, 3)
    mean, shapes, coefficients = compress(points, 5)
    assert mean + np.tensordot(coefficients, shapes, 1) == pytest.approx(points, abs=1e-9)
    assert np.abs(coefficients).max() <= 1 + 1e-9
    mean, shapes, coefficients = compress(points, 2)
    left = np.linalg.norm(mean + np.tensordot(coefficients, shapes, 1) - points)
    singular = np.linalg.svd(bodies - bodies.mean(axis=0), compute_uv=False)
    assert left == pytest.approx(np.linalg.norm(singular[2:]), rel=1e-6)


def test_stage_axes_are_a_rotation_that_keeps_left_and_stands_people_up():
    left, forward, up = stage_axes(np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]))
    assert (left.tolist(), forward.tolist(), up.tolist()) == ([1, 0, 0], [0, 0, 1], [0, 1, 0])
    assert np.linalg.det(stage_axes(np.eye(3))) == pytest.approx(1)


def test_mesh_groups_are_cut_into_triangles(tmp_path):
    path = tmp_path / "a.obj"
    corners = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    path.write_text(corners + "g other\nf 1/1 2/2 3/3\ng body\nf 1/4 2/3 3/2 4/1\n")
    arrays = read_obj_groups(path, ["body"])
    assert arrays["body_v"].tolist() == [[0, 1, 2], [0, 2, 3]]
    assert arrays["body_t"].tolist() == [[3, 2, 1], [3, 1, 0]]
    assert arrays["vt"].shape == (4, 2)
    with pytest.raises(InputError, match="missing skirt"):
        read_obj_groups(path, ["body", "skirt"])


def test_motion_files_become_a_bank(tmp_path):
    joints = list(dict.fromkeys(ROLE_JOINTS["motionbuilder"].values()))
    angles = np.random.default_rng(5).uniform(-40, 40, (11, len(joints), 3))
    for number in range(10):
        folder = tmp_path / "bvh" / ("walking" if number < 7 else "jumping")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.bvh").write_text(_bvh_text(joints, angles + number, np.ones((11, 3)), 1 / 30))
    build_motion(tmp_path, tmp_path / "bvh")
    banks = {part: MotionBank(AssetPack(tmp_path), part) for part in ("train", "test")}
    assert [len(bank.clips) for bank in banks.values()] == [9, 1]
    assert banks["train"].categories == ["jumping", "walking"]
    take = read_bvh(tmp_path / "bvh" / "jumping" / "7.bvh")
    expected = Rotation.from_matrix((take.R[4] @ np.swapaxes(take.R[0], -1, -2))[joints.index("LeftArm")])
    stored = Rotation.from_matrix(banks["train"].clips[0].rotations(3)[ROLES.index("uarmL")])
    assert np.degrees((expected * stored.inv()).magnitude()) < 1.0  # 8-bit quaternions
    with pytest.raises(InputError, match=r"expected \.bvh files"):
        build_motion(tmp_path, tmp_path / "none")


def test_pictures_are_shrunk_into_the_pack(tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.full((60, 1920, 3), 90, np.uint8))
    build_pictures(tmp_path, tmp_path / "in", backgrounds=True)
    build_pictures(tmp_path, tmp_path / "in", backgrounds=False)
    pack = AssetPack(tmp_path)
    (background,) = pack.backgrounds("real")
    assert cv2.imread(str(background)).shape == (30, 960, 3)
    assert cv2.imread(str(pack.occluders()[0]), cv2.IMREAD_UNCHANGED).shape[1] == 240
    assert pack.backgrounds("abstract") == []
    assert json.loads((tmp_path / "bg_use.json").read_text())["real"] == [0]
