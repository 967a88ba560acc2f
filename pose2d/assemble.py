"""Limbs to people: a joint is a type and a place, so a joint belongs to a person only as the numbered peak of its own map."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import load_skeleton

LIMBS = load_skeleton("openpose18").limbs


@dataclass(frozen=True)
class Connections:
    """Limbs found in an image. limb (M,): which limb; first, second (M,): peaks it joins; score (M,): mean field along it."""

    limb: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    score: NDArray[np.float64]


@dataclass
class PartPerson:
    """A person under construction: peak number of each joint found and score of each limb found."""

    peak_of_joint: dict[int, int] = field(default_factory=dict)
    score_of_limb: dict[int, float] = field(default_factory=dict)


def assemble(connections: Connections) -> list[PartPerson]:
    """People out of limbs, the surest limb first (Kruskal's order): each limb starts, extends or merges people.

    A limb that would give a person a second joint of one type contradicts surer limbs and is dropped. A peak is in one person
    at most; peaks without a limb are in none.
    """
    owner: dict[int, PartPerson] = {}
    rows = zip(connections.limb.tolist(), connections.first.tolist(), connections.second.tolist(), strict=True)
    for score, (limb, *ends) in sorted(zip(connections.score.tolist(), rows, strict=True), key=lambda row: -row[0]):
        one, other = (owner.get(peak) or PartPerson({joint: peak}) for joint, peak in zip(LIMBS[limb], ends, strict=True))
        if one is not other:
            if not one.peak_of_joint.keys().isdisjoint(other.peak_of_joint):
                continue
            one.peak_of_joint.update(other.peak_of_joint)
            one.score_of_limb.update(other.score_of_limb)
            owner.update(dict.fromkeys(one.peak_of_joint.values(), one))
        one.score_of_limb[limb] = score
    return list({id(person): person for person in owner.values()}.values())
