"""GLB (glTF 2.0, binary): all people of a clip as animated, skinned skeletons in one file. Metres, y up, the clip's own times.

Written from the specification (Khronos glTF 2.0): one node per bone, one skin and one mesh of rigidly bound bones per person,
one animation. Opens in Blender, three.js, Unity and the system viewers of Windows and macOS.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.export.rig import Rig
from posecore.results import whole_file

Floats = NDArray[np.float64]
_FLOAT, _UBYTE, _USHORT = 5126, 5121, 5123
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_BONE_WIDTH = 0.12  # of its length
_COLOURS = ((0.84, 0.37, 0.0), (0.0, 0.45, 0.70), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.90, 0.62, 0.0), (0.34, 0.71, 0.91))


class _Builder:
    """JSON and binary of a glTF file as they grow."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "video3d"},
            "scene": 0,
            "scenes": [{"nodes": []}],
        }

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Append to a list of the file; its index."""
        self.json.setdefault(kind, []).append(item)
        return len(self.json[kind]) - 1

    def accessor(self, array: NDArray, component: int, target: int | None = None, bounds: bool = False) -> int:
        """Put an array (N,) or (N, width) into the binary; the index of its accessor."""
        dtype = {_FLOAT: "<f4", _UBYTE: "u1", _USHORT: "<u2"}[component]
        data = np.ascontiguousarray(array, dtype=dtype)
        self.binary += b"\0" * (-len(self.binary) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": data.nbytes}
        if target is not None:
            view["target"] = target
        self.binary += data.tobytes()
        width = 1 if data.ndim == 1 else data.shape[1]
        entry = {
            "bufferView": self.add("bufferViews", view),
            "componentType": component,
            "count": len(data),
            "type": _TYPES[width],
        }
        if bounds:
            entry["min"], entry["max"] = (np.atleast_1d(f(axis=0)).astype(float).tolist() for f in (data.min, data.max))
        return self.add("accessors", entry)

    def to_bytes(self) -> bytes:
        """The whole file."""
        self.json["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.json, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self.binary) + b"\0" * (-len(self.binary) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
        return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def write_glb(path: Path, rigs: Sequence[Rig]) -> None:
    """One GLB file of all people; without people a valid file with an empty scene."""
    builder = _Builder()
    channels: list[dict[str, Any]] = []
    samplers: list[dict[str, Any]] = []
    for rig in rigs:
        nodes = _add_bones(builder, rig)
        _add_skin(builder, rig, nodes)
        _add_motion(builder, rig, nodes, channels, samplers)
    if rigs:
        builder.add("animations", {"name": "motion", "channels": channels, "samplers": samplers})
    with whole_file(path) as part:
        part.write_bytes(builder.to_bytes() if rigs else _empty_file())


def _empty_file() -> bytes:
    text = json.dumps({"asset": {"version": "2.0", "generator": "video3d"}, "scene": 0, "scenes": [{}]}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<III", 0x46546C67, 2, 20 + len(text)) + struct.pack("<II", len(text), 0x4E4F534A) + text


def _add_bones(builder: _Builder, rig: Rig) -> list[int]:
    """One node per bone, in the first frame's pose; their numbers."""
    first = len(builder.json.get("nodes", []))
    nodes = [first + bone for bone in range(len(rig.names))]
    for bone, name in enumerate(rig.names):
        place = rig.root_m[0] if bone == 0 else rig.offset_m[bone]
        node: dict[str, Any] = {
            "name": f"person{rig.person}_{name}",
            "translation": place.tolist(),
            "rotation": _unit(rig.quaternion_xyzw[0, bone]).tolist(),
        }
        children = [nodes[child] for child in rig.children(bone)]
        if children:
            node["children"] = children
        builder.add("nodes", node)
    builder.json["scenes"][0]["nodes"].append(nodes[0])
    return nodes


def _add_skin(builder: _Builder, rig: Rig, nodes: list[int]) -> None:
    """A body of slim octahedra, each bound to its bone. The bind pose is the rest pose around the origin."""
    start = rest_starts(rig)
    inverse = np.tile(np.eye(4), (len(nodes), 1, 1))
    inverse[:, 3, :3] = -start  # glTF keeps matrices by columns: the last row here is the translation
    matrices = builder.accessor(inverse.reshape(-1, 16), _FLOAT)
    skin = builder.add("skins", {"joints": nodes, "skeleton": nodes[0], "inverseBindMatrices": matrices})
    position, normal, bone = bone_mesh(start, rig.tip_m)
    joints, weights = np.zeros((len(bone), 4)), np.zeros((len(bone), 4))
    joints[:, 0], weights[:, 0] = bone, 1
    attributes = {
        "POSITION": builder.accessor(position, _FLOAT, _VERTEX_BUFFER, bounds=True),
        "NORMAL": builder.accessor(normal, _FLOAT, _VERTEX_BUFFER),
        "JOINTS_0": builder.accessor(joints, _UBYTE, _VERTEX_BUFFER),
        "WEIGHTS_0": builder.accessor(weights, _FLOAT, _VERTEX_BUFFER),
    }
    colour = [*_COLOURS[(rig.person - 1) % len(_COLOURS)], 1.0]
    surface = {"baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": 0.7}
    material = builder.add("materials", {"name": f"person{rig.person}", "pbrMetallicRoughness": surface})
    indices = builder.accessor(np.arange(len(position)), _USHORT, _INDEX_BUFFER)
    primitive = {"attributes": attributes, "indices": indices, "material": material}
    mesh = builder.add("meshes", {"name": f"person{rig.person}", "primitives": [primitive]})
    node = builder.add("nodes", {"name": f"person{rig.person}", "mesh": mesh, "skin": skin})
    builder.json["scenes"][0]["nodes"].append(node)


def _add_motion(builder: _Builder, rig: Rig, nodes: list[int], channels: list, samplers: list) -> None:
    """The root's path and every bone's rotation over time, linear (slerp) between frames."""
    time = builder.accessor(rig.time_s - rig.time_s[0], _FLOAT, bounds=True)
    curves = [(nodes[0], "translation", rig.root_m)]
    curves += [(node, "rotation", _unit(rig.quaternion_xyzw[:, bone])) for bone, node in enumerate(nodes)]
    for node, what, values in curves:
        samplers.append({"input": time, "output": builder.accessor(values, _FLOAT), "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": what}})


def rest_starts(rig: Rig) -> Floats:
    """(B, 3) where every bone starts in the rest pose, root at the origin."""
    start = np.zeros_like(rig.offset_m)
    for bone, parent in enumerate(rig.parent):
        if parent >= 0:
            start[bone] = start[parent] + rig.offset_m[bone]
    return start


def bone_mesh(start_m: Floats, tip_m: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Flat-shaded octahedra from start to start + tip: positions (V, 3), unit normals (V, 3), bone (V,). Bones without length
    have none."""
    corners, owners = [], []
    for bone in np.flatnonzero(np.linalg.norm(tip_m, axis=1) > 1e-4).tolist():
        tip = tip_m[bone]
        u = np.cross(tip, np.eye(3)[np.argmin(np.abs(tip))])
        u *= _BONE_WIDTH * np.linalg.norm(tip) / np.linalg.norm(u)
        v = np.cross(tip, u) / np.linalg.norm(tip)
        ring = start_m[bone] + 0.2 * tip + np.array([u, v, -u, -v])
        for k in range(4):
            a, b = ring[k], ring[(k + 1) % 4]
            corners += [start_m[bone], b, a, start_m[bone] + tip, a, b]
            owners += [bone] * 6
    position = np.array(corners).reshape(-1, 3, 3)
    normal = np.cross(position[:, 1] - position[:, 0], position[:, 2] - position[:, 0])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return position.reshape(-1, 3), normal.repeat(3, axis=0), np.array(owners)


def _unit(quaternion: Floats) -> Floats:
    return quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
