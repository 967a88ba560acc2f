"""A person performing a take on the floor: planted feet stay where they are, nobody floats or sinks. Stage axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, minimum_filter1d
from scipy.spatial.transform import Rotation

from training.synthetic.people import SOLE_M, Person, Troupe
from training.synthetic.rendered import JOINTS
from training.synthetic.takes import Take, steer

Floats = NDArray[np.float64]

_PELVIS = JOINTS.index("pelvis")
_FEET = [JOINTS.index(f"{side}_{joint}") for joint in ("ankle", "toe") for side in ("left", "right")]
_PLANTED_M = 0.015  # a foot joint this far above its lowest is half planted
_SOURCE_WEIGHT = 0.02  # of the take's own velocity against that of planted feet: it rules only in flight
_FLIGHT_M = 0.04  # lower gaps under the feet come from retargeting, higher ones are jumps


@dataclass(frozen=True)
class Performance:
    """A person's poses over T frames: T_bones (T, B, 3, 4), joints_m (T, 26, 3)."""

    person: Person
    T_bones: Floats
    joints_m: Floats

    def __len__(self) -> int:
        return len(self.joints_m)

    def moved(self, offset_m: Floats) -> Performance:
        """Shifted by offset_m, (3,) or (T, 3)."""
        offset = np.broadcast_to(offset_m, (len(self), 3))
        T = self.T_bones.copy()
        T[..., 3] += offset[:, None]
        return Performance(self.person, T, self.joints_m + offset[:, None])

    def turned(self, yaw: Floats) -> Performance:
        """Every frame turned about the vertical through the origin by yaw (T,)."""
        R = Rotation.from_rotvec(np.broadcast_to(yaw, (len(self),))[:, None] * [0.0, 1.0, 0.0]).as_matrix()
        joints = np.einsum("tij,tkj->tki", R, self.joints_m)
        return Performance(self.person, np.einsum("tij,tbjk->tbik", R, self.T_bones), joints)


@dataclass(frozen=True)
class Rehearsal:
    """A person's poses of a take around the pelvis, not yet anywhere on the floor; source_m_s (T, 3): the take's velocity."""

    around: Performance
    source_m_s: Floats
    height_m: Floats
    rate_hz: float

    def perform(self) -> Performance:
        """On the floor, the first pelvis over the origin."""
        return self._go(self.around, self.source_m_s, np.zeros(3))

    def walk(self, waypoints_m: Floats) -> Performance:
        """On the floor, the way bent to visit waypoints (N, 3) in turn; it begins at the last of them."""
        start = waypoints_m[-1] * [1.0, 0.0, 1.0]
        velocity = planted_velocity(self.around.joints_m, self.source_m_s, self.rate_hz)
        yaw = steer(velocity, start, waypoints_m, self.rate_hz)
        turn = Rotation.from_rotvec(yaw[:, None] * [0.0, 1.0, 0.0])
        return self._go(self.around.turned(yaw), turn.apply(self.source_m_s), start)

    def _go(self, scene: Performance, source_m_s: Floats, start_m: Floats) -> Performance:
        velocity = planted_velocity(scene.joints_m, source_m_s, self.rate_hz)
        steps = (velocity[1:] + velocity[:-1]) / (2 * self.rate_hz)
        root = start_m + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        root[:, 1] = self.height_m
        return scene.moved(root)


def rehearse(troupe: Troupe, person: Person, take: Take, curl: Mapping[int, NDArray], rate_hz: float) -> Rehearsal:
    """Pose a person through a take at rate_hz; curl: rotations of the finger bones."""
    poses = [troupe.pose(person, Q, curl) for Q in take.rotations()]
    poses = [pose.moved(-pose.joints_m[_PELVIS]) for pose in poses]
    lowest = np.array([pose.lowest_m for pose in poses])
    scale = _root_scale(lowest, take.root_m[:, 1])
    height = pelvis_height(lowest, scale * take.root_m[:, 1], rate_hz) + SOLE_M
    around = Performance(person, np.stack([pose.T_bones for pose in poses]), np.stack([pose.joints_m for pose in poses]))
    return Rehearsal(around, scale * np.gradient(take.root_m, 1 / rate_hz, axis=0), height, rate_hz)


def _root_scale(lowest_m: Floats, source_y: Floats) -> float:
    """Metres of this body per length unit of the take: the ratio of their usual pelvis heights."""
    return float(np.median(-lowest_m) / np.median(source_y))


def planted_velocity(joints_m: Floats, source_m_s: Floats, rate_hz: float) -> Floats:
    """(T, 3) horizontal velocity of the pelvis that keeps planted feet in place.

    joints_m (T, 26, 3): poses around the pelvis; source_m_s (T, 3): the take's own velocity, used where no foot is planted.
    A foot joint counts by how little it is above its own lowest height, relative to the lowest joint of that frame.
    """
    feet = joints_m[:, _FEET]
    rest = np.percentile(feet[..., 1], 5, axis=0)
    above = feet[..., 1] - rest
    above = above - above.min(axis=1, keepdims=True)
    weight = np.exp(-((above / _PLANTED_M) ** 2) / 2)
    moving = -np.gradient(feet, 1 / rate_hz, axis=0)
    # Planted feet agree with each other and with the take; a joint that swings through low does not.
    agrees = np.exp(-(np.linalg.norm((moving - source_m_s[:, None])[..., [0, 2]], axis=-1) ** 2) / (2 * 0.5**2))
    weight = gaussian_filter1d(weight * agrees, rate_hz / 30, axis=0, mode="nearest")[..., None]
    mixed = ((weight * moving).sum(axis=1) + _SOURCE_WEIGHT * source_m_s) / (weight.sum(axis=1) + _SOURCE_WEIGHT)
    return mixed * [1.0, 0.0, 1.0]


def pelvis_height(lowest_m: Floats, source_y_m: Floats, rate_hz: float) -> Floats:
    """(T,) pelvis height that keeps the lowest point on the floor except in a jump.

    lowest_m (T,): lowest point relative to the pelvis; source_y_m (T,): the take's pelvis height. The floor under the take is
    the lower envelope over 0.8 s; what rises more than a few centimetres above it is a flight.
    """
    low = lowest_m + source_y_m
    floor = gaussian_filter1d(minimum_filter1d(low, max(3, int(0.8 * rate_hz)), mode="nearest"), rate_hz / 6, mode="nearest")
    flight = np.maximum(low - floor - _FLIGHT_M, 0.0)
    return gaussian_filter1d(flight - lowest_m, rate_hz / 30, mode="nearest")
