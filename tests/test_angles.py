"""Joint angles by their definitions: poses made by turning one joint, and invariances."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.export.angles import joint_angles_deg
from tests.walker import SKELETON, forward, rest_offsets, walk

CASES = [
    # the bone that is turned (by the joint it ends in), rotation vector in degrees (x left, y up, z forward), angle, value
    ("left_ankle", (40, 0, 0), "left_knee_flexion_deg", 40),
    ("right_ankle", (75, 0, 0), "right_knee_flexion_deg", 75),
    ("left_knee", (-30, 0, 0), "left_hip_flexion_deg", 30),
    ("right_knee", (20, 0, 0), "right_hip_flexion_deg", -20),
    ("left_knee", (0, 0, 25), "left_hip_abduction_deg", 25),
    ("right_knee", (0, 0, -25), "right_hip_abduction_deg", 25),
    ("left_elbow", (-60, 0, 0), "left_shoulder_elevation_deg", 60),
    ("left_elbow", (-60, 0, 0), "left_shoulder_plane_deg", 90),
    ("left_elbow", (0, 0, 80), "left_shoulder_plane_deg", 0),
    ("right_elbow", (0, 0, -80), "right_shoulder_plane_deg", 0),
    ("right_elbow", (30, 0, 0), "right_shoulder_plane_deg", -90),
    ("right_elbow", (0, 0, -80), "right_shoulder_elevation_deg", 80),
    ("left_wrist", (-90, 0, 0), "left_elbow_flexion_deg", 90),
    ("right_hand", (0, 0, 30), "right_wrist_bend_deg", 30),
    ("neck", (0, 35, 0), "trunk_left_turn_deg", 35),
    ("neck", (20, 0, 0), "trunk_forward_tilt_deg", 20),
    ("neck", (0, 0, 15), "trunk_right_side_down_deg", 15),
    ("pelvis", (10, 0, 0), "pelvis_forward_tilt_deg", 10),
    ("pelvis", (0, 0, 10), "pelvis_right_side_down_deg", 10),
    ("pelvis", (0, 50, 0), "pelvis_heading_deg", 50),
]


def pose(turns: dict[str, tuple[float, float, float]]) -> np.ndarray:
    """(1, 21, 3) rest pose with bones turned, y up."""
    local = np.zeros((1, len(SKELETON), 4))
    local[..., 3] = 1
    for joint, degrees in turns.items():
        local[0, SKELETON.index(joint)] = Rotation.from_rotvec(np.radians(degrees)).as_quat()
    return forward(np.zeros((1, 3)), local, rest_offsets())


@pytest.mark.parametrize(("joint", "turn", "angle", "expected"), CASES)
def test_one_turned_bone_is_one_angle(joint: str, turn: tuple, angle: str, expected: float) -> None:
    rest, turned = joint_angles_deg(pose({})), joint_angles_deg(pose({joint: turn}))
    assert turned[angle][0] == pytest.approx(expected, abs=1e-9)
    if not angle.endswith("plane_deg"):
        assert rest[angle][0] == pytest.approx(0, abs=1e-9)


def test_hanging_arms_have_no_plane_of_elevation() -> None:
    assert np.isnan(joint_angles_deg(pose({}))["left_shoulder_plane_deg"]).all()


def test_toes_up_is_dorsiflexion_and_chin_down_is_flexion() -> None:
    rest, up = joint_angles_deg(pose({})), joint_angles_deg(pose({"left_toe": (-12, 0, 0), "head": (25, 0, 0)}))
    assert up["left_ankle_dorsiflexion_deg"][0] - rest["left_ankle_dorsiflexion_deg"][0] == pytest.approx(12)
    assert up["neck_flexion_deg"][0] > rest["neck_flexion_deg"][0] + 10


def test_joint_angles_do_not_depend_on_where_and_how_a_person_stands() -> None:
    xyz = walk(30).xyz_m * [1, -1, -1]
    turn = Rotation.from_euler("YXZ", [70, 20, -35], degrees=True)
    moved = np.array([1.0, 2, 3]) + turn.apply(xyz.reshape(-1, 3)).reshape(xyz.shape)
    before, after = joint_angles_deg(xyz), joint_angles_deg(moved)
    for name in before:
        if not name.startswith(("pelvis_", "trunk_heading", "trunk_forward", "trunk_right")):
            np.testing.assert_allclose(after[name], before[name], atol=1e-9, err_msg=name)


def test_mirroring_a_person_swaps_the_sides() -> None:
    xyz = walk(20).xyz_m * [1, -1, -1]
    mirrored = (xyz * [-1, 1, 1])[:, SKELETON.mirror]
    before, after = joint_angles_deg(xyz), joint_angles_deg(mirrored)
    for name in before:
        if name.startswith("left_"):
            np.testing.assert_allclose(after[name], before["right_" + name[5:]], atol=1e-9, err_msg=name)


def test_a_pirouette_is_counted_on() -> None:
    turns = np.linspace(0, 720, 100)
    spin = np.concatenate([pose({"pelvis": (0, angle, 0)}) for angle in turns])
    spin[40:45] = np.nan
    heading = joint_angles_deg(spin)["pelvis_heading_deg"]
    known = np.isfinite(heading)
    np.testing.assert_allclose(heading[known] - heading[0], turns[known], atol=1e-6)
    assert (~known).sum() == 5
