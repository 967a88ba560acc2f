"""Whole people: a dressed body on the graphics side that can be posed; and a changing troupe of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.assets import AssetPack, Part, split
from training.synthetic.body import SKIN_VERTICES, BodyModel, BodyShape, rig_transforms, skin
from training.synthetic.garments import Wardrobe
from training.synthetic.outfits import Dresser, TextureSource
from training.synthetic.rendered import JOINTS
from training.synthetic.renderer import Draw, Mesh, Renderer
from training.synthetic.retarget import Alignment, Retargeter

SOLE_M = 0.012  # shoes and carpets lift the skin's lowest point by this much


@dataclass(frozen=True)
class Posed:
    """A posed person in stage axes: T_bones (B, 3, 4), joints_m (26, 3) in the order of JOINTS, lowest_m: lowest skin point."""

    T_bones: NDArray[np.float64]
    joints_m: NDArray[np.float64]
    lowest_m: float

    def moved(self, offset_m: NDArray) -> Posed:
        """The same pose shifted by offset_m (3,)."""
        T = self.T_bones.copy()
        T[:, :, 3] += offset_m
        return Posed(T, self.joints_m + offset_m, self.lowest_m + float(offset_m[1]))

    def on_floor(self, x_m: float, z_m: float) -> Posed:
        """The same pose with the pelvis over (x_m, z_m) and the lowest point on the floor."""
        pelvis = self.joints_m[JOINTS.index("pelvis")]
        return self.moved(np.array([x_m - pelvis[0], SOLE_M - self.lowest_m, z_m - pelvis[2]]))


@dataclass(frozen=True)
class Person:
    """A dressed body, uploaded; `aligned` fits role rotations to its rest skeleton."""

    shape: BodyShape
    aligned: Alignment
    meshes: list[Mesh]

    def draws(self, bones: object, number: int) -> list[Draw]:
        """What to draw for this person as person `number` (1..) of a picture."""
        return [Draw(mesh, bones, number) for mesh in self.meshes]


class Troupe:
    """Makes people of one part of the split and poses them. Building one takes longer than drawing it, so they appear again."""

    def __init__(self, pack: AssetPack, part: Part, renderer: Renderer, textures: TextureSource, bare: float = 0.0) -> None:
        self.model = BodyModel(pack)
        self.retargeter = Retargeter(self.model)
        self._bodies = split(range(len(self.model)), part)
        self._renderer = renderer
        self._dresser = Dresser(pack, self.model, Wardrobe(pack, self.model), textures, bare)
        self._pool: list[Person] = []
        height = self.model.mean[0][:SKIN_VERTICES, 1]
        touching = height < height.min() + 0.12  # whole feet; of the rest, every ninth vertex will do
        self._touching = np.flatnonzero(touching | (np.arange(SKIN_VERTICES) % 9 == 0))

    def forget(self) -> None:
        """Dismiss everybody: what comes next depends on the random generator alone."""
        self._pool.clear()

    def build(self, rng: np.random.Generator) -> Person:
        """A new person."""
        shape = self.model.shape(self._bodies[int(rng.integers(len(self._bodies)))], rng)
        meshes = [self._renderer.mesh(part) for part in self._dresser.dress(shape, rng)]
        return Person(shape, self.retargeter.align(shape.bone_m), meshes)

    def pick(self, count: int, rng: np.random.Generator, pool: int = 16, renewal: float = 0.45) -> list[Person]:
        """`count` different people: each new with the share `renewal`, else from the last `pool` people."""
        chosen: list[Person] = []
        while len(chosen) < count:
            if len(self._pool) < pool or rng.random() < renewal:
                self._pool = [*self._pool, self.build(rng)][-pool:]
                candidate = self._pool[-1]
            else:
                candidate = self._pool[int(rng.integers(len(self._pool)))]
            if all(candidate is not person for person in chosen):
                chosen.append(candidate)
        return chosen

    def pose(self, person: Person, Q_roles: NDArray, curl: Mapping[int, NDArray]) -> Posed:
        """Pose a person by role rotations (21, 3, 3) and finger rotations; the root stays where it rests."""
        R = self.retargeter.rotations(Q_roles, person.aligned, curl)
        T = rig_transforms(person.shape.bone_m, self.model.parents, R)
        named = self.model.joints(person.shape, T)
        v = self._touching
        lowest = skin(person.shape.vertices_m[v], self.model.weight_bones[v], self.model.weights[v], T)[:, 1].min()
        return Posed(T, np.stack([named[joint] for joint in JOINTS]), float(lowest))
