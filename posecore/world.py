"""One world for all people of a clip: z up, z = 0 on the floor, metres (docs/conventions.md).

A static camera shows gravity only indirectly. Where feet stand still they touch the floor; a plane through these contacts gives
the floor and with it the vertical. Where the contacts do not fix the plane, the camera is taken to be upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.camera import world_to_camera
from posecore.skeleton import load_skeleton
from posecore.types import Motion

Floats = NDArray[np.float64]

STILL_SPEED_M_S = 0.35  # a foot slower than this stands; a walking foot swings at 2 to 4 m/s
STILL_TIME_S = 0.12  # shorter rests are turning points of a swing, not contacts
TOE_HEIGHT_M = 0.02  # of the toe joint above the sole
LOWER_FOOT_M = 0.15  # a standing foot is not further than this above the other one (a foot held in the air is)
CONTACT_SD_M = 0.04  # how well a contact lies on the plane
TILT_SD = (0.05, 0.25)  # what people do with cameras: tangents of roll and pitch, one standard deviation
KNOWN_SD_SHARE = 0.5  # the contacts count as fixing the tilt when they halve that standard deviation


@dataclass(frozen=True)
class World:
    """T_world_camera (4, 4) and where gravity came from, in words. x right, y away from the camera, z up; the origin lies on
    the floor below the first place of the first person."""

    T_world_camera: Floats
    source: str

    def points(self, xyz_camera_m: ArrayLike) -> Floats:
        """(..., 3) camera points to the world."""
        return world_to_camera(xyz_camera_m, self.T_world_camera)

    @property
    def T_camera_world(self) -> Floats:
        """The inverse."""
        return np.asarray(np.linalg.inv(self.T_world_camera), dtype=np.float64)


def estimate_world(motions: Sequence[Motion]) -> World:
    """The world of a clip from its people's fitted motions (camera frame)."""
    contacts = [foot_contacts(motion) for motion in motions]
    points = np.concatenate([np.empty((0, 3)), *contacts])
    slope, height, known = fit_floor(points)
    if known:
        pitch = float(-np.degrees(np.arctan(slope[1])))
        source = f"floor through {len(points)} foot contacts, camera pitched {pitch:+.1f} degrees (positive looks down)"
        return World(_world_transform(slope, height + TOE_HEIGHT_M, motions), source)
    toes = [motion.xyz_m[:, _feet("toe"), 1].ravel() for motion in motions]
    below = np.concatenate([np.empty(0), *toes])
    below = below[np.isfinite(below)]
    height = float(np.percentile(below, 95)) if len(below) else 1.5
    source = f"upright camera assumed ({len(points)} foot contacts do not fix the floor's tilt)"
    return World(_world_transform(np.zeros(2), height + TOE_HEIGHT_M, motions), source)


def upright_world(camera_height_m: float) -> World:
    """The world of a level camera at this height, for when nothing was seen yet; the origin lies below the camera."""
    T = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, camera_height_m], [0, 0, 0, 1]])
    return World(T, f"upright camera assumed, {camera_height_m:g} m above the floor")


def foot_contacts(motion: Motion) -> Floats:
    """(N, 3) places in the camera frame where a toe stood still on the ground, one for each time it did."""
    toes = motion.xyz_m[:, _feet("toe")]
    found = [np.empty((0, 3))]
    for foot in (0, 1):
        xyz, other = toes[:, foot], toes[:, 1 - foot]
        speed = _speed_m_s(xyz, motion.time_s)
        lower = xyz[:, 1] > np.fmax(other[:, 1], -np.inf) - LOWER_FOOT_M  # y points down
        standing = np.nan_to_num(speed, nan=np.inf) < STILL_SPEED_M_S
        for first, last in _runs(standing & lower):
            if motion.time_s[last] - motion.time_s[first] >= STILL_TIME_S:
                found.append(np.median(xyz[first : last + 1], axis=0)[None])
    return np.concatenate(found)


def fit_floor(contacts: Floats) -> tuple[Floats, float, bool]:
    """The plane y = height + slope[0] x + slope[1] z through (N, 3) contacts of the camera frame.

    Robust least squares (Cauchy weights) with the prior TILT_SD on the slopes, so that contacts along a line still fix what
    they can. Returns slope (2,), height in metres, and whether the pitch is known better than from the prior alone.
    """
    if len(contacts) < 4:
        return np.zeros(2), 0.0, False
    A = np.column_stack([contacts[:, 0], contacts[:, 2], np.ones(len(contacts))])
    prior = np.diag([TILT_SD[0] ** -2, TILT_SD[1] ** -2, 0.0])
    weight = np.ones(len(contacts))
    for _ in range(30):
        normal = (A * weight[:, None]).T @ A / CONTACT_SD_M**2 + prior
        plane = np.linalg.solve(normal, (A * weight[:, None]).T @ contacts[:, 1] / CONTACT_SD_M**2)
        weight = 1 / (1 + ((contacts[:, 1] - A @ plane) / (2 * CONTACT_SD_M)) ** 2)
    pitch_sd = float(np.sqrt(np.linalg.inv(normal)[1, 1]))
    return np.asarray(plane[:2], dtype=np.float64), float(plane[2]), pitch_sd < KNOWN_SD_SHARE * TILT_SD[1]


def _world_transform(slope: Floats, height_m: float, motions: Sequence[Motion]) -> Floats:
    """T_world_camera of the floor y = height + slope . (x, z)."""
    up = np.array([slope[0], -1.0, slope[1]]) / np.sqrt(1 + slope @ slope)
    forward = np.array([0.0, 0, 1]) - up * up[2]
    forward /= np.linalg.norm(forward)  # a plane y = f(x, z) is never square to the viewing direction
    R = np.stack([np.cross(forward, up), forward, up])
    root = _first_root(motions)
    on_floor = root - up * (up @ (root - np.array([0, height_m, 0])))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ on_floor
    return T


def _first_root(motions: Sequence[Motion]) -> Floats:
    """First known pelvis of the person with the smallest number; a place in front of the camera if there is nobody."""
    pelvis = load_skeleton("vnect21").root
    for motion in sorted(motions, key=lambda motion: motion.person):
        known = motion.xyz_m[np.isfinite(motion.xyz_m[:, pelvis]).all(axis=1), pelvis]
        if len(known):
            return known[0]
    return np.array([0.0, 0.0, 4.0])


def _feet(part: str) -> list[int]:
    return load_skeleton("vnect21").indices([f"right_{part}", f"left_{part}"])


def _speed_m_s(xyz_m: Floats, time_s: Floats) -> Floats:
    """(T,) speed by central differences."""
    if len(time_s) < 2:
        return np.full(len(time_s), np.nan)
    return np.linalg.norm(np.gradient(xyz_m, time_s, axis=0), axis=1)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]
