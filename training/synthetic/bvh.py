"""BVH motion files to role rotations, for packs made from the user's own motion capture (as the CMU takes in BVH).

A BVH file gives every joint's rotation relative to its parent as Euler angles, applied in the order of its channels
(Meredith and Maddock, "Motion Capture File Formats Explained", 2001). Roles need the rotation away from a T-pose: the files
this reads, as both well-known BVH conversions of the CMU database, hold a T-pose in their first frame, facing +z with y up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import InputError
from training.synthetic.motion import RATE_HZ
from training.synthetic.retarget import ROLES

Floats = NDArray[np.float64]

_ROUNDED = 1e-3  # a frame time is a rounded number: so near a multiple of 30 Hz the rate is that multiple
_SIDED = {
    "daz": ("Collar", "Shldr", "ForeArm", "Hand", "Thigh", "Shin", "Foot", "Foot"),
    "motionbuilder": ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase"),
}
_TRUNK = {
    "daz": ("hip", "abdomen", "chest", "neck", "head"),
    "motionbuilder": ("Hips", "Spine", "Spine1", "Neck1", "Head"),
}
_SIDES = {"daz": "lr", "motionbuilder": ("Left", "Right")}


def _role_joints(family: str) -> dict[str, str]:
    """The BVH joint of every role in a family of names."""
    left, right = _SIDES[family]
    limbs = [f"{side}{part}" for side in (left, right) for part in _SIDED[family][:4]]
    legs = [f"{side}{part}" for side in (left, right) for part in _SIDED[family][4:]]
    return dict(zip(ROLES, [*_TRUNK[family], *limbs, *legs], strict=True))


ROLE_JOINTS = {family: _role_joints(family) for family in _SIDED}


@dataclass(frozen=True)
class BvhTake:
    """Joint names; R (T, J, 3, 3): rotations of the joints in the file's world; root (T, 3), file units; frame time in s."""

    joints: tuple[str, ...]
    R: Floats
    root: Floats
    frame_time_s: float


def read_bvh(path: str | Path) -> BvhTake:
    """Read a BVH file. InputError if it is not one."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    head, _, tail = text.partition("MOTION")
    try:
        joints, parents, channels = _hierarchy(head)
        lines = tail.split("\n")
        start = next(i for i, line in enumerate(lines) if line.strip().startswith("Frame Time"))
        values = np.array([line.split() for line in lines[start + 1 :] if line.strip()], dtype=np.float64)
        R, root = _forward(parents, channels, values)
        return BvhTake(tuple(joints), R, root, float(lines[start].split(":")[1]))
    except (ValueError, IndexError, StopIteration) as error:
        raise InputError(
            f"motion '{path}': expected a BVH file with HIERARCHY and MOTION ({error or 'frames missing'})"
        ) from None


def _hierarchy(text: str) -> tuple[list[str], list[int], list[list[str]]]:
    """Names, parents (-1 for the root) and channel names of the joints, end sites left out."""
    joints: list[str] = []
    parents: list[int] = []
    channels: list[list[str]] = []
    open_joints: list[int] = []
    current = -1
    for words in (line.split() for line in text.splitlines() if line.strip()):
        if words[0] in ("ROOT", "JOINT"):
            parents.append(open_joints[-1] if open_joints else -1)
            joints.append(words[1])
            channels.append([])
            current = len(joints) - 1
        elif words[0] == "End":
            current = -1
        elif words[0] == "{":
            open_joints.append(current)
        elif words[0] == "}":
            open_joints.pop()
        elif words[0] == "CHANNELS":
            channels[current] = words[2:]
    if not joints:
        raise ValueError("no ROOT")
    return joints, parents, channels


def _forward(parents: list[int], channels: list[list[str]], values: Floats) -> tuple[Floats, Floats]:
    R, root = np.empty((len(values), len(parents), 3, 3)), np.zeros((len(values), 3))
    column = 0
    for j, (parent, names) in enumerate(zip(parents, channels, strict=True)):
        local = Rotation.identity(len(values))
        for name in names:
            axis, amount = name[0].upper(), values[:, column]
            if name.endswith("rotation"):
                local = local * Rotation.from_euler(axis.lower(), amount[:, None], degrees=True)
            elif parent < 0:
                root[:, "XYZ".index(axis)] = amount
            column += 1
        R[:, j] = local.as_matrix() if parent < 0 else R[:, parent] @ local.as_matrix()
    if column != values.shape[1]:
        raise ValueError(f"{column} channels but {values.shape[1]} numbers a frame")
    return R, root


def role_motion(take: BvhTake, path: str | Path = "") -> tuple[Floats, Floats]:
    """Quaternions xyzw (T, 21, 4) of the roles away from the T-pose of the first frame, and the root (T, 3), at 30 Hz.

    The first frame itself is left out. Where a capture's rate is no multiple of 30 Hz, frames between its own are interpolated:
    rotations on the shortest way (slerp; Shoemake 1985), the root linearly. InputError if the joints have unknown names.
    """
    family = next((f for f, names in ROLE_JOINTS.items() if set(names.values()) <= set(take.joints)), None)
    if family is None:
        raise InputError(f"motion '{path}': unknown joint names; expected those of {' or '.join(ROLE_JOINTS)}")
    index = [take.joints.index(joint) for joint in ROLE_JOINTS[family].values()]
    before, after, share = _between(len(take.root), 1 / (RATE_HZ * take.frame_time_s))
    q = _slerp(_away(take, before, index), _away(take, after, index), np.repeat(share, len(index)))
    root = (1 - share[:, None]) * take.root[before] + share[:, None] * take.root[after]
    return q.as_quat().reshape(len(share), len(index), 4), root


def _between(frames: int, step: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Rows before and after every `step`-th place from row 1 on, and (T,) how far on the way from one to the other it is."""
    whole = round(step)
    if whole and abs(step - whole) < _ROUNDED * step:
        step = whole
    at = 1 + step * np.arange(int((frames - 2) / step + 1e-9) + 1 if frames > 1 else 0)
    before: NDArray[np.int64] = np.minimum(at.astype(np.int64), frames - 1)
    after: NDArray[np.int64] = np.minimum(before + 1, frames - 1)
    return before, after, np.asarray(at - before, dtype=np.float64)


def _away(take: BvhTake, rows: NDArray[np.int64], joints: list[int]) -> Rotation:
    """(T * J,) rotations of some joints away from the first frame."""
    Q = (take.R[rows] @ np.swapaxes(take.R[:1], -1, -2))[:, joints]
    return Rotation.from_matrix(Q.reshape(-1, 3, 3))


def _slerp(start: Rotation, end: Rotation, share: Floats) -> Rotation:
    return start * Rotation.from_rotvec(share[:, None] * (start.inv() * end).as_rotvec())
