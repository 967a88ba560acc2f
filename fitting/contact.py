"""Feet on the ground: found from the motion itself, and the floor they stand on.

A foot point (ankle or ball of the foot) rests while it is slow across the viewing ray, where a single camera measures well, and
not fast along it. Rests shorter than `contact_s` are chance. The floor is the plane through resting feet, found only if they
spread far enough to fix it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d

from fitting.body import load_body
from fitting.settings import FitSettings

Floats = NDArray[np.float64]
FEET = ("left_ankle", "left_toe", "right_ankle", "right_toe")
AVERAGED = 1.5  # velocities are averaged over so many shortest rests: one frame's is mostly noise
LIFTED_M = 0.10  # a foot that much higher than the lowest rests in the air
MOST_OFF_FLOOR = 0.3  # share of the resting feet that may miss the plane
INDEPENDENT = 30  # resting frames are hardly independent: together they count as at most so many
SOLE = (0.052, 0.018)  # height of ankle and ball joint over the ground, fractions of stature (mean of 188 adult anny bodies)


@dataclass(frozen=True)
class Floor:
    """Plane up . x = height_m in the camera's axes; up (3,) is a unit vector that points away from the ground.

    The tilt is known with covariance `tilt` (3, 3) of `up`, about the point `middle_m` (3,) amid the feet that gave the plane.
    """

    up: Floats
    height_m: float
    middle_m: Floats = field(default_factory=lambda: np.zeros(3))
    tilt: Floats = field(default_factory=lambda: np.zeros((3, 3)))

    def sigma_m(self, xyz_m: Floats, floor_sigma_m: float) -> Floats:
        """(...,) how well the floor's height is known under points (..., 3): the worse, the farther from its middle."""
        away = xyz_m - self.middle_m
        return np.sqrt(floor_sigma_m**2 + np.einsum("...i,ij,...j->...", away, self.tilt, away))


def foot_joints() -> list[int]:
    """Indices of the four foot points, in the order of FEET."""
    return load_body().skeleton.indices(FEET)


def find_contacts(xyz_m: Floats, time_s: Floats, joined: NDArray[np.bool_], settings: FitSettings) -> NDArray[np.bool_]:
    """(T - 1, 4) whether a foot point rests between a frame and the next."""
    feet = xyz_m[:, foot_joints()]
    if len(feet) < 3:
        return np.zeros((max(len(feet) - 1, 0), 4), dtype=bool)
    velocity = np.diff(feet, axis=0) / np.diff(time_s)[:, None, None]
    frames = max(round(settings.contact_s / np.median(np.diff(time_s))), 2)
    velocity = uniform_filter1d(velocity, max(int(AVERAGED * frames), 2), axis=0, mode="nearest")
    ray = feet[:-1] / np.linalg.norm(feet[:-1], axis=-1, keepdims=True)
    along = np.sum(velocity * ray, axis=-1)
    across = np.linalg.norm(velocity - along[..., None] * ray, axis=-1)
    still = (across < settings.still_mps) & (np.abs(along) < settings.still_along_mps) & joined[:, None]
    # the clip's first and last state are taken to go on, or erosion would eat the ends
    longer = np.pad(still, ((frames, frames), (0, 0)), mode="edge")
    closed = binary_closing(longer, np.ones((max(frames // 2, 2), 1), dtype=bool))
    return binary_opening(closed, np.ones((frames, 1), dtype=bool))[frames:-frames] & joined[:, None]


def find_floor(xyz_m: Floats, resting: NDArray[np.bool_], stature_m: float, settings: FitSettings) -> Floor | None:
    """The plane under the resting feet; None if they are too few or obey no plane.

    Only the lowest foot of a frame counts, and what is about as low: a foot may also rest in the air. Gauss-Newton on
    up . p - height = height of that joint over the sole, with Geman-McClure weights, from the body's own upward direction,
    which stays a prior of `floor_tilt_deg`: feet near to one line leave the tilt vague, and `Floor.sigma_m` says so.
    """
    feet, above, up = xyz_m[:-1, foot_joints()], stature_m * np.array(SOLE * 2), _body_up(xyz_m)
    sole = feet @ up - above
    carries = resting & (sole < sole.min(axis=1, keepdims=True) + LIFTED_M)
    feet, above = feet[carries], np.broadcast_to(above, carries.shape)[carries]
    if len(feet) < 3:
        return None
    middle = feet.mean(axis=0)
    height = float(np.median((feet - middle) @ up - above))
    prior = np.diag([1 / np.radians(settings.floor_tilt_deg) ** 2] * 2 + [0.0])
    start, turned = up, np.zeros(3)
    for _ in range(10):
        across = np.linalg.svd(up[None])[2][1:]
        slope = np.column_stack([(feet - middle) @ across.T, -np.ones(len(feet))])
        error = (feet - middle) @ up - above - height
        weight = 1 / (1 + (error / (3 * settings.floor_sigma_m)) ** 2) ** 2 / settings.floor_sigma_m**2
        weight *= min(1.0, INDEPENDENT / len(feet))
        turned[:2] = across @ (up - start)
        normal = (slope * weight[:, None]).T @ slope + prior
        move = np.linalg.solve(normal, -(slope * weight[:, None]).T @ error - prior @ turned)
        up = up + move[:2] @ across
        up, height = up / np.linalg.norm(up), height + move[2]
    tilt = np.linalg.inv(normal)[:2, :2]
    uneven = np.mean(np.abs(error) > 3 * settings.floor_sigma_m) > MOST_OFF_FLOOR
    if uneven or up @ start < np.cos(2 * np.radians(settings.floor_tilt_deg)):
        return None
    return Floor(up, float(height + middle @ up), middle, across.T @ tilt @ across)


def _body_up(xyz_m: Floats) -> Floats:
    """Mean direction from the ankles to the neck."""
    index = load_body().skeleton.index
    ankles = xyz_m[:, [index("left_ankle"), index("right_ankle")]].mean(axis=1)
    up = (xyz_m[:, index("neck")] - ankles).mean(axis=0)
    return up / np.linalg.norm(up)
