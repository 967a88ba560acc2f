"""Laws of rotations and of forward kinematics, and every Jacobian against differences."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fitting import rotation
from fitting.body import load_body
from fitting.kinematics import Pose, bone_quaternions, difference, joint_jacobian, place, rest_pose, step

BODY = load_body()
LENGTH_M = BODY.length * 1.7
RNG = np.random.default_rng(3)


def random_pose(frames: int = 4, size: float = 0.6) -> Pose:
    pose = step(rest_pose(frames), size * RNG.normal(size=(frames, BODY.dofs)))
    pose.root_m[:, 2] += 4
    return pose


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.5, 2.0, np.pi - 1e-4])
def test_rotations_agree_with_scipy_also_near_zero_and_pi(angle):
    axis = RNG.normal(size=(20, 3))
    v = angle * axis / np.linalg.norm(axis, axis=1, keepdims=True)
    R = rotation.exp(v)
    assert np.allclose(R, Rotation.from_rotvec(v).as_matrix(), atol=1e-12)
    assert np.allclose(rotation.log(R), v, atol=1e-7)
    assert np.allclose(Rotation.from_quat(rotation.quaternion(R)).as_matrix(), R, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-5, 0.3, 2.5])
def test_inverse_left_jacobian_against_differences(angle):
    v = angle * np.array([0.48, -0.6, 0.64])
    h = 1e-6 * np.eye(3)
    numeric = (rotation.log(rotation.exp(h) @ rotation.exp(v)) - rotation.log(rotation.exp(-h) @ rotation.exp(v))).T / 2e-6
    assert np.allclose(rotation.inverse_left_jacobian(v), numeric, atol=1e-7)


def test_nearest_rotation_undoes_small_damage_and_never_mirrors():
    R = rotation.exp(RNG.normal(size=(10, 3)))
    assert np.allclose(rotation.nearest(2.0 * R), R, atol=1e-12)
    assert np.allclose(np.linalg.det(rotation.nearest(RNG.normal(size=(50, 3, 3)))), 1)


def test_step_and_difference_are_inverse():
    pose, delta = random_pose(), 0.4 * RNG.normal(size=(4, BODY.dofs))
    assert np.allclose(difference(pose, step(pose, delta)), delta, atol=1e-9)


def test_bones_keep_their_lengths():
    xyz = place(random_pose(), LENGTH_M).xyz_m
    bone = np.linalg.norm(xyz - xyz[:, list(BODY.skeleton.parent)], axis=2)
    assert np.allclose(bone, LENGTH_M, atol=1e-12)


def test_moving_the_root_moves_the_body_rigidly():
    pose = random_pose()
    R, t = rotation.exp(np.array([0.3, -1.0, 0.5])), np.array([0.2, -0.1, 3.0])
    moved = Pose(pose.root_m @ R.T + t, pose.ball.copy(), pose.angle_rad)
    moved.ball[:, 0] = R @ pose.ball[:, 0]
    assert np.allclose(place(moved, LENGTH_M).xyz_m, place(pose, LENGTH_M).xyz_m @ R.T + t, atol=1e-12)


def test_the_mirrored_body_makes_the_mirrored_joints():
    pose, M = random_pose(), np.diag([-1.0, 1.0, 1.0])
    swap_ball = [
        next(k for k, b in enumerate(BODY.balls) if b.joint == BODY.skeleton.mirror[ball.joint]) for ball in BODY.balls
    ]
    names = [(h.joint, h.name) for h in BODY.hinges]
    swap_hinge = [names.index((BODY.skeleton.mirror[joint], name)) for joint, name in names]
    # a bend of a middle bone to the left becomes one to the right; all other hinges read alike on both sides
    sign = np.array([-1.0 if name == "bend" else 1.0 for _, name in names])
    mirrored = Pose(pose.root_m @ M, (M @ pose.ball @ M)[:, swap_ball], sign * pose.angle_rad[:, swap_hinge])
    expected = (place(pose, LENGTH_M).xyz_m @ M)[:, BODY.skeleton.mirror]
    assert np.allclose(place(mirrored, LENGTH_M).xyz_m, expected, atol=1e-12)


def test_jacobian_against_differences():
    pose, h = random_pose(2), 1e-6
    jacobian = joint_jacobian(place(pose, LENGTH_M))
    for k in range(BODY.dofs):
        e = np.zeros((2, BODY.dofs))
        e[:, k] = h
        numeric = (place(step(pose, e), LENGTH_M).xyz_m - place(step(pose, -e), LENGTH_M).xyz_m) / (2 * h)
        assert np.allclose(jacobian[..., k], numeric, atol=1e-8), BODY.dof_names[k]


def test_exported_quaternions_rebuild_the_joints_and_never_change_sign():
    path = np.cumsum(0.15 * RNG.normal(size=(60, BODY.dofs)), axis=0)
    pose = step(rest_pose(60), path)
    q = bone_quaternions(pose)
    assert (np.sum(q[1:] * q[:-1], axis=-1) > 0).all()
    R, xyz = np.empty((60, 21, 3, 3)), np.empty((60, 21, 3))
    for j in BODY.skeleton.order:
        p = BODY.skeleton.parent[j]
        own = Rotation.from_quat(q[:, j]).as_matrix()
        R[:, j] = own if j == p else R[:, p] @ own
        xyz[:, j] = pose.root_m if j == p else xyz[:, p] + R[:, j] @ (BODY.rest[j] * LENGTH_M[j])
    assert np.allclose(xyz, place(pose, LENGTH_M).xyz_m, atol=1e-12)


def test_rest_pose_faces_the_camera_upright_with_its_left_at_the_right_of_the_image():
    xyz = place(rest_pose(1), LENGTH_M).xyz_m[0]
    at = {name: xyz[j] for j, name in enumerate(BODY.skeleton.joints)}
    assert at["left_hand"][0] > 0.5 > -0.5 > at["right_hand"][0]
    assert at["head_top"][1] < at["pelvis"][1] < at["left_ankle"][1]
    assert at["left_toe"][2] < at["left_ankle"][2]
