"""Where the camera stands. Stage axes: y up; camera axes: OpenCV's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.camera import Camera

# The z-up world of docs/conventions.md to the stage, whose y is up.
T_STAGE_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
_DISTANCE_M, _LOOKING_DOWN_DEG = (1.8, 6.0), (10.0, 45.0)
_CROP_SPAN = (0.55, 0.88)  # of the crop's side, the longer side of the box of a person's joints


def look_at(eye_m: NDArray, target_m: NDArray, roll_deg: float = 0.0) -> NDArray[np.float64]:
    """(4, 4) T_camera_stage of a camera at eye_m (3,) that looks at target_m (3,), upright up to roll_deg."""
    forward = (target_m - eye_m) / np.linalg.norm(target_m - eye_m)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix() @ np.stack(
        [right, np.cross(forward, right), forward]
    )
    T[:3, 3] = -T[:3, :3] @ eye_m
    return T


def sample_eye(target_m: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """(3,) a place for the eye: 1.8 to 6 m around the target at any yaw, 0.25 to 3 m high, mostly chest high."""
    distance, yaw = rng.uniform(*_DISTANCE_M), rng.uniform(-np.pi, np.pi)
    eye = target_m + distance * np.array([np.sin(yaw), 0.0, np.cos(yaw)])
    eye[1] = np.clip(rng.normal(1.35, 0.5), 0.25, 3.0)
    return eye


def sample_high_eye(target_m: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """(3,) a place for an eye that looks down at the target by 10 to 45 degrees from 1.8 to 6 m, at any yaw."""
    distance, yaw, down = rng.uniform(*_DISTANCE_M), rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(*_LOOKING_DOWN_DEG))
    return target_m + distance * np.array([np.sin(yaw) * np.cos(down), np.sin(down), np.cos(yaw) * np.cos(down)])


def crop_camera(joints_m: NDArray, T_camera_stage: NDArray, size_px: int, rng: np.random.Generator) -> Camera:
    """The camera of a square crop around a person: focal length and a shifted principal point that place the joints."""
    xyz = joints_m @ T_camera_stage[:3, :3].T + T_camera_stage[:3, 3]
    xy = xyz[:, :2] / np.maximum(xyz[:, 2:], 0.1)
    low, high = xy.min(axis=0), xy.max(axis=0)
    extent = float((high - low).max())
    focal = size_px * rng.uniform(*_CROP_SPAN) / extent
    centre = (low + high) / 2 + extent * rng.uniform(-0.06, 0.06, 2)
    cx, cy = (size_px - 1) / 2 - focal * centre
    return Camera(np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1.0]]), (size_px, size_px), source="rendered crop")
