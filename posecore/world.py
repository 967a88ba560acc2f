"""One world for all people of a clip: z up, z = 0 on the floor, metres (docs/conventions.md).

A static camera shows gravity only indirectly: people stand more or less upright, cameras are held more or less level, and where
feet stand still they touch the floor. The first two give a guess of the vertical, the third a plane that corrects it.
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

STILL_SPEED_M_S = 0.35  # a foot slower than this across the viewing ray stands; a walking foot swings at 2 to 4 m/s
STILL_ALONG_M_S = 0.9  # along the ray, where one camera measures badly
STILL_TIME_S = 0.12  # shorter rests are turning points of a swing, not contacts
TOE_HEIGHT_M = 0.02  # of the toe joint above the sole
LOWER_FOOT_M = 0.15  # a standing foot is not further than this below the other one (a foot held in the air is)
CONTACT_SD_M = 0.04  # how well a contact lies on the plane
CAMERA_SD = (0.06, 0.35)  # what people do with cameras: tangents of roll and pitch, one standard deviation
BODY_SD = 0.15  # tangent of the angle between the mean line from ankles to neck and the vertical, one standard deviation
BODY_AT_MOST = 1.0  # tangent beyond which people are taken to lie or crouch; they say nothing about the vertical then
KNOWN_SD_SHARE = 0.5  # contacts count as fixing the tilt when they halve the standard deviation of the guess


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
    guess, precision, standing = _guess_slopes(motions)
    contacts = np.concatenate([np.empty((0, 3)), *(foot_contacts(motion) for motion in motions)])
    slope, height, known = fit_floor(contacts, guess, precision)
    pitch = -float(np.degrees(np.arctan(slope[1]))) + 0.0
    told = f"camera pitched {pitch:+.1f} degrees (positive looks down)"
    if known:
        source = f"floor through {len(contacts)} foot contacts, {told}"
    elif standing:
        source = f"how people stand, for {len(contacts)} foot contacts do not fix the floor's tilt; {told}"
    else:
        source, slope = "upright camera assumed: nobody stands in the clip", guess
    if not known:
        height = _lowest(motions, slope)
    return World(_world_transform(slope, height + TOE_HEIGHT_M, motions), source)


def _guess_slopes(motions: Sequence[Motion]) -> tuple[Floats, Floats, bool]:
    """Slopes (2,) of the floor y = h + slope . (x, z), their precisions (2,), and whether people had a say in them.

    A camera held level and people who stand upright, weighed by their standard deviations.
    """
    precision, total = np.array(CAMERA_SD) ** -2.0, np.zeros(2)
    up = np.concatenate([np.empty((0, 3)), *(_body_lines(motion) for motion in motions)])
    if not len(up):
        return np.zeros(2), precision, False
    mean = up.mean(axis=0)
    body = mean[[0, 2]] / max(-mean[1], 1e-6)  # up points along (slope_x, -1, slope_z)
    if np.linalg.norm(body) > BODY_AT_MOST:
        return np.zeros(2), precision, False
    total = total + body * BODY_SD**-2
    precision = precision + BODY_SD**-2
    return total / precision, precision, True


def _body_lines(motion: Motion) -> Floats:
    """(N, 3) unit vectors from between the ankles to the neck in the frames where they are known."""
    joint = load_skeleton("vnect21").index
    line = motion.xyz_m[:, joint("neck")] - motion.xyz_m[:, _feet("ankle")].mean(axis=1)
    line = line[np.isfinite(line).all(axis=1)]
    return line / np.maximum(np.linalg.norm(line, axis=1, keepdims=True), 1e-9)


def _lowest(motions: Sequence[Motion], slope: Floats) -> float:
    """Height (as fit_floor's) of the plane of this slope under nearly all toes; 1.5 m below the camera if there are none."""
    toes = np.concatenate([np.empty((0, 3)), *(motion.xyz_m[:, _feet("toe")].reshape(-1, 3) for motion in motions)])
    toes = toes[np.isfinite(toes).all(axis=1)]
    return float(np.percentile(toes[:, 1] - toes[:, [0, 2]] @ slope, 95)) if len(toes) else 1.5


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
        across, along = _speeds_m_s(xyz, motion.time_s)
        lower = xyz[:, 1] > np.fmax(other[:, 1], -np.inf) - LOWER_FOOT_M  # y points down
        for first, last in _runs((across < STILL_SPEED_M_S) & (along < STILL_ALONG_M_S) & lower):
            if motion.time_s[last] - motion.time_s[first] >= STILL_TIME_S:
                found.append(np.median(xyz[first : last + 1], axis=0)[None])
    return np.concatenate(found)


def fit_floor(contacts: Floats, guess: Floats, precision: Floats) -> tuple[Floats, float, bool]:
    """The plane y = height + slope[0] x + slope[1] z through (N, 3) contacts of the camera frame.

    Robust least squares (Cauchy weights) around the guessed slopes (2,) with their precisions (2,), so that contacts along a
    line still fix what they can. Returns slope (2,), height in metres, and whether the contacts fix the pitch.
    """
    if not len(contacts):
        return guess, 0.0, False
    A = np.column_stack([contacts[:, 0], contacts[:, 2], np.ones(len(contacts))])
    rest = contacts[:, 1] - A[:, :2] @ guess
    prior = np.diag([*precision, 0.0])
    weight = np.ones(len(contacts))
    for _ in range(30):
        normal = (A * weight[:, None]).T @ A / CONTACT_SD_M**2 + prior
        plane = np.linalg.solve(normal, (A * weight[:, None]).T @ rest / CONTACT_SD_M**2)
        weight = 1 / (1 + ((rest - A @ plane) / (2 * CONTACT_SD_M)) ** 2)
    pitch_sd = float(np.sqrt(np.linalg.inv(normal)[1, 1]))
    known = len(contacts) >= 4 and pitch_sd < KNOWN_SD_SHARE * precision[1] ** -0.5
    return np.asarray(guess + plane[:2], dtype=np.float64), float(plane[2]), bool(known)


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


def _speeds_m_s(xyz_m: Floats, time_s: Floats) -> tuple[Floats, Floats]:
    """(T,) speeds across and along the viewing ray by central differences; infinite where unknown."""
    if len(time_s) < 2:
        return np.full(len(time_s), np.inf), np.full(len(time_s), np.inf)
    velocity = np.gradient(xyz_m, time_s, axis=0)
    ray = xyz_m / np.linalg.norm(xyz_m, axis=1, keepdims=True)
    along = np.sum(velocity * ray, axis=1)
    across = np.linalg.norm(velocity - along[:, None] * ray, axis=1)
    return np.nan_to_num(across, nan=np.inf), np.nan_to_num(np.abs(along), nan=np.inf)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]
