"""Smooth made-up motions of the fit's body before a camera, and what perfect or poor networks would see of them."""

import numpy as np

from fitting.body import load_body
from fitting.kinematics import Pose, place, rest_pose, step
from fitting.solve import prior_lengths
from posecore.camera import Camera, camera_from_fov, camera_to_image
from posecore.scale import person_scale
from posecore.types import Track

BODY = load_body()
HEIGHT_M = 1.75
CAMERA = camera_from_fov((1280, 720), 54.0, "true")


def swaying_pose(time_s: np.ndarray, seed: int = 0) -> Pose:
    """Every angle swings within its range at 0.2 to 0.6 Hz; the root sways by decimetres, 4 m away."""
    rng = np.random.default_rng(seed)
    pose = rest_pose(len(time_s))
    pose.angle_rad[:] = [hinge.mean_rad for hinge in BODY.hinges]
    size = np.full(BODY.dofs, 0.2)
    size[:6] = [0.3, 0.1, 0.3, 0.1, 0.6, 0.1]
    size[BODY.hinge_dof] = [0.35 * min(h.mean_rad - h.range_rad[0], h.range_rad[1] - h.mean_rad) for h in BODY.hinges]
    phase, speed = rng.uniform(0, 2 * np.pi, BODY.dofs), 2 * np.pi * rng.uniform(0.2, 0.6, BODY.dofs)
    moved = step(pose, size * np.sin(speed * time_s[:, None] + phase))
    moved.root_m[:, 2] += 4.0
    return moved


def truth(time_s: np.ndarray, seed: int = 0) -> np.ndarray:
    """(T, 21, 3) joints of the swaying body in the camera."""
    return place(swaying_pose(time_s, seed), prior_lengths(HEIGHT_M)).xyz_m


def seen(
    xyz_m: np.ndarray,
    time_s: np.ndarray,
    noise_px: float = 0.0,
    noise_m: float = 0.0,
    seed: int = 1,
    camera: Camera = CAMERA,
    height_m: float = HEIGHT_M,
) -> Track:
    """The track of networks with independent errors of these sizes, of somebody of this stature."""
    rng, scale = np.random.default_rng(seed), person_scale(height_m)
    xy = camera_to_image(xyz_m, camera) + noise_px * rng.standard_normal((*xyz_m.shape[:2], 2))
    local = xyz_m - xyz_m[:, [BODY.skeleton.root]] + noise_m * rng.standard_normal(xyz_m.shape)
    sigma = np.full((*xyz_m.shape[:2], 2), max(noise_m, 0.03) / scale)
    return Track(7, np.arange(len(xyz_m)), time_s, xy, np.full(xyz_m.shape[:2], 0.9), local / scale, sigma)
