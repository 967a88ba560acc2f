"""A fitted person as animators know it: a tree of bones with fixed offsets that turn over time.

The fit gives each joint j the orientation R_j = R_parent q_j of the bone that ends in j, so that x_j = x_parent + R_j tip_j
with a constant tip_j (fitting/kinematics). A bone starts where its parent bone ends; body axes are x left, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from posecore.errors import InputError
from posecore.export.axes import transform
from posecore.export.clock import even_times
from posecore.skeleton import load_skeleton
from posecore.types import Motion

Floats = NDArray[np.float64]
_PART_OF_JOINT = {  # the bone that ends in a joint
    "head_top": "head",
    "neck": "chest",
    "shoulder": "clavicle",
    "elbow": "upper_arm",
    "wrist": "forearm",
    "hand": "hand",
    "hip": "hip",
    "knee": "thigh",
    "ankle": "shin",
    "toe": "foot",
    "pelvis": "pelvis",
    "spine": "spine",
    "head": "neck",
}


@dataclass(frozen=True)
class Rig:
    """B bones, parents before children.

    names; parent (B,), -1 for the root; offset_m (B, 3): where a bone starts, from where its parent starts, in the parent's
    axes; tip_m (B, 3): where it ends, in its own axes; time_s (T,); root_m (T, 3); quaternion_xyzw (T, B, 4) relative to the
    parent bone; known (T,): False where the person was not seen and the pose is bridged or held.
    """

    person: int
    names: tuple[str, ...]
    parent: tuple[int, ...]
    offset_m: Floats
    tip_m: Floats
    time_s: Floats
    root_m: Floats
    quaternion_xyzw: Floats
    known: NDArray[np.bool_]

    @property
    def step_s(self) -> float:
        """Mean time from frame to frame; 1/30 s for a single frame."""
        return float(np.diff(self.time_s).mean()) if len(self.time_s) > 1 else 1 / 30

    def children(self, bone: int) -> list[int]:
        """Bones that start where this one ends."""
        return [b for b, parent in enumerate(self.parent) if parent == bone]


def bone_name(joint: str) -> str:
    """'left_knee' -> 'left_thigh': the bone that ends in the joint."""
    side, _, part = joint.rpartition("_") if joint.startswith(("left_", "right_")) else ("", "", joint)
    name = _PART_OF_JOINT[part]
    return f"{side}_{name}" if side else name


def rig_motion(motion: Motion, clip_time_s: Floats, T_out_camera: Floats) -> Rig:
    """The rig of a person over all frames of the clip (time_s (F,)), placed by the rigid T_out_camera (4, 4).

    Frames without the person are bridged between their neighbours (straight line, slerp) and held before the first and after
    the last. InputError if the person is known in no frame.
    """
    skeleton = load_skeleton("vnect21")
    order = skeleton.order
    known_rows = np.isfinite(motion.xyz_m).all(axis=(1, 2)) & np.isfinite(motion.quaternion_xyzw).all(axis=(1, 2))
    if not known_rows.any():
        raise InputError(f"person {motion.person}: no frame is known; there is nothing to export")
    xyz, local = motion.xyz_m[known_rows], motion.quaternion_xyzw[known_rows].copy()
    tip = bone_tips(xyz, local)
    local[:, skeleton.root] = (
        Rotation.from_matrix(T_out_camera[:3, :3]) * Rotation.from_quat(local[:, skeleton.root])
    ).as_quat()
    frame = motion.frame[known_rows]
    root_m, local = _on_all_frames(transform(xyz[:, skeleton.root], T_out_camera), local[:, order], clip_time_s, frame)
    parent = tuple(-1 if j == skeleton.root else order.index(skeleton.parent[j]) for j in order)
    offset = np.array([np.zeros(3) if p < 0 else tip[order[p]] for p in parent])
    known = np.zeros(len(clip_time_s), dtype=bool)
    known[frame] = True
    names = tuple(bone_name(skeleton.joints[j]) for j in order)
    return Rig(motion.person, names, parent, offset, tip[order], clip_time_s, root_m, local, known)


def bone_tips(xyz_m: Floats, quaternion_xyzw: Floats) -> Floats:
    """(21, 3) end of every bone in its own axes, from (T, 21, 3) joints and (T, 21, 4) rotations to the parent.

    InputError where the rotations do not carry the joints: the ends would differ from frame to frame.
    """
    skeleton = load_skeleton("vnect21")
    turn: dict[int, Rotation] = {}
    tip = np.zeros((len(skeleton), 3))
    for j in skeleton.order:
        p, own = skeleton.parent[j], Rotation.from_quat(quaternion_xyzw[:, j])
        turn[j] = own if j == p else turn[p] * own
        ends = turn[j].inv().apply(xyz_m[:, j] - xyz_m[:, p])
        tip[j] = np.median(ends, axis=0)
        worst_m = float(np.abs(ends - tip[j]).max())
        if worst_m > 0.005:
            raise InputError(
                f"{skeleton.joints[j]}: rotations and positions of the motion disagree by {1000 * worst_m:.0f} mm; fit it again"
            )
    return tip


def even_rig(rig: Rig) -> Rig:
    """The rig on an even clock, for files that know only a frame rate; unchanged where the clip's frames already are even."""
    grid = even_times(rig.time_s)
    if grid is rig.time_s:
        return rig
    root_m, local = interpolate(rig.root_m, rig.quaternion_xyzw, rig.time_s, grid)
    nearest = np.clip(np.searchsorted(rig.time_s, grid + 1e-9, side="right") - 1, 0, len(rig.time_s) - 1)
    return replace(rig, time_s=grid, root_m=root_m, quaternion_xyzw=local, known=rig.known[nearest])


def interpolate(root_m: Floats, local_xyzw: Floats, time_s: Floats, at_s: Floats) -> tuple[Floats, Floats]:
    """(T, 3) and (T, B, 4) given at time_s, read at at_s: linear and slerp between, held outside."""
    at = np.clip(at_s, time_s[0], time_s[-1])
    root = np.column_stack([np.interp(at, time_s, root_m[:, k]) for k in range(3)])
    if len(time_s) == 1:
        return root, np.repeat(local_xyzw, len(at), axis=0)
    bones = [Slerp(time_s, Rotation.from_quat(local_xyzw[:, b]))(at).as_quat() for b in range(local_xyzw.shape[1])]
    return root, continuous(np.stack(bones, axis=1))


def continuous(quaternion_xyzw: Floats) -> Floats:
    """(T, B, 4) with the signs chosen so that neighbouring frames never lie on opposite sides of the sphere."""
    flip = np.sum(quaternion_xyzw[1:] * quaternion_xyzw[:-1], axis=-1) < 0
    sign = np.concatenate([np.ones((1, quaternion_xyzw.shape[1])), np.cumprod(np.where(flip, -1.0, 1.0), axis=0)])
    return quaternion_xyzw * sign[..., None]


def _on_all_frames(root_m: Floats, local: Floats, clip_time_s: Floats, frame: NDArray) -> tuple[Floats, Floats]:
    """Known rows as they are, the others between or beside them."""
    root, filled = interpolate(root_m, local, clip_time_s[frame], clip_time_s)
    root[frame], filled[frame] = root_m, local
    return root, continuous(filled)
