"""Laws of posing, retargeting, joining and dressing; none needs assets or a graphics library."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import InputError
from training.synthetic.assets import open_assets, split
from training.synthetic.body import rig_transforms, skin
from training.synthetic.garments import Topology, strongest_four
from training.synthetic.outfits import inside_bottom, inside_top
from training.synthetic.poses import PoseMix, sample_pose
from training.synthetic.props import SURFACES, box, surface_image
from training.synthetic.retarget import ROLE, ROLES, rotation_between
from training.synthetic.staging import pelvis_height, planted_velocity
from training.synthetic.takes import Take, heading, join, resample, steer, turned

PARENTS = np.array([-1, 0, 1, 1, 3])
UP = np.array([0.0, 1.0, 0.0])


def _rig(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points, weights = rng.normal(size=(30, 3)), rng.dirichlet(np.ones(4), 30)
    return rng.normal(size=(5, 3)), points, rng.integers(0, 5, (30, 4)), weights


def test_the_rest_pose_is_the_identity():
    bones_m, points, bones, weights = _rig(0)
    T = rig_transforms(bones_m, PARENTS, np.tile(np.eye(3), (5, 1, 1)))
    assert skin(points, bones, weights, T) == pytest.approx(points, abs=1e-12)


def test_turning_every_bone_alike_turns_the_person_rigidly():
    bones_m, points, bones, weights = _rig(1)
    R_pose, R = Rotation.random(5, random_state=2).as_matrix(), Rotation.random(random_state=3).as_matrix()
    posed = skin(points, bones, weights, rig_transforms(bones_m, PARENTS, R_pose))
    both = skin(points, bones, weights, rig_transforms(bones_m, PARENTS, R @ R_pose))
    root = bones_m[0]  # the root stays where it rests, so the turn is about it
    assert both == pytest.approx((posed - root) @ R.T + root, abs=1e-12)


def test_bones_keep_their_length_and_hang_together():
    bones_m, *_ = _rig(4)
    T = rig_transforms(bones_m, PARENTS, Rotation.random(5, random_state=5).as_matrix())
    for b, parent in enumerate(PARENTS[1:], start=1):
        by_child, by_parent = (T[k, :, :3] @ bones_m[b] + T[k, :, 3] for k in (b, parent))
        assert by_child == pytest.approx(by_parent, abs=1e-12)
        start = T[parent, :, :3] @ bones_m[parent] + T[parent, :, 3]
        assert np.linalg.norm(by_child - start) == pytest.approx(np.linalg.norm(bones_m[b] - bones_m[parent]), abs=1e-12)


def test_skinning_matches_a_slow_obvious_twin():
    bones_m, points, bones, weights = _rig(6)
    T = rig_transforms(bones_m, PARENTS, Rotation.random(5, random_state=7).as_matrix())
    slow = [
        sum(w * (T[b, :, :3] @ p + T[b, :, 3]) for b, w in zip(row, share, strict=True))
        for p, row, share in zip(points, bones, weights, strict=True)
    ]
    assert skin(points, bones, weights, T) == pytest.approx(np.array(slow), abs=1e-12)


def test_rotation_between_is_the_smallest_rotation():
    rng = np.random.default_rng(8)
    for a, b in rng.normal(size=(20, 2, 3)):
        R = rotation_between(a, b)
        assert R @ a / np.linalg.norm(a) == pytest.approx(b / np.linalg.norm(b), abs=1e-9)
        angle = np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
        assert Rotation.from_matrix(R).magnitude() == pytest.approx(angle, abs=1e-7)


def test_strongest_four_adds_repeated_bones():
    bones, shares = np.array([[0, 1, 1, 2, 3, 4]]), np.array([[0.3, 0.2, 0.2, 0.05, 0.1, 0.15]], np.float32)
    top, weights = strongest_four(bones, shares, 5)
    assert top.tolist() == [[1, 0, 4, 3]]
    assert weights[0] == pytest.approx(np.array([0.4, 0.3, 0.15, 0.1]) / 0.95, abs=1e-6)


def test_a_topology_keeps_corners_apart_only_where_their_texture_differs():
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    shared = Topology(faces, faces, np.random.default_rng(0).random((6, 2)))
    seam = Topology(faces, np.array([[0, 1, 2], [4, 5, 3]]), np.random.default_rng(0).random((6, 2)))
    assert (len(shared.vertex), len(seam.vertex)) == (4, 6)
    assert np.array_equal(seam.vertex[seam.faces], faces)
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    assert seam.normals(square) == pytest.approx(np.tile([0, 0, 1], (4, 1)), abs=1e-6)


def test_boxes_face_outwards():
    part = box((1, 2, 3), (0.4, 0.6, 0.8), Rotation.from_euler("y", 0.7).as_matrix(), None, (1, 1, 1))
    points, normals = part.vertices[:, :3], part.vertices[:, 3:6]
    assert ((points - [1, 2, 3]) * normals).sum(axis=1).min() > 0.19
    a, b, c = (points[part.faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    assert np.linalg.norm(across, axis=1).sum() / 2 == pytest.approx(2 * (0.24 + 0.32 + 0.48), rel=1e-5)


@pytest.mark.parametrize("kind", SURFACES)
def test_surfaces_are_pictures_with_something_on_them(kind):
    image = surface_image(kind, np.random.default_rng(0))
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.uint8
    assert 10 < image.mean() < 250
    assert image.std() > 1


def test_shirt_and_trousers_leave_no_skin_between_them():
    """Wherever the hem is below the waist, a point of the trunk is in one of the two."""
    heights = np.linspace(-0.3, 0.9, 100)
    trunk = np.stack([np.full(100, -0.2), np.where(heights < 0, -heights, -0.5), heights, np.zeros(100)], axis=1)
    covered = inside_top(trunk, (0.5, 0.0, 1.0), 0) | inside_bottom(trunk, (0.97, 0.2, 0), 0)
    assert covered.all()
    arms, legs = np.array([[0.7, -2, 0.85, 0]]), np.array([[-1, 0.99, -1, 0]])
    assert not inside_top(arms, (0.5, 0, 1), 0).any()
    assert not inside_bottom(legs, (0.97, 0.2, 0), 0).any()


def test_split_parts_are_disjoint_and_complete():
    for items in (list(range(57)), [f"clip{i}" for i in range(9)], []):
        train, test = split(items, "train"), split(items, "test")
        assert sorted(train + test) == sorted(items)
        assert not set(train) & set(test)
    assert split(list(range(30)), "test") == [9, 19, 29]


def test_missing_assets_are_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.delenv("VIDEO3D_ASSETS", raising=False)
    with pytest.raises(InputError, match="--assets DIR or set VIDEO3D_ASSETS"):
        open_assets()
    (tmp_path / "anny.npz").touch()
    with pytest.raises(InputError, match=r"missing groups\.npz, motion\.npz"):
        open_assets(tmp_path)


def _walk(frames: int, speed: float = 0.04) -> Take:
    """Somebody gliding along +z while the joints swing a little."""
    t = np.arange(frames)
    angles = 0.3 * np.sin(0.2 * t[:, None] + np.arange(len(ROLES)))
    q = Rotation.from_rotvec(angles.reshape(-1, 1) * [1.0, 0, 0]).as_quat().reshape(frames, len(ROLES), 4)
    return Take(q, np.stack([0 * t, 0.9 + 0 * t, speed * t], axis=1))


def test_resampling_at_its_own_rate_changes_nothing_and_doubling_halves_the_steps():
    take = _walk(40)
    same, double = resample(take, 30.0, 40), resample(take, 60.0, 79)
    assert same.root_m == pytest.approx(take.root_m, abs=1e-12)
    assert same.quaternion_xyzw == pytest.approx(take.quaternion_xyzw, abs=1e-12)
    assert double.root_m[::2] == pytest.approx(take.root_m, abs=1e-12)
    assert np.linalg.norm(double.quaternion_xyzw, axis=-1) == pytest.approx(1.0)


def test_turning_a_take_turns_its_heading_and_its_way():
    take = turned(_walk(20), np.pi / 2)
    assert heading(take.quaternion_xyzw) == pytest.approx(np.full(20, np.pi / 2), abs=1e-9)
    assert np.diff(take.root_m, axis=0) == pytest.approx(np.tile([0.04, 0, 0], (19, 1)), abs=1e-12)


def test_a_joined_take_goes_on_in_its_direction_without_a_jump():
    first, second = turned(_walk(40), 1.0), turned(_walk(40), -2.0)
    both = join(first, second, 12)
    assert len(both) == 68
    steps = np.diff(both.root_m, axis=0)
    assert np.linalg.norm(steps, axis=1) == pytest.approx(np.full(67, 0.04), abs=0.01)
    assert steps[-1] == pytest.approx(steps[0], abs=1e-6)
    turns = (
        Rotation.from_quat(both.quaternion_xyzw[1:].reshape(-1, 4))
        * Rotation.from_quat(both.quaternion_xyzw[:-1].reshape(-1, 4)).inv()
    )
    assert turns.magnitude().max() < 0.12


def test_a_steered_walk_visits_its_waypoints():
    velocity = np.tile([0.0, 0.0, 1.2], (300, 1))
    waypoints = np.array([[1.5, 0, 1.5], [-1.5, 0, 1.5], [-1.5, 0, -1.5]])
    yaw = steer(velocity, np.zeros(3), waypoints, 30.0)
    assert np.abs(np.diff(yaw)).max() * 30 < np.radians(76)
    path = np.cumsum(Rotation.from_rotvec(yaw[:, None] * UP).apply(velocity), axis=0) / 30
    reach = np.linalg.norm(path[:, None] - waypoints, axis=-1)
    assert reach.min(axis=0).max() < 0.55
    assert (np.diff(reach.argmin(axis=0)) > 0).all()  # in their order


def test_a_walk_is_steered_alike_at_every_rate():
    """Somebody who sways from side to side with every stride: steering sees where the walk leads, not the swaying."""
    waypoints = np.array([[1.5, 0, 1.5], [-1.5, 0, 1.5], [-1.5, 0, -1.5]])
    yaws = []
    for rate_hz in (30.0, 120.0):
        t = np.arange(int(6 * rate_hz)) / rate_hz
        velocity = np.stack([0.8 * np.sin(2 * np.pi * t), 0 * t, 1.2 + 0 * t], axis=1)
        yaws.append(steer(velocity, np.zeros(3), waypoints, rate_hz)[:: int(rate_hz / 30)])
    assert np.abs(yaws[0] - yaws[1]).max() < 0.1


def test_a_planted_foot_stays_planted():
    """Legs that swing back under a pelvis fixed in the pose frame: the pelvis must move forward by as much."""
    frames, speed = 60, 0.9
    joints = np.zeros((frames, 26, 3))
    phase = np.arange(frames) / 30
    for side, start in ((10, 0.0), (13, 1.0)):  # right and left ankle; one second of stance each, then in the air
        stance = (phase >= start) & (phase < start + 1)
        z = np.where(stance, 0.45 - speed * (phase - start), -0.45 + speed * (phase - 1 + start))
        joints[:, side] = np.stack([0 * z, np.where(stance, -0.8, -0.6), z], axis=1)
        joints[:, 20 if side == 13 else 19] = joints[:, side] + [0, -0.05, 0.1]
    source = np.tile([0, 0, 0.7], (frames, 1))
    velocity = planted_velocity(joints, source, 30.0)
    middle = np.r_[4:26, 34:56]  # away from the change of feet
    assert velocity[middle] == pytest.approx(np.tile([0, 0, speed], (len(middle), 1)), abs=0.02)


def test_nobody_floats_or_sinks_except_in_a_jump():
    t = np.arange(120) / 30
    lowest = -0.9 + 0.02 * np.sin(7 * t)  # the pose alone
    jump = np.where((t > 1.8) & (t < 2.2), 0.3 * np.sin(np.pi * (t - 1.8) / 0.4), 0.0)
    height = pelvis_height(lowest, 1.3 - 0.02 * np.sin(7 * t) + jump, 30.0)
    above = height + lowest
    grounded = (t < 1.6) | (t > 2.4)
    assert np.abs(above[grounded]).max() < 0.005
    assert above.max() == pytest.approx(0.3 - 0.04, abs=0.04)


class _Standing:
    """A bank of one frame: the T-pose."""

    def sample_frame(self, rng):
        return np.tile(np.eye(3), (len(ROLES), 1, 1))


@pytest.mark.parametrize(("folded", "low", "high"), [(0.0, 0.2, 0.34), (1.0, 0.74, 0.86)])
def test_folded_arms_bend_beyond_a_right_angle(folded, low, high):
    """A fifth of the arms stays as captured; of the others a third is bent so far by chance, or all where that is asked."""
    rng, mix = np.random.default_rng(5), PoseMix(0, 0, 0, free_arms=1.0, folded=folded, noisy=0.0)
    bends = []
    for _ in range(500):
        Q = sample_pose(_Standing(), rng, mix).Q_roles
        for side in "LR":
            bend = Rotation.from_matrix(Q[ROLE[f"uarm{side}"]].T @ Q[ROLE[f"farm{side}"]])
            bends.append(np.degrees(bend.magnitude()))
    assert low < np.mean(np.array(bends) > 90) < high


def test_who_balances_stands_on_one_upright_leg_and_leans_up_to_a_right_angle():
    rng, mix = np.random.default_rng(6), PoseMix(0, 0, 0, free_arms=0.0, balancing=1.0, noisy=0.0)
    steepest, lean = [], []
    for _ in range(300):
        Q = sample_pose(_Standing(), rng, mix).Q_roles
        assert pytest.approx(np.tile(np.eye(3), (len(ROLES), 1, 1)), abs=1e-12) == Q @ np.swapaxes(Q, 1, 2)
        steepest.append(max(Q[ROLE["thighL"]][1, 1], Q[ROLE["thighR"]][1, 1]))
        lean.append(np.degrees(np.arccos(np.clip(Q[ROLE["chest"]][1, 1], -1, 1))))
    assert np.degrees(np.arccos(min(steepest))) <= 27  # 25 degrees forward and 10 aside
    assert 70 < max(lean) <= 98
    assert 30 < np.median(lean) < 55
