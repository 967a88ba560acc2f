"""Surroundings of people: textures, furnished rooms, flat backdrops, light, seats and occluders. Stage axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from training.synthetic.assets import AssetPack, read_rgba, split
from training.synthetic.assets import Part as SplitPart
from training.synthetic.materials import Colour, Part, Rng
from training.synthetic.props import SURFACES, box, card, surface_image
from training.synthetic.renderer import Renderer

_PER_KIND = 4  # pictures of each kind of surface
_ANY = tuple(SURFACES)
_FLOORS = ("planks", "planks", "planks", "tiles", "plaster", "carpet", "carpet", "concrete")
_WALLS = ("plaster", "plaster", "plaster", "plaster", "wallpaper", "bricks", "tiles", "concrete", "shelves")
_FURNITURE = ("planks", "planks", "plaster", "plaster", "carpet", "wallpaper", "concrete", "tiles")


class SceneTextures:
    """Textures by file, procedural surfaces, prints, backgrounds and occluders of one part of the split."""

    def __init__(self, pack: AssetPack, part: SplitPart, renderer: Renderer, photos: bool = True) -> None:
        self._renderer = renderer
        self._files: dict[Path, Any] = {}
        self.real = split(pack.backgrounds("real"), part) if photos else []
        self.abstract = split(pack.backgrounds("abstract"), part)
        rng = np.random.default_rng([part == "test", 20])
        self._surfaces = {kind: [self._upload(surface_image(kind, rng)) for _ in range(_PER_KIND)] for kind in SURFACES}
        pictures = self.real + self.abstract if photos else []
        self._prints = [self._upload(read_rgba(path, (256, 256))) for path in pictures]
        self.occluders = [self.get(path) for path in split(pack.occluders(), part)] if photos else []

    def _upload(self, image: NDArray[np.uint8]) -> Any:
        return self._renderer.texture(image)

    def get(self, path: Path) -> Any:
        """Texture of a picture file, kept."""
        if path not in self._files:
            self._files[path] = self._upload(read_rgba(path))
        return self._files[path]

    def random_print(self, rng: Rng) -> Any:
        """A random picture to hang on a wall or to print on a shirt."""
        return self._prints[int(rng.integers(len(self._prints)))] if self._prints else self.surface(_ANY, rng)

    def surface(self, kinds: Sequence[str], rng: Rng) -> Any:
        """A random procedural surface of the given kinds."""
        options = self._surfaces[kinds[int(rng.integers(len(kinds)))]]
        return options[int(rng.integers(len(options)))]


def _yaw(angle: float) -> NDArray[np.float64]:
    return Rotation.from_euler("y", angle).as_matrix()


def _up(height_m: float) -> NDArray[np.float64]:
    return np.array([0.0, height_m, 0.0])


def _tint(rng: Rng) -> Colour:
    r, g, b = (float(c) for c in rng.uniform(0.75, 1.2) * np.clip(rng.normal(1, 0.05, 3), 0.8, 1.2))
    return (r, g, b)


def room(
    textures: SceneTextures, facing: float, eye_height_m: float, rng: Rng, clear_m: float = 0.0, closed: bool = False
) -> tuple[list[Part], list[Part]]:
    """Shell (floor, walls with pictures, perhaps a ceiling) and furniture, for a camera that looks along yaw `facing`.

    Nothing stands within clear_m of the stage's middle; `closed` leaves no gap to the backdrop.
    """
    floor = textures.surface(_FLOORS, rng)
    parts = [box((0, -0.05, 0), (16, 0.1, 16), _yaw(rng.uniform(0, 3)), floor, _tint(rng), rng.uniform(0.5, 2))]
    height = max(rng.uniform(2.5, 3.3), eye_height_m + 0.3)
    if rng.random() < 0.75 or closed:
        parts.append(box((0, height + 0.05, 0), (16, 0.1, 16), np.eye(3), textures.surface(("plaster",), rng), _tint(rng), 0.5))
    aim = facing + rng.normal(0, 0.4)
    parts += _wall(textures, aim, clear_m + rng.uniform(1.6, max(5.5 - clear_m, 2.0)), rng)
    for side in (-np.pi / 2, np.pi / 2):
        if rng.random() < 0.7 or closed:
            parts += _wall(textures, aim + side, clear_m + rng.uniform(2.2, max(5 - clear_m, 2.6)), rng)
    furniture: list[Part] = []
    for _ in range(rng.integers(1, 7)):
        distance, angle = clear_m + rng.uniform(1.5, max(4.5 - clear_m, 2.0)), aim + rng.uniform(-1.9, 1.9)
        spot = distance * np.array([np.sin(angle), 0, np.cos(angle)])
        furniture += _furniture(textures, spot, _yaw(rng.uniform(0, 3)), rng)
    return parts, furniture


def _wall(textures: SceneTextures, yaw: float, distance_m: float, rng: Rng) -> list[Part]:
    out, along, R = np.array([np.sin(yaw), 0, np.cos(yaw)]), np.array([np.cos(yaw), 0, -np.sin(yaw)]), _yaw(yaw)
    surface = textures.surface(_WALLS, rng)
    parts = [box(out * (distance_m + 0.05) + _up(1.6), (16, 3.4, 0.1), R, surface, _tint(rng), rng.uniform(0.3, 1.2))]
    for _ in range(rng.integers(0, 4)):
        place = out * (distance_m - 0.02) + along * rng.uniform(-3, 3) + _up(rng.uniform(0.8, 2.2))
        picture = textures.random_print(rng) if rng.random() < 0.7 else textures.surface(_ANY, rng)
        parts.append(box(place, (rng.uniform(0.3, 1.6), rng.uniform(0.3, 1.4), 0.04), R, picture, _tint(rng), 0.8))
    return parts


def _furniture(textures: SceneTextures, spot: NDArray, R: NDArray, rng: Rng) -> list[Part]:
    """A cupboard, a table, a sofa or chair, or a loose thing."""
    kind, look = rng.choice(4, p=[0.3, 0.25, 0.25, 0.2]), (textures.surface(_FURNITURE, rng), _tint(rng))
    if kind == 0:
        height = rng.uniform(0.35, 2.1)
        return [box(spot + _up(height / 2), (rng.uniform(0.3, 1.4), height, rng.uniform(0.3, 0.7)), R, *look, 1.5)]
    if kind == 1:
        height, width, depth = rng.uniform(0.45, 0.8), rng.uniform(0.6, 1.6), rng.uniform(0.5, 0.9)
        feet = [(i * (width / 2 - 0.05), height / 2, j * (depth / 2 - 0.05)) for i in (-1, 1) for j in (-1, 1)]
        legs = [box(spot + R @ np.array(foot), (0.05, height, 0.05), R, *look) for foot in feet]
        return [box(spot + _up(height), (width, 0.04, depth), R, *look), *legs]
    if kind == 2:
        width = rng.choice([0.5, 0.55, 1.4, 1.9])
        back = box(spot + R @ np.array([0, 0.6, -0.3]), (width, 0.8, 0.12), R, *look, 2.0)
        return [box(spot + _up(0.22), (width, 0.44, 0.6), R, *look, 2.0), back]
    return [box(spot + _up(rng.uniform(0.3, 1.8)), rng.uniform(0.1, 0.5, 3), R, *look, 2.0)]


def seat(textures: SceneTextures, pelvis_m: NDArray, rng: Rng) -> list[Part]:
    """Something under a sitting person's pelvis (3,), unless the person sits on the floor."""
    height = pelvis_m[1] - 0.12
    if height < 0.12:
        return []
    size = (rng.uniform(0.4, 0.6), height, rng.uniform(0.38, 0.5))
    place = (pelvis_m[0], height / 2, pelvis_m[2])
    return [box(place, size, _yaw(rng.uniform(0, 3)), textures.surface(_FURNITURE, rng), _tint(rng), 2.0)]


def occluder(textures: SceneTextures, target_m: NDArray, eye_m: NDArray, rng: Rng) -> Part:
    """A thing between the eye and a joint: a cut-out picture or a tilted box."""
    near = rng.uniform(0.25, 0.6)
    place, size = (1 - near) * target_m + near * eye_m, rng.uniform(0.08, 0.4, 3) * (1 - near) * 1.6
    if textures.occluders and rng.random() < 0.65:
        picture = textures.occluders[int(rng.integers(len(textures.occluders)))]
        return card(place, eye_m, 1.3 * size.max(), rng.normal(0, 0.4), picture, _tint(rng))
    return box(place, size, Rotation.random(random_state=rng).as_matrix(), textures.surface(_ANY, rng), _tint(rng), 3.0)


def backdrop_image(textures: SceneTextures, size_wh: tuple[int, int], rng: Rng) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 window of a photograph, of an abstract picture, or of random shapes."""
    kind = rng.random()
    if kind < 0.72 and textures.real:
        image = read_rgba(textures.real[int(rng.integers(len(textures.real)))])
    elif kind < 0.86 and textures.abstract:
        image = read_rgba(textures.abstract[int(rng.integers(len(textures.abstract)))])
    else:
        image = _random_shapes(size_wh, rng)
    window = _random_window(np.ascontiguousarray(image[..., :3]), size_wh, rng)
    return cv2.GaussianBlur(window, (0, 0), rng.uniform(0.5, 3)) if rng.random() < 0.35 else window


def _random_window(image: NDArray[np.uint8], size_wh: tuple[int, int], rng: Rng) -> NDArray[np.uint8]:
    width, height = size_wh
    scale = max(width / image.shape[1], height / image.shape[0]) * rng.uniform(1, 2.2)
    cut_w, cut_h = min(width / scale, image.shape[1]), min(height / scale, image.shape[0])
    x, y = rng.uniform(0, image.shape[1] - cut_w), rng.uniform(0, image.shape[0] - cut_h)
    cut = image[int(y) : int(y + cut_h) or 1, int(x) : int(x + cut_w) or 1]
    window = cv2.resize(cut, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.ascontiguousarray(window[:, ::-1] if rng.random() < 0.5 else window)


def _random_shapes(size_wh: tuple[int, int], rng: Rng) -> NDArray[np.uint8]:
    coarse = rng.integers(0, 255, (*rng.integers(2, 9, 2), 3)).astype(np.uint8)
    image = np.ascontiguousarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC))
    for _ in range(rng.integers(0, 40)):
        colour, corner = tuple(int(c) for c in rng.integers(0, 255, 3)), rng.integers(-20, max(size_wh), 2)
        size = rng.integers(5, 160, 2)
        if rng.random() < 0.5:
            cv2.rectangle(image, tuple(map(int, corner)), tuple(map(int, corner + size)), colour, -1)
        else:
            cv2.ellipse(image, tuple(map(int, corner)), tuple(map(int, size)), rng.uniform(0, 180), 0, 360, colour, -1)
    return image
