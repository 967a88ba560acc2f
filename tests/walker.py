"""A person who walks over a floor: exact joints, rotations and footsteps, for tests of whatever takes a Motion."""

import numpy as np
from scipy.spatial.transform import Rotation

from posecore.camera import camera_from_fov, camera_to_image
from posecore.skeleton import load_skeleton
from posecore.types import Motion, Source

SKELETON = load_skeleton("vnect21")
CAMERA = camera_from_fov((640, 480), 50.0, "test")
THIGH_M, SHANK_M, HIP_HEIGHT_M, STEP_M, STEP_S = 0.43, 0.42, 0.88, 0.50, 0.50

# Rest pose: standing, arms down; body axes as in the fit: x to the person's left, y up, z forward. Offset of every joint from
# its parent in metres, left side and middle.
REST = {
    "spine": (0, 0.25, 0),
    "neck": (0, 0.27, 0),
    "head": (0, 0.12, 0.02),
    "head_top": (0, 0.14, 0),
    "hip": (0.10, -0.02, 0),
    "knee": (0, -THIGH_M, 0),
    "ankle": (0, -SHANK_M, 0),
    "toe": (0, -0.06, 0.16),
    "shoulder": (0.18, -0.03, 0),
    "elbow": (0, -0.28, 0),
    "wrist": (0, -0.25, 0),
    "hand": (0, -0.09, 0),
}
R_WORLD_BODY = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])  # of a person who faces +y of the world


def rest_offsets() -> np.ndarray:
    """(21, 3) offsets from the parent in the rest pose, body axes."""
    out = np.zeros((len(SKELETON), 3))
    for j, joint in enumerate(SKELETON.joints):
        if j != SKELETON.root:
            part = joint.removeprefix("left_").removeprefix("right_")
            out[j] = np.array(REST[part]) * ([-1, 1, 1] if joint.startswith("right_") else [1, 1, 1])
    return out


def camera_pose(height_m: float = 1.4, pitch_deg: float = 10.0, roll_deg: float = 0.0) -> np.ndarray:
    """T_camera_world of a camera at (0, 0, height) that looks along +y and down by the pitch."""
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    R = Rotation.from_euler("zx", [roll_deg, pitch_deg], degrees=True).as_matrix() @ level
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ np.array([0, 0, height_m])
    return T


def walk(
    rows: int = 60,
    fps: float = 30.0,
    start_xy: tuple[float, float] = (-1.0, 5.0),
    heading_deg: float = -60.0,
    T_camera_world: np.ndarray | None = None,
    person: int = 1,
    first_frame: int = 0,
) -> Motion:
    """A walking person's Motion in the camera frame; heading 0 walks away from the camera, -90 to its right."""
    T = camera_pose() if T_camera_world is None else T_camera_world
    time_s = (first_frame + np.arange(rows)) / fps
    local = _local_rotations(time_s)
    facing = Rotation.from_euler("z", heading_deg, degrees=True)
    path = np.column_stack([np.zeros(rows), STEP_M / STEP_S * time_s, np.full(rows, HIP_HEIGHT_M + 0.02)])
    root = facing.apply(path) + np.array([*start_xy, 0])
    local[:, SKELETON.root] = (Rotation.from_matrix(T[:3, :3]) * facing * Rotation.from_matrix(R_WORLD_BODY)).as_quat()
    xyz = forward(root @ T[:3, :3].T + T[:3, 3], local, rest_offsets())
    bones = np.linalg.norm(rest_offsets(), axis=1)
    sigma = np.broadcast_to([0.02, 0.05], (rows, len(SKELETON), 2)).copy()
    source = np.full((rows, len(SKELETON)), Source.MEASURED, dtype=np.uint8)
    frame = first_frame + np.arange(rows)
    return Motion(person, frame, time_s, xyz, local, bones, camera_to_image(xyz, CAMERA), sigma, source)


def forward(root_m: np.ndarray, local_xyzw: np.ndarray, offset_m: np.ndarray) -> np.ndarray:
    """Plain forward kinematics, the fit's convention: x_j = x_parent + R_j offset_j with R_j = R_parent q_j; (T, 21, 3)."""
    xyz = np.zeros((len(root_m), len(SKELETON), 3))
    turn: dict[int, Rotation] = {}
    for j in SKELETON.order:
        p = SKELETON.parent[j]
        own = Rotation.from_quat(local_xyzw[:, j])
        turn[j] = own if j == p else turn[p] * own
        xyz[:, j] = root_m if j == p else xyz[:, p] + turn[j].apply(offset_m[j])
    return xyz


def _local_rotations(time_s: np.ndarray) -> np.ndarray:
    """(T, 21, 4): legs by two-bone inverse kinematics of planted feet, arms that swing, soles parallel to the floor."""
    local = np.zeros((len(time_s), len(SKELETON), 4))
    local[..., 3] = 1
    for side, shift in (("right", 0.0), ("left", 1.0)):
        ahead, lift = _foot_path(time_s / STEP_S + shift)
        down = HIP_HEIGHT_M - 0.08 - lift
        reach = np.clip(np.hypot(ahead, down), 0.1, 0.999 * (THIGH_M + SHANK_M))
        knee = np.arccos((THIGH_M**2 + SHANK_M**2 - reach**2) / (2 * THIGH_M * SHANK_M)) - np.pi
        thigh_in = np.arccos((THIGH_M**2 + reach**2 - SHANK_M**2) / (2 * THIGH_M * reach))
        hip = np.arctan2(ahead, down) + thigh_in
        swing = -0.5 * np.sin(np.pi * (time_s / STEP_S + shift))
        forwards = {"knee": hip, "ankle": knee, "toe": -hip - knee, "elbow": swing, "wrist": np.full(len(time_s), 0.4)}
        for joint, angle in forwards.items():  # the bone that ends in the joint swings forwards about the person's right
            local[:, SKELETON.index(f"{side}_{joint}")] = Rotation.from_euler("x", -angle[:, None]).as_quat()
    return local


def _foot_path(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far ahead of the hip and how high a foot is; it stands for one step and swings for the next."""
    phase = step % 2
    standing = phase < 1
    ahead = np.where(standing, 0.5 - phase, (phase - 1) - 0.5) * STEP_M
    return ahead, np.where(standing, 0, 0.12 * np.sin(np.pi * (phase - 1)))
