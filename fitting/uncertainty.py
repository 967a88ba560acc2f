"""How sure the fit is of every joint, from its own normal matrix.

The inverse of the Gauss-Newton matrix is the covariance of all unknowns at once. Only joints are asked for, so it is sampled:
with the factor H = L L^T, steps L^-T noise have exactly that covariance, and the joints they move have theirs. Focal
length and stature scale the whole scene and are added, and so is what lasts: where networks see the centre of a joint, and what
nobody knows of joints beyond the picture. CALIBRATION is what the model leaves out (errors that live longer than assumed,
motion with heavy tails); it was measured on half of the motion capture, see benchmarks/fitting.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from fitting import normal
from fitting.cholesky import Factor
from fitting.kinematics import Placed, joint_jacobian
from posecore.camera import Camera, beyond_picture, camera_to_image, way_beyond_px

Floats = NDArray[np.float64]
SAMPLES = 32
AVERAGED_FRAMES = 5  # variances of neighbouring frames are averaged: fewer samples do
LEAST_SIZE_M = 0.1  # of whom hardly a joint is in the picture
CALIBRATION = (0.55, 1.0)  # factors on the standard deviation in the image plane and in depth


def joint_sigma(L: Factor | None, placed: Placed, seed: int = 0) -> Floats:
    """(T, 21, 2) standard deviation in metres in image plane and depth, given camera and stature; NaN without a factor."""
    if L is None:
        return np.full((*placed.xyz_m.shape[:2], 2), np.nan)
    jacobian = joint_jacobian(placed)
    steps = normal.sample_steps(L, SAMPLES, np.random.default_rng(seed))
    moved = jacobian.reshape(len(jacobian), -1, steps.shape[1]) @ steps
    variance = np.mean(moved**2, axis=2).reshape(*jacobian.shape[:3])
    variance = uniform_filter1d(variance, min(AVERAGED_FRAMES, len(jacobian)), axis=0, mode="nearest")
    return np.sqrt(np.stack([variance[..., :2].mean(axis=2), variance[..., 2]], axis=-1)) * CALIBRATION


def add_scale(sigma_m: Floats, xyz_m: Floats, focal_sigma: float, stature_sigma: float) -> Floats:
    """Standard deviations with those of the focal length and of the stature (both relative) added in quadrature.

    A taller person of the same image is farther away in proportion, all coordinates growing; a longer lens moves the person
    away and leaves x and y.
    """
    across = stature_sigma * np.sqrt(np.mean(xyz_m[..., :2] ** 2, axis=-1))
    depth = np.hypot(stature_sigma, focal_sigma) * xyz_m[..., 2]
    return np.hypot(sigma_m, np.stack([across, depth], axis=-1))


def add_centres(sigma_m: Floats, xyz_m: Floats, camera: Camera, joint_sigma_m: float) -> Floats:
    """Standard deviations with what a network calls a joint lying `joint_sigma_m` from the real one's centre, for good.

    Every joint is off by so much itself. And somebody is as near as he looks large: joints in the picture that lie r from their
    middle, across the view, tell his size to joint_sigma_m / sqrt(sum r^2) of it, so half a body tells it worse.
    """
    inside = ~beyond_picture(camera_to_image(xyz_m, camera), camera)[..., None]
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    away = inside * (xyz_m[..., :2] - np.sum(inside * xyz_m[..., :2], axis=1, keepdims=True) / count)
    size_m = np.maximum(np.sqrt(np.sum(away**2, axis=(1, 2))), LEAST_SIZE_M)[:, None]
    depth = joint_sigma_m * np.hypot(1.0, xyz_m[..., 2] / size_m)
    return np.hypot(sigma_m, np.stack([np.full_like(depth, joint_sigma_m), depth], axis=-1))


def add_outside(sigma_m: Floats, xyz_m: Floats, camera: Camera, share: float) -> Floats:
    """Standard deviations with `share` of each joint's way beyond the picture's border added in quadrature.

    What a network says of joints out there is a guess from what is seen of the body, wrong in all frames alike: the farther
    from the picture, the worse. The same where a joint is in the picture or behind the camera.
    """
    beyond_m = way_beyond_px(camera_to_image(xyz_m, camera), camera) * xyz_m[..., 2] / np.mean(camera.focal_px)
    return np.hypot(sigma_m, share * beyond_m[..., None])
