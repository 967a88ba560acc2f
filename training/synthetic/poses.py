"""Everyday single poses: captured frames, varied by sitting, crouching, balance, lying, free arms, small noise. Stage axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from training.synthetic.motion import MotionBank
from training.synthetic.retarget import ROLE, ROLES

Matrices = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class PoseMix:
    """Shares of pose kinds. Motion capture lacks sitting, lying and gestures, so they are made by rule."""

    sitting: float = 0.13  # thighs flexed about 90 degrees
    crouching: float = 0.07  # crouching, squatting or kneeling
    lying: float = 0.03  # turned flat in any direction
    free_arms: float = 0.25  # shoulders and elbows drawn over their whole range
    folded: float = 0.0  # of the free arms, elbows folded beyond a right angle, as with a hand at the head or the shoulder
    balancing: float = 0.0  # on one leg, the other anywhere, the trunk leaned any way: balance exercises, kicks, reaching down
    noisy: float = 0.5  # every role turned by 2..8 degrees


@dataclass(frozen=True)
class StillPose:
    """Q_roles (21, 3, 3): role rotations away from the T-pose; `sitting`: whether something should be under the seat."""

    Q_roles: Matrices
    sitting: bool


def _euler(axes: str, degrees: Sequence[float] | float) -> Matrices:
    return Rotation.from_euler(axes, degrees, degrees=True).as_matrix()


def _set_chain(Q: Matrices, base: str, steps: dict[str, Matrices]) -> None:
    """Rebuild a limb in place: each role takes its local rotation on top of the one before."""
    R = Q[ROLE[base]]
    for role, local in steps.items():
        R = R @ local
        Q[ROLE[role]] = R


def _bend_legs(Q: Matrices, hip_deg: tuple[float, float], knee_deg: tuple[float, float], open_deg: float, rng: Rng) -> None:
    for side, sign in (("L", 1.0), ("R", -1.0)):
        thigh = _euler("y", sign * rng.uniform(-5, open_deg)) @ _euler("x", -rng.uniform(*hip_deg))
        shin, foot = _euler("x", rng.uniform(*knee_deg)), _euler("x", rng.uniform(-28, 12))
        _set_chain(Q, "pelvis", {f"thigh{side}": thigh, f"shin{side}": shin, f"foot{side}": foot, f"toe{side}": np.eye(3)})


def _free_arms(Q: Matrices, folded: float, rng: Rng) -> None:
    for side, sign in (("L", 1.0), ("R", -1.0)):
        if rng.random() < 0.2:
            continue
        raise_deg, forward_deg, roll_deg = rng.uniform(-85, 75), rng.uniform(-35, 110), rng.uniform(-60, 60)
        upper = _euler("zyx", [sign * raise_deg, -sign * forward_deg, roll_deg])
        bend_deg = rng.uniform(90, 145) if folded > 0 and rng.random() < folded else rng.uniform(0, 135)
        fore, hand = _euler("y", -sign * bend_deg), _euler("xyz", list(rng.uniform(-35, 35, 3)))
        chain = {f"clav{side}": np.eye(3), f"uarm{side}": upper, f"farm{side}": fore, f"hand{side}": hand}
        _set_chain(Q, "chest", chain)


def _balance(Q: Matrices, rng: Rng) -> None:
    """Weight on one leg, the other lifted, the trunk with all it carries leaned forward, back or aside."""
    upright = Q[ROLE["pelvis"]].copy()
    standing = rng.choice(["L", "R"])
    for side, sign in (("L", 1.0), ("R", -1.0)):
        flex, aside, knee = ((-10, 25), (-5, 10), (0, 35)) if side == standing else ((-45, 100), (-10, 60), (0, 120))
        thigh = _euler("z", sign * rng.uniform(*aside)) @ _euler("x", -rng.uniform(*flex))
        Q[ROLE[f"thigh{side}"]] = upright @ thigh
        steps = {f"shin{side}": _euler("x", rng.uniform(*knee)), f"foot{side}": _euler("x", rng.uniform(-10, 45))}
        _set_chain(Q, f"thigh{side}", {**steps, f"toe{side}": np.eye(3)})
    lean = upright @ np.radians([rng.uniform(-25, 80), 0.0, rng.uniform(-55, 55)])
    pelvis, head = rng.uniform(0.3, 1.0), rng.uniform(0.4, 1.1)
    share = {"pelvis": pelvis, "spine": (pelvis + 1) / 2, "neck": (1 + head) / 2, "head": head}
    for role in (*share, "chest", *(f"{part}{side}" for side in "LR" for part in ("clav", "uarm", "farm", "hand"))):
        Q[ROLE[role]] = Rotation.from_rotvec(lean * share.get(role, 1.0)).as_matrix() @ Q[ROLE[role]]


def sample_pose(bank: MotionBank, rng: Rng, mix: PoseMix | None = None) -> StillPose:
    """A random everyday pose turned to any yaw."""
    mix = mix or PoseMix()
    Q = bank.sample_frame(rng)
    kind = rng.random()
    sitting = bool(kind < mix.sitting)
    if sitting:
        _bend_legs(Q, (70, 105), (60, 110), 25, rng)
    elif kind < mix.sitting + mix.crouching:
        _bend_legs(Q, (40, 120), (60, 135), 35, rng)
    elif kind < mix.sitting + mix.crouching + mix.balancing:
        _balance(Q, rng)
    if rng.random() < mix.free_arms:
        _free_arms(Q, mix.folded, rng)
    if rng.random() < mix.noisy:
        sigma = np.radians(rng.uniform(2, 8))
        Q = Q @ Rotation.from_rotvec(rng.normal(0, sigma, (len(ROLES), 3))).as_matrix()
    turn = _euler("y", rng.uniform(-180, 180))
    if rng.random() < mix.lying:
        turn = _euler("zx", [rng.choice([-90, 0, 90]), rng.choice([-90, 90])]) @ turn
        sitting = False
    return StillPose(turn @ Q, sitting)


def sample_curl(fingers: dict[str, list[int]], rng: Rng) -> dict[int, Matrices]:
    """Rotation of every finger bone relative to its parent: hands from flat to a loose fist, {bone: (3, 3)}."""
    curl: dict[int, Matrices] = {}
    for side, sign in (("L", -1.0), ("R", 1.0)):
        most_deg = rng.uniform(0, 55) * (rng.random() < 0.8)
        bones = fingers[side]
        angles = sign * most_deg * rng.uniform(0.3, 1, len(bones))
        curl |= dict(zip(bones, Rotation.from_euler("z", angles[:, None], degrees=True).as_matrix(), strict=True))
    return curl
