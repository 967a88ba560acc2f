"""In which frame a file is written, and the two ways programs hold their axes.

frame "world":  gravity up, the floor at zero, one world for all people (posecore/world.py)
frame "camera": a level camera at the origin: x right, up is up in the picture, the people in front of it

Z-up files (C3D) have y away from the camera; y-up files (BVH, GLB, TRC) have -z away from it, as OpenGL has it and Blender's
importers expect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.camera import world_to_camera
from posecore.errors import ConfigError
from posecore.world import World

Floats = NDArray[np.float64]
FRAMES = ("world", "camera")
R_YUP_ZUP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)


def z_up_from_camera(frame: str, world: World) -> Floats:
    """T (4, 4) from the camera's axes to the z-up axes of `frame`. ConfigError for an unknown frame."""
    if frame == "world":
        return world.T_world_camera
    if frame == "camera":
        return np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    raise ConfigError(f"no frame '{frame}'; choose world (gravity up, floor at zero) or camera")


def y_up_from_camera(frame: str, world: World) -> Floats:
    """T (4, 4) from the camera's axes to the y-up axes of `frame`. ConfigError for an unknown frame."""
    turn = np.eye(4)
    turn[:3, :3] = R_YUP_ZUP
    return turn @ z_up_from_camera(frame, world)


def transform(xyz_m: ArrayLike, T: Floats) -> Floats:
    """(..., 3) points by a rigid (4, 4) transform."""
    return world_to_camera(xyz_m, T)
