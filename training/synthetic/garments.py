"""Garment geometry: triangle topologies, cloth coordinates on the body, and artist-made garments fitted to any body.

An artist-made garment (MakeHuman .mhclo) ties each of its vertices to three body vertices: position = sum of weight_i times
reference_i plus an offset, the offset scaled per axis by |a - b| / length of two named body vertices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.synthetic.assets import AssetPack
from training.synthetic.body import BodyModel

Floats = NDArray[np.float32]
VERTEX_FLOATS = 20  # position 3, normal 3, texture 2, bones 4, weights 4, cloth coordinates 4


class Topology:
    """Triangles whose corners carry a vertex and a texture coordinate; corners that share both are merged.

    vertex (N,): source vertex of each render vertex; texcoord (N, 2); faces (M, 3) into the render vertices.
    """

    def __init__(self, face_vertex: NDArray, face_texture: NDArray, texcoord: NDArray) -> None:
        pair = face_vertex.ravel().astype(np.int64) * len(texcoord) + face_texture.ravel()
        pairs, inverse = np.unique(pair, return_inverse=True)
        self.vertex, texture = pairs // len(texcoord), pairs % len(texcoord)
        self.texcoord = texcoord[texture].astype(np.float32)
        self.faces = inverse.reshape(-1, 3).astype(np.int32)
        self.source_faces = face_vertex.astype(np.int64)
        corners, owners = face_vertex.ravel(), np.repeat(np.arange(len(face_vertex)), 3)
        size = (int(face_vertex.max()) + 1, len(face_vertex))
        self._faces_of = csr_matrix((np.ones(len(corners), np.float32), (corners, owners)), shape=size)

    def normals(self, points_m: Floats) -> Floats:
        """Area-weighted unit normals of the source vertices (N_source, 3)."""
        a, b, c = (points_m[self.source_faces[:, k]] for k in range(3))
        normal = self._faces_of @ np.cross(b - a, c - a)
        return normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12)


@dataclass(frozen=True)
class Garment:
    """One artist-made garment; `hides` are the body vertices under it."""

    topology: Topology
    bones: NDArray[np.int64]
    weights: Floats
    cloth: Floats
    hides: NDArray[np.int64]
    reference: NDArray[np.int64]
    reference_weight: Floats
    offset: Floats
    scale_rule: NDArray[np.float64]

    def fit(self, body_m: Floats) -> Floats:
        """(N, 3) positions of the garment's vertices on a body of vertices (19158, 3)."""
        lengths = [abs(body_m[int(a), k] - body_m[int(b), k]) / unit for k, (a, b, unit) in enumerate(self.scale_rule)]
        placed = (body_m[self.reference] * self.reference_weight[..., None]).sum(axis=1)
        return placed + self.offset * np.array(lengths, np.float32)


class Wardrobe:
    """All geometry to dress a body: the body's own surfaces, cloth coordinates and the artist-made garments."""

    def __init__(self, pack: AssetPack, model: BodyModel) -> None:
        self.names = pack.garment_names()
        self._arrays = pack.arrays("garments") if self.names else {}
        self._model = model
        self._known: dict[str, Garment] = {}
        groups = pack.arrays("groups")
        self.body = _group(groups, "body")
        self.tights = _group(groups, "helper-tights")
        self.skirt = _group(groups, "helper-skirt")
        self.eyes = _group(groups, "helper-l-eye", "helper-r-eye")
        self.cloth = cloth_coordinates(model)

    def garment(self, name: str) -> Garment:
        """An artist-made garment by name."""
        if name not in self._known:
            self._known[name] = self._bind({key: self._arrays[f"{name}.{key}"] for key in _GARMENT_KEYS})
        return self._known[name]

    def _bind(self, raw: dict[str, NDArray]) -> Garment:
        reference = raw["ref"].astype(np.int64)
        rows = len(reference)
        bones = self._model.weight_bones[reference].reshape(rows, -1)
        shares = (self._model.weights[reference] * np.abs(raw["wt"])[..., None]).reshape(rows, -1)
        top_bones, top_weights = strongest_four(bones, shares, len(self._model.bones))
        cloth = (self.cloth[reference] * raw["wt"][..., None]).sum(axis=1)
        topology = Topology(raw["fv"], raw["ft"], raw["vt"])
        return Garment(
            topology, top_bones, top_weights, cloth, raw["dele"], reference, raw["wt"], raw["off"].astype(np.float32), raw["sc"]
        )


_GARMENT_KEYS = ("ref", "wt", "off", "fv", "ft", "vt", "dele", "sc")


def _group(groups: Mapping[str, NDArray], *names: str) -> Topology:
    faces, textures = (np.concatenate([groups[f"{name}_{kind}"] for name in names]) for kind in "vt")
    return Topology(faces, textures, groups["vt"])


def strongest_four(bones: NDArray[np.int64], shares: Floats, bone_count: int) -> tuple[NDArray[np.int64], Floats]:
    """The four strongest bones per row of (N, K) bones with shares, repeated bones added up, weights summing to one."""
    rows = np.arange(len(bones))[:, None]
    total = np.zeros((len(bones), bone_count), np.float32)
    np.add.at(total, (np.broadcast_to(rows, bones.shape), bones), shares)
    top = np.argsort(-total, axis=1)[:, :4]
    weights = np.take_along_axis(total, top, axis=1)
    return top, weights / weights.sum(axis=1, keepdims=True)


def cloth_coordinates(model: BodyModel) -> Floats:
    """(19158, 4) where each body vertex lies for a tailor, on the mean body.

    0: along the arm (0 shoulder, 0.5 elbow, 1 wrist; small on the trunk); 1: along the leg (0 hip, 0.5 knee, 1 ankle);
    2: height on the trunk (0 hip, 1 neck); 3: how mixed the skin weights are, where cloth folds.
    """
    vertices, bones = model.mean
    strongest = model.weight_bones[np.arange(len(vertices)), model.weights.argmax(axis=1)]
    stem = np.array([name.split(".")[0].rstrip("0123456789-") for name in model.bones])[strongest]
    arm = np.isin(stem, ("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))
    leg = np.isin(stem, ("upperleg", "lowerleg", "foot", "toe"))
    out = np.full((len(vertices), 4), -1, np.float32)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        mine = vertices[:, 0] * sign >= 0
        at = {bone: bones[model.bone(f"{bone}.{side}")] for bone in ("upperarm01", "lowerarm01", "wrist")}
        at |= {bone: bones[model.bone(f"{bone}.{side}")] for bone in ("upperleg01", "lowerleg01", "foot")}
        out[mine, 0] = _along_arm(vertices[mine], at, arm[mine], leg[mine])
        out[mine, 1] = np.where(arm[mine], -2.0, _along_leg(vertices[mine, 1], at))
    hip_y, neck_y = bones[model.bone("upperleg01.L"), 1], bones[model.bone("neck01"), 1]
    out[:, 2] = np.where(arm, 0.85, (vertices[:, 1] - hip_y) / (neck_y - hip_y))
    out[:, 3] = 1 - model.weights.max(axis=1)
    return out


def _along_arm(points: Floats, at: dict[str, Floats], arm: NDArray[np.bool_], leg: NDArray[np.bool_]) -> Floats:
    upper, fore = at["lowerarm01"] - at["upperarm01"], at["wrist"] - at["lowerarm01"]
    t_upper = (points - at["upperarm01"]) @ upper / (upper @ upper)
    t_fore = (points - at["lowerarm01"]) @ fore / (fore @ fore)
    t = np.where(t_fore > 0, 0.5 + 0.5 * t_fore, 0.5 * np.minimum(t_upper, 1))
    # In an A-pose the hips project far along the arm: the trunk gets a small ceiling instead of its projection.
    ceiling = np.where(points[:, 1] > at["upperarm01"][1] - 0.12, 0.04, -0.2)
    return np.where(leg, -1.0, np.where(arm, t, np.minimum(t, ceiling)))


def _along_leg(y: Floats, at: dict[str, Floats]) -> Floats:
    hip, knee, ankle = at["upperleg01"][1], at["lowerleg01"][1], at["foot"][1]
    return np.where(y < knee, 0.5 + 0.5 * (knee - y) / (knee - ankle), 0.5 * (hip - y) / (hip - knee))


def render_vertices(topology: Topology, points_m: Floats, bones: NDArray, weights: Floats, cloth: Floats) -> Floats:
    """(N, 20) float32 vertex rows as the skinning shader reads them, from per-source-vertex arrays."""
    v = topology.vertex
    normals = topology.normals(points_m)
    columns = [points_m[v], normals[v], topology.texcoord, bones[v], weights[v], cloth[v]]
    return np.concatenate(columns, axis=1).astype(np.float32)
