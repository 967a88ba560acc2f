"""Things around people: boxes, cut-out cards and procedural surface textures."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.synthetic.garments import VERTEX_FLOATS
from training.synthetic.materials import Colour, Material, Part, Rng, Surface

TEXTURE_SIZE = 256
Image = NDArray[np.floating]


def box(centre_m: ArrayLike, size_m: ArrayLike, R_stage_box: NDArray, texture: Any, tint: Colour, repeats: float = 1.0) -> Part:
    """A textured box; `repeats` per metre."""
    half = np.asarray(size_m, dtype=np.float64) / 2
    rows, faces = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            normal, u = np.zeros(3), np.zeros(3)
            normal[axis], u[(axis + 1) % 3] = sign, 1.0
            v = np.cross(normal, u)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                spread = [a * (np.abs(u) @ half) * repeats, b * (np.abs(v) @ half) * repeats]
                rows.append([*((normal + a * u + b * v) * half), *normal, *spread])
            first = len(rows) - 4
            faces += [[first, first + 1, first + 2], [first, first + 2, first + 3]]
    vertices = np.array(rows)
    vertices[:, :3] = vertices[:, :3] @ R_stage_box.T + np.asarray(centre_m)
    vertices[:, 3:6] = vertices[:, 3:6] @ R_stage_box.T
    material = Material(surface=Surface.PLAIN, tint=tint, texture=texture, roughness=0.6, gloss=0.2)
    return Part(_rigid(vertices), np.array(faces, np.int32), material)


def card(centre_m: NDArray, eye_m: NDArray, long_side_m: float, roll: float, texture: Any, tint: Colour) -> Part:
    """A flat cut-out that faces the eye."""
    forward = (eye_m - centre_m) / np.linalg.norm(eye_m - centre_m)
    x = np.cross([0.0, 1.0, 0.0], forward)
    x /= np.linalg.norm(x)
    y = np.cross(forward, x)
    x, y = np.cos(roll) * x + np.sin(roll) * y, np.cos(roll) * y - np.sin(roll) * x
    width, height = long_side_m * np.array([texture.width, texture.height]) / max(texture.width, texture.height)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    points = centre_m + corners[:, :1] * x * width / 2 + corners[:, 1:] * y * height / 2
    vertices = np.concatenate([points, np.tile(forward, (4, 1)), (corners + 1) / 2], axis=1)
    material = Material(surface=Surface.PLAIN, tint=tint, texture=texture, alpha_cut=0.5, roughness=0.6, gloss=0.1)
    return Part(_rigid(vertices), np.array([[0, 1, 2], [0, 2, 3]], np.int32), material)


def _rigid(vertices: NDArray) -> NDArray[np.float32]:
    """Pad (N, 8) positions, normals and texture coordinates to full vertex rows that follow bone 0."""
    rows = np.zeros((len(vertices), VERTEX_FLOATS), np.float32)
    rows[:, :8] = vertices
    rows[:, 12] = 1.0
    return rows


def _clouds(rng: Rng, columns: int, rows: int, octaves: int = 4) -> Image:
    """(S, S, 1) smooth noise in 0..1 with about columns x rows blobs, without a seam where it repeats."""
    total = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    for k in range(octaves):
        cells = np.minimum(np.array([rows, columns]) * 2**k, TEXTURE_SIZE)
        around = np.pad(rng.random(cells, np.float32), 2, mode="wrap")
        pitch = TEXTURE_SIZE / cells
        x, y = ((np.arange(TEXTURE_SIZE, dtype=np.float32) + 0.5) / p + 1.5 for p in (pitch[1], pitch[0]))
        grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        total += cv2.remap(around, grid_x, grid_y, cv2.INTER_CUBIC) * 0.5**k
    return ((total - total.min()) / (np.ptp(total) + 1e-6))[..., None]


def _rgb(rng: Rng, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]) -> Image:
    return np.array(colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)))


def _wall_paint(rng: Rng) -> Image:
    saturation = float(np.clip(rng.exponential(0.12), 0, 0.6))
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.4, 0.95)))


def _planks(rng: Rng) -> Image:
    image = _rgb(rng, (0.05, 0.1), (0.2, 0.6), (0.3, 0.8)) * (0.7 + 0.45 * _clouds(rng, 3, 40))
    width = TEXTURE_SIZE // int(rng.integers(3, 8))
    for row in range(0, TEXTURE_SIZE, width):
        image[row : row + width] *= rng.uniform(0.85, 1.12)
        image[row : row + 2] *= 0.5
    return image


def _tiles(rng: Rng) -> Image:
    image = _wall_paint(rng) * (0.85 + 0.2 * _clouds(rng, 6, 6))
    width = TEXTURE_SIZE // int(rng.integers(2, 6))
    for shift, dark in ((0, 0.5), (1, 0.6)):
        image[shift::width] *= dark
        image[:, shift::width] *= dark
    return image


def _bricks(rng: Rng) -> Image:
    paint, image = _rgb(rng, (0, 0.08), (0.2, 0.7), (0.3, 0.8)), np.full((TEXTURE_SIZE, TEXTURE_SIZE, 3), 0.6)
    for row in range(TEXTURE_SIZE // 16):
        for column in range(-1, TEXTURE_SIZE // 32):
            x = column * 32 + (row % 2) * 16
            image[row * 16 + 1 : row * 16 + 15, max(0, x + 1) : max(0, x + 31)] = paint * rng.uniform(0.75, 1.15)
    return image * (0.8 + 0.3 * _clouds(rng, 20, 20))


def _plaster(rng: Rng) -> Image:
    return _wall_paint(rng) * (0.9 + 0.12 * _clouds(rng, 3, 3, 6)) * (0.95 + 0.1 * rng.random((TEXTURE_SIZE, TEXTURE_SIZE, 1)))


def _carpet(rng: Rng) -> Image:
    fibres = 0.6 + 0.7 * rng.random((TEXTURE_SIZE, TEXTURE_SIZE, 1)) ** 0.7
    return _wall_paint(rng) * fibres * (0.85 + 0.2 * _clouds(rng, 8, 8))


def _wallpaper(rng: Rng) -> Image:
    paint, width = _wall_paint(rng), int(rng.integers(8, 40))
    stripe = (np.arange(TEXTURE_SIZE) // width % 2)[None, :, None]
    return np.where(stripe, paint, np.clip(paint * rng.uniform(0.75, 1.2), 0, 1)) * (0.92 + 0.1 * _clouds(rng, 4, 4))


def _concrete(rng: Rng) -> Image:
    return _wall_paint(rng) * (0.7 + 0.3 * _clouds(rng, 2, 2, 6))


def _foliage(rng: Rng) -> Image:
    leaf = np.array([0.25, 0.45, 0.12]) * rng.uniform(0.6, 1.3)
    return leaf * (0.3 + 1.1 * _clouds(rng, 24, 24)) * rng.uniform(0.7, 1.2, (TEXTURE_SIZE, TEXTURE_SIZE, 1))


def _shelves(rng: Rng) -> Image:
    image, top = _wall_paint(rng) * np.full((TEXTURE_SIZE, TEXTURE_SIZE, 3), 0.5), 0
    while top < TEXTURE_SIZE:
        height, x = int(rng.integers(30, 64)), 0
        while x < TEXTURE_SIZE:
            width, book = int(rng.integers(4, 18)), int(rng.integers(height // 2, height - 3))
            image[top + height - book : top + height - 3, x : x + width] = _rgb(rng, (0, 1), (0.1, 0.8), (0.2, 0.9))
            x += width
        top += height
    return image


SURFACES: dict[str, Callable[[Rng], Image]] = {
    "planks": _planks,
    "tiles": _tiles,
    "bricks": _bricks,
    "plaster": _plaster,
    "carpet": _carpet,
    "wallpaper": _wallpaper,
    "concrete": _concrete,
    "foliage": _foliage,
    "shelves": _shelves,
}


def surface_image(kind: str, rng: Rng) -> NDArray[np.uint8]:
    """(256, 256, 3) uint8 sRGB picture of a kind of surface, one of SURFACES."""
    return (255 * np.clip(SURFACES[kind](rng), 0, 1)).astype(np.uint8)
