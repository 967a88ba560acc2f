"""The body that is fitted: rest directions, degrees of freedom, ranges and proportions, read from body.yaml.

Degrees of freedom (columns of every step and matrix) are ordered from the root outwards: three of the root's translation, three
of its rotation, then bone by bone. A bone is named by the joint it ends in and turns about its parent joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from fitting import rotation
from posecore.skeleton import Skeleton, load_skeleton, swap_side

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ball:
    """A bone with three degrees of freedom: it stays in a cone (parent's axes) and twists about itself within a range.

    R_mean (3, 3): the rotation about which the weak prior spreads.
    """

    joint: int
    cone_axis: Floats
    cone_rad: float
    twist_rad: tuple[float, float]
    R_mean: Floats
    spread_rad: float
    restless_rps2: float


@dataclass(frozen=True)
class Hinge:
    """One angle of a bone about an axis of its parent (after the bone's earlier hinges)."""

    joint: int
    name: str
    axis: Floats
    range_rad: tuple[float, float]
    mean_rad: float
    spread_rad: float
    restless_rps2: float


@dataclass(frozen=True)
class Body:
    """The kinematic tree. rest (21, 3) unit directions in body axes (x left, y up, z forward), 0 for the root.

    balls[0] is the root's rotation. dof_joint (D,) the bone each degree of freedom turns (the root for the first six);
    ball_dof (B, 3) and hinge_dof (H,) the columns of balls and hinges; length (21,) and spread (21,) as fractions of stature.
    """

    skeleton: Skeleton
    rest: Floats
    length: Floats
    spread: Floats
    balls: tuple[Ball, ...]
    hinges: tuple[Hinge, ...]
    dof_joint: NDArray[np.int64]
    ball_dof: NDArray[np.int64]
    hinge_dof: NDArray[np.int64]

    @property
    def dofs(self) -> int:
        """Number of degrees of freedom."""
        return len(self.dof_joint)

    @property
    def restless(self) -> Floats:
        """(D - 3,) root mean square acceleration of every angle at 30 frames a second, rad/s^2."""
        out = np.zeros(self.dofs)
        for columns, ball in zip(self.ball_dof, self.balls, strict=True):
            out[columns] = ball.restless_rps2
        out[self.hinge_dof] = [hinge.restless_rps2 for hinge in self.hinges]
        return out[3:]

    @property
    def dof_names(self) -> list[str]:
        """Readable name of every degree of freedom, for whoever looks at a single one."""
        names = [f"pelvis_{axis}" for axis in ("x", "y", "z", "turn_x", "turn_y", "turn_z")] + [""] * (self.dofs - 6)
        for columns, ball in zip(self.ball_dof[1:], self.balls[1:], strict=True):
            for axis, column in zip("xyz", columns, strict=True):
                names[column] = f"{self.skeleton.joints[ball.joint]}_turn_{axis}"
        for column, hinge in zip(self.hinge_dof, self.hinges, strict=True):
            names[column] = f"{self.skeleton.joints[hinge.joint]}_{hinge.name}"
        return names


def _mirrored(entry: dict[str, Any]) -> dict[str, Any]:
    """The right side's entry: directions have x negated; rotation axes y and z negated (x kept), so that angles read alike."""
    out = dict(entry)
    for key in ("rest", "cone_axis"):
        if key in out:
            out[key] = [-out[key][0], *out[key][1:]]
    if isinstance(out["turn"], list):
        out["turn"] = [{**h, "axis": [h["axis"][0], -h["axis"][1], -h["axis"][2]]} for h in out["turn"]]
    if out["turn"] == "ball" and "mean_deg" in out:
        out["mean_deg"] = [out["mean_deg"][0], -out["mean_deg"][1], -out["mean_deg"][2]]
    if "twist_deg" in out:
        out["twist_deg"] = [-out["twist_deg"][1], -out["twist_deg"][0]]
    return out


def _unit(vector: list[float]) -> Floats:
    v = np.array(vector, dtype=np.float64)
    return v / np.linalg.norm(v)


def _ball(joint: int, entry: dict[str, Any]) -> Ball:
    low, high = np.radians(entry["twist_deg"])
    cone, spread = np.radians([entry["cone_deg"], entry["spread_deg"]])
    mean, axis = rotation.exp(np.radians(entry.get("mean_deg", [0.0, 0.0, 0.0]))), _unit(entry["cone_axis"])
    return Ball(joint, axis, float(cone), (float(low), float(high)), mean, float(spread), entry["restless"])


def _hinge(joint: int, entry: dict[str, Any], restless: float) -> Hinge:
    low, high = np.radians(entry["range_deg"])
    mean, spread = np.radians([entry.get("mean_deg", 0.0), entry["spread_deg"]])
    return Hinge(joint, entry["name"], _unit(entry["axis"]), (float(low), float(high)), float(mean), float(spread), restless)


@cache
def load_body() -> Body:
    """The body of body.yaml, both sides filled in."""
    raw = yaml.safe_load((files("fitting") / "body.yaml").read_text(encoding="utf-8"))
    skeleton = load_skeleton(raw["skeleton"])
    count, root = len(skeleton), skeleton.root
    rest, length, spread = np.zeros((count, 3)), np.zeros(count), np.zeros(count)
    balls = [Ball(root, np.array([0.0, 1.0, 0.0]), np.pi, (-np.pi, np.pi), np.eye(3), np.inf, raw["root"]["restless"])]
    hinges: list[Hinge] = []
    dof_joint, ball_dof = [root] * 6, [[3, 4, 5]]
    hinge_dof: list[int] = []
    for j in skeleton.order[1:]:
        name = skeleton.joints[j]
        entry = raw["bones"][name] if name in raw["bones"] else _mirrored(raw["bones"][swap_side(name)])
        rest[j], length[j], spread[j] = _unit(entry["rest"]), entry["length"], entry["spread"]
        first = len(dof_joint)
        if entry["turn"] == "ball":
            balls.append(_ball(j, entry))
            ball_dof.append([first, first + 1, first + 2])
            dof_joint += [j] * 3
        elif entry["turn"] != "fixed":
            hinges += [_hinge(j, h, entry["restless"]) for h in entry["turn"]]
            hinge_dof += range(first, first + len(entry["turn"]))
            dof_joint += [j] * len(entry["turn"])
    columns = (np.array(dof_joint), np.array(ball_dof), np.array(hinge_dof))
    return Body(skeleton, rest, length, spread, tuple(balls), tuple(hinges), *columns)
