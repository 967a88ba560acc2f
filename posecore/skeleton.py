"""Joint names, orders and trees. The YAML files in skeletons/ are the only place where a joint order is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import yaml
from numpy.typing import NDArray

from posecore.errors import ConfigError

# The joints that every skeleton of the field shares; accuracy is compared on them.
LIMB_JOINTS = tuple(
    f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("right", "left")
)


@dataclass(frozen=True)
class Skeleton:
    """Named joints with parents. `parent[root] == root`; `limbs` are (joint, joint) index pairs to draw or to link."""

    name: str
    joints: tuple[str, ...]
    parent: tuple[int, ...]
    root: int
    limbs: tuple[tuple[int, int], ...]
    oks_sigma: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint by name; ConfigError names the joints there are."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise ConfigError(f"skeleton {self.name} has no joint '{joint}'; it has {', '.join(self.joints)}") from None

    def indices(self, joints: Sequence[str]) -> list[int]:
        """Indices of several joints, in the order asked for."""
        return [self.index(joint) for joint in joints]

    @property
    def mirror(self) -> NDArray[np.int64]:
        """(J,) index of each joint's left-right partner (itself in the middle): `xy[mirror]` swaps the sides."""
        return np.array([self.index(swap_side(joint)) for joint in self.joints])

    @property
    def order(self) -> list[int]:
        """Joints from the root outwards, every parent before its children."""
        done = [self.root]
        while len(done) < len(self):
            done += [j for j in range(len(self)) if j not in done and self.parent[j] in done]
        return done


def swap_side(joint: str) -> str:
    """'left_knee' <-> 'right_knee'; a middle joint stays."""
    if joint.startswith("left_"):
        return "right_" + joint[5:]
    if joint.startswith("right_"):
        return "left_" + joint[6:]
    return joint


def halves(joints: Sequence[str]) -> NDArray[np.bool_]:
    """(2, J) which joints belong to the upper and which to the lower half of the body; the pelvis belongs to both."""
    legs = np.array([joint.split("_")[-1] in ("hip", "knee", "ankle", "toe") for joint in joints])
    return np.stack([~legs, legs | (np.array(joints) == "pelvis")])


@cache
def load_skeleton(name: str) -> Skeleton:
    """A skeleton by name ('vnect21', 'coco17', 'openpose18'). ConfigError if there is none of that name."""
    folder = files("posecore") / "skeletons"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".yaml"))
        raise ConfigError(f"no skeleton '{name}'; there are {', '.join(known)}")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    joints = tuple(raw["joints"])
    parent = tuple(joints.index(raw["joints"][joint]) for joint in joints)
    tree = [(p, j) for j, p in enumerate(parent) if j != p]
    limbs = [(joints.index(a), joints.index(b)) for a, b in raw["limbs"]] if "limbs" in raw else tree
    sigma = tuple(raw["oks_sigma"]) if "oks_sigma" in raw else None
    return Skeleton(raw["name"], joints, parent, joints.index(raw["root"]), tuple(limbs), sigma)


def convert(values: NDArray, source: Skeleton, target: Skeleton) -> NDArray:
    """Reorder (..., J_source, C) values to (..., J_target, C) by joint name; NaN where the source lacks the joint.

    A neck that the source lacks is the midpoint of its shoulders and a pelvis that of its hips (the definitions of OpenPose
    and VNect); nothing else is invented.
    """
    out = np.full((*values.shape[:-2], len(target), values.shape[-1]), np.nan, dtype=np.result_type(values, np.float32))
    for j, joint in enumerate(target.joints):
        if joint in source.joints:
            out[..., j, :] = values[..., source.index(joint), :]
        elif joint in ("neck", "pelvis"):
            part = "shoulder" if joint == "neck" else "hip"
            pair = source.indices([f"left_{part}", f"right_{part}"])
            out[..., j, :] = values[..., pair, :].mean(axis=-2)
    return out
