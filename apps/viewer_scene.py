"""What the viewer draws, as plain coloured triangles in the world (metres, z up); any renderer can draw it.

The light is baked into the vertex colours, so that every renderer shows the same picture. A mesh keeps its number of vertices
over time: what is not there collapses to a point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.camera import Camera, image_to_ray
from posecore.skeleton import load_skeleton

Floats = NDArray[np.float64]

# One colour per person, told apart by most colour-blind people too (Okabe and Ito, 2008).
PERSON_COLOURS = np.array(
    [(0.84, 0.37, 0.0), (0.0, 0.45, 0.70), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.90, 0.62, 0.0), (0.34, 0.71, 0.91)]
)
BACKGROUND = np.array([0.965, 0.97, 0.98])
TILE_COLOURS = np.array([(0.90, 0.91, 0.925), (0.85, 0.865, 0.885)])
SHADOW_COLOUR = np.array([0.70, 0.715, 0.74])
FRUSTUM_COLOUR = np.array([0.30, 0.33, 0.38])
_LIGHT = np.array([0.35, -0.45, 0.82]) / np.linalg.norm([0.35, -0.45, 0.82])
_SHADOW_SHEAR = -_LIGHT[:2] / _LIGHT[2]  # where a point one metre up throws its shadow, metres
_JOINT_RADIUS_M = 0.032
_BONE_RADIUS_M = 0.022
_BIG_JOINTS_M = {"pelvis": 0.045, "spine": 0.038, "neck": 0.036}
_SMALL_JOINTS = ("hand", "toe", "wrist", "head", "head_top")
_HEAD_MARGIN_M = 0.035  # the head's ball reaches beyond its two joints
_SIDES = 14
_LATITUDES = 11


@dataclass(frozen=True)
class Mesh:
    """vertices (V, 3) metres, world; triangles (F, 3) indices; colours (V, 3) 0..1, light included."""

    vertices: Floats
    triangles: NDArray[np.int32]
    colours: Floats


def shade(colours: Floats, normals: Floats) -> Floats:
    """(V, 3) colours under one soft light and a bright sky, by (V, 3) unit normals."""
    light = 0.62 + 0.30 * np.maximum(normals @ _LIGHT, 0) + 0.14 * normals[:, 2]
    return np.clip(colours * light[:, None], 0, 1)


def spheres(centres: Floats, radii: Floats) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """(N, 3) centres and (N,) radii to (vertices, unit normals, triangles); an unknown centre (NaN) collapses."""
    latitude, longitude = np.meshgrid(
        np.linspace(-np.pi / 2, np.pi / 2, _LATITUDES), np.arange(_SIDES) * 2 * np.pi / _SIDES, indexing="ij"
    )
    unit = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], -1).reshape(
        -1, 3
    )
    vertices = _known(centres[:, None] + radii[:, None, None] * unit)
    normals = np.broadcast_to(unit, vertices.shape).reshape(-1, 3)
    return vertices.reshape(-1, 3), normals, _repeat(_grid_triangles(_LATITUDES, _SIDES), len(unit), len(centres))


def tubes(start: Floats, end: Floats, radii: Floats, sides: int = _SIDES) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """Open cones from (N, 3) to (N, 3) with (N, 2) radii at both ends, as (vertices, unit normals, triangles)."""
    axis = end - start
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = axis / np.where(length > 0, length, 1)
    helper = np.where(np.abs(axis[:, 2:]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
    u = np.cross(axis, helper)
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-12)
    v = np.cross(axis, u)
    angle = np.arange(sides) * 2 * np.pi / sides
    around = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
    rings = [p[:, None] + radii[:, k, None, None] * around for k, p in enumerate((start, end))]
    vertices = _known(np.stack(rings, axis=1).reshape(len(start), -1, 3))
    normals = np.nan_to_num(np.concatenate([around, around], axis=1))
    return vertices.reshape(-1, 3), normals.reshape(-1, 3), _repeat(_grid_triangles(2, sides), 2 * sides, len(start))


def person_mesh(xyz_world_m: Floats, joint_colours: Floats, head_colour: Floats | None = None) -> Mesh:
    """A skeleton of balls and cones, with a round head, from (21, 3) joints and (21, 3) colours.

    head_colour (3,): that of the round head; without it the head joint's.
    """
    skeleton = load_skeleton("vnect21")
    head, top = skeleton.indices(["head", "head_top"])
    radii = np.array([_joint_radius_m(joint) for joint in skeleton.joints])
    child = np.array([j for j in range(len(skeleton)) if j != skeleton.root])
    parent = np.array(skeleton.parent)[child]
    bone_radii = np.minimum(np.stack([radii[parent], radii[child]], axis=1), _BONE_RADIUS_M)
    skull = 0.5 * (xyz_world_m[head] + xyz_world_m[top])
    skull_radius = 0.5 * np.linalg.norm(xyz_world_m[top] - xyz_world_m[head]) + _HEAD_MARGIN_M
    balls = spheres(np.vstack([xyz_world_m, skull]), np.append(radii, skull_radius))
    bones = tubes(xyz_world_m[parent], xyz_world_m[child], bone_radii)
    per_ball, per_bone = len(balls[0]) // (len(skeleton) + 1), len(bones[0]) // len(child)
    ball_colours = np.vstack([joint_colours, joint_colours[head] if head_colour is None else head_colour])
    colours = np.concatenate([ball_colours.repeat(per_ball, axis=0), joint_colours[child].repeat(per_bone, axis=0)])
    normals = np.concatenate([balls[1], bones[1]])
    return Mesh(
        np.concatenate([balls[0], bones[0]]), np.concatenate([balls[2], bones[2] + len(balls[0])]), shade(colours, normals)
    )


def side_colours(colour: Floats) -> Floats:
    """(21, 3): the person's colour; the left side lighter, so that left and right can be told apart."""
    left = np.array([joint.startswith("left_") for joint in load_skeleton("vnect21").joints])
    return np.where(left[:, None], 0.45 + 0.55 * colour, colour)


def shadow_mesh(mesh: Mesh, floor_z_m: float = 0.003) -> Mesh:
    """The mesh's shadow on the floor; parts below the floor throw none."""
    vertices = mesh.vertices.copy()
    vertices[:, :2] += np.maximum(vertices[:, 2:], 0) * _SHADOW_SHEAR
    vertices[:, 2] = floor_z_m
    return Mesh(vertices, mesh.triangles, np.broadcast_to(SHADOW_COLOUR, vertices.shape))


def floor_mesh(centre_xy_m: ArrayLike, radius_m: float, tile_m: float = 1.0) -> Mesh:
    """A chequered ground of whole tiles around a place, fading into the background."""
    centre = np.round(np.asarray(centre_xy_m, dtype=np.float64) / tile_m)
    reach = int(np.ceil(radius_m / tile_m)) + 1
    i, j = np.meshgrid(np.arange(-reach, reach), np.arange(-reach, reach), indexing="ij")
    corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    cell = np.stack([i, j], -1).reshape(-1, 1, 2) + corner + centre
    xy = (cell * tile_m).reshape(-1, 2)
    base = TILE_COLOURS[((i + j + int(centre.sum())) % 2).ravel()].repeat(4, axis=0)
    distance = np.linalg.norm(xy - centre * tile_m, axis=1) / (reach * tile_m)
    fade = np.clip((distance - 0.55) / 0.4, 0, 1)[:, None]
    vertices = np.concatenate([xy, np.full((len(xy), 1), -0.004)], axis=1)
    triangles = _repeat(np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32), 4, len(cell))
    return Mesh(vertices, triangles, base * (1 - fade) + BACKGROUND * fade)


def trail_mesh(paths_world_m: Floats, colour: Floats) -> Mesh:
    """(P, L, 3) paths, newest point last, as thin tubes that fade with age."""
    start, end = paths_world_m[:, :-1].reshape(-1, 3), paths_world_m[:, 1:].reshape(-1, 3)
    age = np.linspace(0, 1, max(paths_world_m.shape[1] - 1, 0))
    vertices, normals, triangles = tubes(start, end, np.full((len(start), 2), 0.007), sides=5)
    fresh = np.tile(age, len(paths_world_m)).repeat(10)[:, None]
    return Mesh(vertices, triangles, shade(colour * fresh + BACKGROUND * 0.96 * (1 - fresh), normals))


def frustum_corners(camera: Camera, T_world_camera: Floats, depth_m: float) -> tuple[Floats, Floats]:
    """Camera centre (3,) and the corners (4, 3) of the picture `depth_m` in front of it, clockwise from the top left; world."""
    width, height = camera.size_wh
    corners_px = np.array([(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)])
    pinhole = Camera(camera.K_px, camera.size_wh)  # the outline is straight; lens distortion would only bend it
    corners = image_to_ray(corners_px, pinhole) * depth_m
    return T_world_camera[:3, 3], corners @ T_world_camera[:3, :3].T + T_world_camera[:3, 3]


def frustum_mesh(centre: Floats, corners: Floats) -> Mesh:
    """The eight edges of a camera's pyramid."""
    start = np.concatenate([np.broadcast_to(centre, (4, 3)), corners])
    end = np.concatenate([corners, np.roll(corners, -1, axis=0)])
    vertices, normals, triangles = tubes(start, end, np.full((8, 2), 0.008), sides=6)
    return Mesh(vertices, triangles, shade(np.broadcast_to(FRUSTUM_COLOUR, vertices.shape), normals))


def _joint_radius_m(joint: str) -> float:
    if joint.endswith(_SMALL_JOINTS):
        return 0.024
    return _BIG_JOINTS_M.get(joint, _JOINT_RADIUS_M)


def _known(vertices: Floats) -> Floats:
    """(N, V, 3): shapes with an unknown vertex collapse to the origin, where they show nothing."""
    return np.where(np.isfinite(vertices).all(axis=(1, 2), keepdims=True), vertices, 0.0)


def _grid_triangles(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles of a (rows, columns) lattice of vertices that closes around the columns."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = i * columns + j, i * columns + (j + 1) % columns
    quads = np.stack([a, b, b + columns, a + columns], axis=-1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def _repeat(triangles: NDArray[np.int32], vertices: int, times: int) -> NDArray[np.int32]:
    """The same triangles for `times` shapes of that many vertices each."""
    offset = np.arange(times, dtype=np.int32)[:, None, None] * vertices
    return (triangles + offset).reshape(-1, 3).astype(np.int32)
