"""Long takes out of short ones: clips joined where poses match, resampled to any frame rate, walks bent along waypoints.

A take is (T, 21, 4) role quaternions xyzw, continuous in sign, and (T, 3) root positions; stage axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from posecore.errors import InputError
from training.synthetic.motion import RATE_HZ, MotionBank, MotionClip
from training.synthetic.retarget import ROLE

Floats = NDArray[np.float64]

_OVERLAP = 12  # frames over which one clip fades into the next: 0.4 s
_TURN_RATE_MAX = np.radians(75.0)  # rad/s, a brisk turn while walking
_ARRIVED_M = 0.5  # a waypoint counts as reached within this distance
_STRIDE_S = 1 / 3  # blur that leaves of a walk's velocity only where it leads


@dataclass(frozen=True)
class Take:
    """quaternion_xyzw (T, 21, 4); root_m (T, 3)."""

    quaternion_xyzw: Floats
    root_m: Floats

    def __len__(self) -> int:
        return len(self.root_m)

    def cut(self, start: int, stop: int) -> Take:
        """Frames start..stop-1."""
        return Take(self.quaternion_xyzw[start:stop], self.root_m[start:stop])

    def rotations(self) -> Floats:
        """(T, 21, 3, 3) role rotations."""
        q = self.quaternion_xyzw
        return Rotation.from_quat(q.reshape(-1, 4)).as_matrix().reshape(*q.shape[:2], 3, 3)


def clip_take(clip: MotionClip) -> Take:
    """A captured clip as a take."""
    q = Rotation.from_matrix(clip.smooth_rotations().reshape(-1, 3, 3)).as_quat().reshape(len(clip), -1, 4)
    return Take(_continuous(q), clip.root_m.astype(np.float64))


def _continuous(q: Floats) -> Floats:
    """The same rotations with every quaternion on the side of the one before it."""
    flips = np.where((q[1:] * q[:-1]).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    return np.concatenate([q[:1], q[1:] * np.cumprod(flips, axis=0)])


def _normalised(q: Floats) -> Floats:
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def resample(take: Take, rate_hz: float, frames: int) -> Take:
    """The first `frames` frames at `rate_hz` of a take at 30 Hz; neighbours are interpolated linearly, then normalised."""
    at = np.minimum(np.arange(frames) * RATE_HZ / rate_hz, len(take) - 1)
    i = np.minimum(at.astype(int), len(take) - 2)
    w = (at - i)[:, None]
    root = (1 - w) * take.root_m[i] + w * take.root_m[i + 1]
    q = (1 - w[..., None]) * take.quaternion_xyzw[i] + w[..., None] * take.quaternion_xyzw[i + 1]
    return Take(_normalised(q), root)


def heading(quaternion_xyzw: Floats) -> Floats:
    """(...,) yaw of the pelvis in radians, 0 when it faces +z, positive towards +x."""
    q = quaternion_xyzw[..., ROLE["pelvis"], :]
    forward = Rotation.from_quat(q.reshape(-1, 4)).apply([0.0, 0.0, 1.0]).reshape(*q.shape[:-1], 3)
    return np.arctan2(forward[..., 0], forward[..., 2])


def turned(take: Take, yaw: float | Floats) -> Take:
    """The take with every frame turned about the vertical through the stage's origin by `yaw`, one angle or (T,)."""
    yaws = np.broadcast_to(np.asarray(yaw, dtype=np.float64), (len(take),))
    turn = Rotation.from_rotvec(yaws[:, None] * [0.0, 1.0, 0.0])
    roles = take.quaternion_xyzw.shape[1]
    q = Rotation.from_quat(np.repeat(turn.as_quat(), roles, axis=0)) * Rotation.from_quat(take.quaternion_xyzw.reshape(-1, 4))
    return Take(_continuous(q.as_quat().reshape(-1, roles, 4)), turn.apply(take.root_m))


def join(first: Take, second: Take, overlap: int = _OVERLAP) -> Take:
    """`second` after `first`: turned and moved to go on where it ends, faded over `overlap` frames."""
    second = turned(second, float(heading(first.quaternion_xyzw[-overlap]) - heading(second.quaternion_xyzw[0])))
    shift = (first.root_m[-overlap] - second.root_m[0]) * [1.0, 0.0, 1.0]
    w = (0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 1) / (overlap + 1)))[:, None]
    a, b = first.quaternion_xyzw[-overlap:], second.quaternion_xyzw[:overlap]
    b = b * np.where((a * b).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    faded = _normalised((1 - w[..., None]) * a + w[..., None] * b)
    root = (1 - w) * first.root_m[-overlap:] + w * (second.root_m[:overlap] + shift)
    q = np.concatenate([first.quaternion_xyzw[:-overlap], faded, second.quaternion_xyzw[overlap:]])
    return Take(_continuous(q), np.concatenate([first.root_m[:-overlap], root, second.root_m[overlap:] + shift]))


def _best_start(tail: Take, candidate: Take) -> tuple[float, int]:
    """(mean distance, frame) where a candidate's first half looks most like the beginning of the tail's fade.

    The distance is 1 - |q . q'| of all roles, relative to the pelvis's heading, at both ends of the fade.
    """
    level = turned(tail, -float(heading(tail.quaternion_xyzw[0]))).quaternion_xyzw
    starts = range(0, max(1, len(candidate) // 2 - _OVERLAP), 2)
    costs = []
    for start in starts:
        piece = candidate.cut(start, start + _OVERLAP)
        other = turned(piece, -float(heading(piece.quaternion_xyzw[0]))).quaternion_xyzw
        costs.append(sum(float((1 - np.abs((level[k] * other[k]).sum(axis=-1))).mean()) for k in (0, -1)))
    return min(costs), int(starts[int(np.argmin(costs))])


def long_take(bank: MotionBank, category: str, frames: int, rng: np.random.Generator) -> Take:
    """At least `frames` frames at 30 Hz of one kind of motion, from as many clips as it needs. InputError if it is unknown."""
    clips = [clip for clip in bank.of(category) if len(clip) > 3 * _OVERLAP]
    if not clips:
        raise InputError(f"no motion '{category}' in this part of the pack; there are {', '.join(bank.categories)}")
    takes = [clip_take(clips[i]) for i in rng.permutation(len(clips))[:8]]
    take = takes[0]
    if len(take) > frames:
        start = int(rng.integers(len(take) - frames + 1))
        return take.cut(start, start + frames)
    while len(take) < frames:
        tail = take.cut(len(take) - _OVERLAP, len(take))
        best = [(_best_start(tail, other), other) for other in takes]
        (_, start), following = min(best, key=lambda found: found[0][0])
        take = join(take, following.cut(start, len(following)))
    return take.cut(0, frames)


def steer(velocity_m_s: Floats, start_m: Floats, waypoints_m: Floats, rate_hz: float) -> Floats:
    """(T,) yaw to add to every frame so that a walk of horizontal velocity (T, 3) from start_m (3,) visits waypoints (N, 3).

    The turning rate is limited and smooth; waypoints are visited in turn, and again from the first.
    """
    travel = gaussian_filter1d(velocity_m_s, _STRIDE_S * rate_hz, axis=0, mode="nearest")
    yaw, rate, target, place = np.zeros(len(velocity_m_s)), 0.0, 0, start_m.copy()
    first = waypoints_m[0] - start_m
    angle = np.arctan2(first[0], first[2]) - np.arctan2(travel[0, 0], travel[0, 2])
    for t, (v, along) in enumerate(zip(velocity_m_s, travel, strict=True)):
        yaw[t] = angle
        c, s = np.cos(angle), np.sin(angle)
        place = place + np.array([c * v[0] + s * v[2], 0.0, c * v[2] - s * v[0]]) / rate_hz
        to = waypoints_m[target] - place
        if np.hypot(to[0], to[2]) < _ARRIVED_M:
            target = (target + 1) % len(waypoints_m)
        wanted = np.arctan2(to[0], to[2]) - np.arctan2(along[0], along[2]) - angle
        error = (wanted + np.pi) % (2 * np.pi) - np.pi
        aim = np.clip(2.5 * error, -_TURN_RATE_MAX, _TURN_RATE_MAX)
        rate += (aim - rate) * min(1.0, 6.0 / rate_hz)
        angle += rate / rate_hz
    return yaw
