"""Motion retargeting: 21 body roles, each with a rotation away from a T-pose, onto any rig with another rest pose.

R_bone = Q_role A_role: Q is the role's rotation from the T-pose (stage axes), A turns the rig's rest bone into the T-pose. A
is built outwards (arm, forearm, hand) with two twist rules: the elbow flexes towards +z, and the palm faces down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from training.synthetic.body import BodyModel

_LIMB_ROLES = ("clav", "uarm", "farm", "hand")
_LEG_ROLES = ("thigh", "shin", "foot", "toe")
ROLES = (
    *("pelvis", "spine", "chest", "neck", "head"),
    *(f"{role}{side}" for side in "LR" for role in _LIMB_ROLES),
    *(f"{role}{side}" for side in "LR" for role in _LEG_ROLES),
)
ROLE = {role: i for i, role in enumerate(ROLES)}
_DOWN = np.array([0.0, -1.0, 0.0])
_FOREARM_TWIST = 0.6  # share of the hand's roll that the forearm's second bone takes

Matrices = NDArray[np.floating]
Alignment = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class BoneRule:
    """A bone follows `role`, or lies the share `blend` of the way towards `other`; `alignment` names another A than role's."""

    role: str
    other: str = ""
    blend: float = 0.0
    alignment: str = ""


def _bone_rules() -> dict[str, BoneRule]:
    rules = {
        "root": BoneRule("pelvis"),
        "spine05": BoneRule("pelvis", "spine", 0.5),
        "spine04": BoneRule("spine"),
        "spine03": BoneRule("spine", "chest", 0.4),
        "spine02": BoneRule("spine", "chest", 0.75),
        "spine01": BoneRule("chest"),
        "neck01": BoneRule("chest", "neck", 0.6),
        "neck02": BoneRule("neck"),
        "neck03": BoneRule("neck", "head", 0.5),
        "head": BoneRule("head"),
    }
    followers = {
        "clav": ("clavicle", "shoulder01"),
        "uarm": ("upperarm01", "upperarm02"),
        "farm": ("lowerarm01",),
        "hand": ("wrist",),
        "thigh": ("upperleg01", "upperleg02"),
        "shin": ("lowerleg01", "lowerleg02"),
        "foot": ("foot",),
        "toe": tuple(f"toe{i}-1" for i in range(1, 6)),
    }
    for side in "LR":
        rules[f"pelvis.{side}"] = BoneRule("pelvis")
        rules[f"lowerarm02.{side}"] = BoneRule(f"farm{side}", alignment=f"twist{side}")
        rules |= {f"{bone}.{side}": BoneRule(role + side) for role, bones in followers.items() for bone in bones}
    return rules


_RULES = _bone_rules()


def rotation_between(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """(3, 3) smallest rotation that turns direction a into direction b (not opposite to each other)."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v = np.cross(a, b)
    K = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + K + K @ K / (1 + a @ b)


def _about_x(angle: float) -> NDArray[np.float64]:
    return Rotation.from_rotvec([angle, 0, 0]).as_matrix()


class Retargeter:
    """Turns role rotations into bone rotations of the body model's rig."""

    def __init__(self, model: BodyModel) -> None:
        self.model = model
        self._rules = [_RULES.get(name) for name in model.bones]
        self.fingers = {
            side: [i for i, n in enumerate(model.bones) if n.startswith("finger") and n[6] != "1" and n.endswith(side)]
            for side in "LR"
        }

    def align(self, bone_m: NDArray) -> Alignment:
        """A (3, 3) per role for a rest skeleton bone_m (B, 3)."""
        aligned: Alignment = {role: np.eye(3) for role in ROLES}
        for side, x_sign in (("L", 1.0), ("R", -1.0)):
            aligned |= self._align_arm(bone_m, side, np.array([x_sign, 0.0, 0.0]))
            thigh = rotation_between(self._span(bone_m, "upperleg01", "lowerleg01", side), _DOWN)
            shin = rotation_between(thigh @ self._span(bone_m, "lowerleg01", "foot", side), _DOWN) @ thigh
            aligned |= {f"thigh{side}": thigh, f"shin{side}": shin}
        return aligned

    def _span(self, bone_m: NDArray, start: str, end: str, side: str) -> NDArray:
        return bone_m[self.model.bone(f"{end}.{side}")] - bone_m[self.model.bone(f"{start}.{side}")]

    def _align_arm(self, bone_m: NDArray, side: str, out: NDArray) -> Alignment:
        upper = self._span(bone_m, "upperarm01", "lowerarm01", side)
        fore = self._span(bone_m, "lowerarm01", "wrist", side)
        A_upper = rotation_between(upper, out)
        bend = A_upper @ fore / np.linalg.norm(fore)
        if np.hypot(bend[1], bend[2]) > 0.08:  # a straighter arm does not tell where its elbow flexes
            A_upper = _about_x(np.arctan2(bend[1], bend[2])) @ A_upper
        A_fore = rotation_between(A_upper @ fore, out) @ A_upper
        A_hand = rotation_between(A_fore @ self._span(bone_m, "wrist", "finger3-1", side), out) @ A_fore
        across = A_hand @ self._span(bone_m, "finger5-1", "finger2-1", side)
        roll = np.arctan2(across[1], across[2])  # brings the index finger in front of the little one: palm down
        twisted = _about_x(_FOREARM_TWIST * roll) @ A_fore
        return {f"uarm{side}": A_upper, f"farm{side}": A_fore, f"hand{side}": _about_x(roll) @ A_hand, f"twist{side}": twisted}

    def rotations(self, Q_roles: Matrices, aligned: Alignment, curl: Mapping[int, Matrices]) -> NDArray[np.float64]:
        """(B, 3, 3) bone rotations for role rotations (21, 3, 3); curl: own rotation of finger bones relative to the parent."""
        R = np.empty((len(self._rules), 3, 3))
        for b, rule in enumerate(self._rules):
            parent = self.model.parents[b]
            if b in curl:
                R[b] = R[parent] @ curl[b]
            elif rule is None:
                R[b] = R[parent]
            else:
                R[b] = _rule_rotation(rule, Q_roles, aligned)
        return R


def _rule_rotation(rule: BoneRule, Q_roles: Matrices, aligned: Alignment) -> NDArray[np.float64]:
    own = Q_roles[ROLE[rule.role]] @ aligned[rule.alignment or rule.role]
    if not rule.other:
        return own
    between = Rotation.from_matrix(own.T @ Q_roles[ROLE[rule.other]] @ aligned[rule.other]).as_rotvec()
    return own @ Rotation.from_rotvec(rule.blend * between).as_matrix()
