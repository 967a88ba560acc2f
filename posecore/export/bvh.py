"""BVH: one person's bones as text, for Blender, Maya, MotionBuilder and others. Y up, +z out of the picture, metres by default.

Blender's importer takes the file as it is (scale 1, forward -Z, up Y). Rotations are Z-X-Y Euler angles in degrees, written so
that no angle jumps by a full turn from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.export.rig import Rig, even_rig
from posecore.results import whole_file

Floats = NDArray[np.float64]
_GIMBAL = 1e-6  # cosine of the middle angle below which the outer two turn about the same axis


def write_bvh(path: Path, rig: Rig, unit_m: float = 1.0) -> None:
    """One BVH file. unit_m: metres per unit of the file, 0.01 for centimetres."""
    even = even_rig(rig)
    angles = zxy_degrees(Rotation.from_quat(even.quaternion_xyzw.reshape(-1, 4)).as_matrix().reshape(*_shape(even), 3, 3))
    order = list(_depth_first(even, 0))
    rows = np.concatenate([even.root_m / unit_m, angles[:, order].reshape(len(even.time_s), -1)], axis=1)
    with whole_file(path) as part, part.open("w", encoding="ascii", newline="\n") as out:
        out.write("HIERARCHY\n")
        out.writelines(_hierarchy(even, 0, 0, unit_m))
        out.write(f"MOTION\nFrames: {len(rows)}\nFrame Time: {even.step_s:.8f}\n")
        out.writelines(" ".join(f"{v:.6f}" for v in row) + "\n" for row in (np.round(rows, 6) + 0.0).tolist())


def zxy_degrees(R: Floats) -> Floats:
    """(T, ..., 3, 3) rotations to (T, ..., 3) degrees z, x, y with R = Rz Rx Ry, each frame nearest to the one before.

    Every rotation has two such triples, each up to full turns; where x is 90 degrees z and y share one axis and y is 0.
    """
    sine = np.clip(R[..., 2, 1], -1, 1)
    x = np.arcsin(sine)
    locked = np.hypot(R[..., 0, 1], R[..., 1, 1]) < _GIMBAL
    z = np.where(locked, np.arctan2(R[..., 1, 0], R[..., 0, 0]), np.arctan2(-R[..., 0, 1], R[..., 1, 1]))
    y = np.where(locked, 0.0, np.arctan2(-R[..., 2, 0], R[..., 2, 2]))
    first = np.stack([z, x, y], axis=-1)
    second = np.stack([z + np.pi, np.pi - x, y + np.pi], axis=-1)
    for t in range(1, len(first)):
        near = [a[t] + 2 * np.pi * np.round((first[t - 1] - a[t]) / (2 * np.pi)) for a in (first, second)]
        far = [np.abs(a - first[t - 1]).sum(axis=-1, keepdims=True) for a in near]
        first[t] = np.where(far[1] < far[0], near[1], near[0])
    return np.degrees(first)


def _shape(rig: Rig) -> tuple[int, int]:
    return len(rig.time_s), len(rig.names)


def _depth_first(rig: Rig, bone: int) -> Iterator[int]:
    """Bones in the order of the file."""
    yield bone
    for child in rig.children(bone):
        yield from _depth_first(rig, child)


def _hierarchy(rig: Rig, bone: int, depth: int, unit_m: float) -> Iterator[str]:
    tab, children = "\t" * depth, rig.children(bone)
    positions = "6 Xposition Yposition Zposition" if depth == 0 else "3"
    yield f"{tab}{'ROOT' if depth == 0 else 'JOINT'} {rig.names[bone]}\n{tab}{{\n"
    yield f"{tab}\tOFFSET {_words(rig.offset_m[bone] / unit_m)}\n"
    yield f"{tab}\tCHANNELS {positions} Zrotation Xrotation Yrotation\n"
    for child in children:
        yield from _hierarchy(rig, child, depth + 1, unit_m)
    if not children:
        yield f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\tOFFSET {_words(rig.tip_m[bone] / unit_m)}\n{tab}\t}}\n"
    yield f"{tab}}}\n"


def _words(xyz: Floats) -> str:
    return " ".join(f"{v:.6f}" for v in (np.round(xyz, 6) + 0.0).tolist())
