"""Joint angles in degrees from joint positions, as clinicians read them; defined by geometry, so nothing depends on a rig.

Segment axes are x to the person's left, y up, z forward. Pelvis: left hip - right hip, and up the spine; thorax: left
shoulder - right shoulder, and from spine to neck. Signed angles are unwrapped in time: no jump by a full turn. What cannot be
told (a joint is unknown, or a plane of elevation of a hanging arm) is NaN. docs/outputs.md lists every column.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.results import in_words, whole_file
from posecore.skeleton import load_skeleton

Floats = NDArray[np.float64]
BEHIND_AND_ACROSS_DEG = 135.0  # a plane no arm reaches: -135 and 225 degrees are the same, and the place to cut the circle
ELEVATION_NEEDED_DEG = 15.0  # below it (and as near to straight up) an arm or thigh has no plane of elevation


def joint_angles_deg(xyz_up_m: Floats) -> dict[str, Floats]:
    """Angles (F,) by name from (F, 21, 3) joints in a frame with y up, metres; NaN where unknown."""
    joint = {name: xyz_up_m[:, j] for j, name in enumerate(load_skeleton("vnect21").joints)}
    pelvis = segment_axes(joint["left_hip"] - joint["right_hip"], joint["spine"] - joint["pelvis"])
    thorax = segment_axes(joint["left_shoulder"] - joint["right_shoulder"], joint["neck"] - joint["spine"])
    found = _posture(pelvis, thorax, joint)
    for side, lateral in (("right", -1.0), ("left", 1.0)):
        found |= _limbs(side, lateral, pelvis, thorax, joint)
    return found


def segment_axes(left: Floats, up: Floats) -> Floats:
    """(F, 3, 3), rows x (left), y (up), z (forward) of a segment; `up` is kept, `left` made square to it."""
    y = _unit(up)
    x = _unit(left - y * np.sum(left * y, axis=-1, keepdims=True))
    return np.stack([x, y, np.cross(x, y)], axis=-2)


def _posture(pelvis: Floats, thorax: Floats, joint: dict[str, Floats]) -> dict[str, Floats]:
    """Pelvis and trunk against gravity, trunk against pelvis, head against trunk."""
    found = {}
    for name, axes in (("pelvis", pelvis), ("trunk", thorax)):
        forward = axes[:, 2]
        found[f"{name}_heading_deg"] = _unwrap(np.degrees(np.arctan2(forward[:, 0], forward[:, 2])))
        found[f"{name}_forward_tilt_deg"] = np.degrees(np.arcsin(np.clip(-forward[:, 1], -1, 1)))
        found[f"{name}_right_side_down_deg"] = np.degrees(np.arcsin(np.clip(axes[:, 0, 1], -1, 1)))
    relative = np.einsum("fij,fkj->fik", pelvis, thorax)  # thorax axes (columns) in the pelvis's
    found["trunk_left_turn_deg"] = _unwrap(np.degrees(np.arctan2(relative[:, 0, 2], relative[:, 2, 2])))
    head = np.einsum("fij,fj->fi", thorax, _unit(joint["head_top"] - joint["neck"]))
    found["neck_flexion_deg"] = np.degrees(np.arctan2(head[:, 2], head[:, 1]))
    found["neck_right_bend_deg"] = np.degrees(np.arcsin(np.clip(-head[:, 0], -1, 1)))
    return found


def _limbs(side: str, lateral: float, pelvis: Floats, thorax: Floats, joint: dict[str, Floats]) -> dict[str, Floats]:
    """Arm and leg of one side; `lateral` is +1 where the person's left is outwards."""
    part = {name.removeprefix(f"{side}_"): xyz for name, xyz in joint.items() if name.startswith(side)}
    thigh = np.einsum("fij,fj->fi", pelvis, _unit(part["knee"] - part["hip"]))
    arm = np.einsum("fij,fj->fi", thorax, _unit(part["elbow"] - part["shoulder"]))
    elevation = np.degrees(np.arccos(np.clip(-arm[:, 1], -1, 1)))
    plane = np.degrees(np.arctan2(arm[:, 2], lateral * arm[:, 0]))
    plane = (plane + BEHIND_AND_ACROSS_DEG) % 360 - BEHIND_AND_ACROSS_DEG
    plane[~((elevation > ELEVATION_NEEDED_DEG) & (elevation < 180 - ELEVATION_NEEDED_DEG))] = np.nan
    return {
        f"{side}_hip_flexion_deg": _unwrap(np.degrees(np.arctan2(thigh[:, 2], -thigh[:, 1]))),
        f"{side}_hip_abduction_deg": np.degrees(np.arcsin(np.clip(lateral * thigh[:, 0], -1, 1))),
        f"{side}_knee_flexion_deg": 180 - _inner_angle_deg(part["hip"], part["knee"], part["ankle"]),
        f"{side}_ankle_dorsiflexion_deg": 90 - _inner_angle_deg(part["knee"], part["ankle"], part["toe"]),
        f"{side}_shoulder_elevation_deg": elevation,
        f"{side}_shoulder_plane_deg": plane,
        f"{side}_elbow_flexion_deg": 180 - _inner_angle_deg(part["shoulder"], part["elbow"], part["wrist"]),
        f"{side}_wrist_bend_deg": 180 - _inner_angle_deg(part["elbow"], part["wrist"], part["hand"]),
    }


def write_joint_angles(path: Path, persons: NDArray, frame: NDArray, time_s: Floats, xyz_up_m: Floats) -> None:
    """joint_angles.csv from (P, F, 21, 3) joints in a y-up frame: one row per frame and person, degrees to 0.01."""
    tables = [joint_angles_deg(xyz) for xyz in xyz_up_m]
    names = list(joint_angles_deg(np.full((1, len(load_skeleton("vnect21")), 3), np.nan)))
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(["frame", "time_s", "person", *names]) + "\n")
        for f, number in enumerate(frame.tolist()):
            for p, person in enumerate(persons.tolist()):
                cells = in_words(np.array([tables[p][name][f] for name in names]), 2)
                out.write(",".join([str(number), f"{time_s[f]:.6f}", str(person), *cells]) + "\n")


def _unit(vector: Floats) -> Floats:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 1e-9, length, np.nan)


def _inner_angle_deg(a: Floats, vertex: Floats, b: Floats) -> Floats:
    """(F,) angle at `vertex` between a and b; atan2 keeps it exact near 0 and 180."""
    u, v = _unit(a - vertex), _unit(b - vertex)
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v), axis=-1), np.sum(u * v, axis=-1)))


def _unwrap(angle_deg: Floats) -> Floats:
    """The same angles without jumps by full turns, across unknown frames too."""
    out = angle_deg.copy()
    known = np.isfinite(out)
    out[known] = np.unwrap(out[known], period=360.0)
    return out
