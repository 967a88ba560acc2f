"""What surfaces look like: materials with the constants their shaders are specialised on, and random plausible colours.

Colours are linear RGB in 0..1 unless a name says sRGB.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Triple = tuple[float, float, float]
Rng = np.random.Generator


class Surface(IntEnum):
    """How light is reflected."""

    SKIN = 0
    CLOTH = 1
    HAIR = 2
    PLAIN = 3


class Pattern(IntEnum):
    """What is printed on a cloth."""

    NONE = 0
    STRIPES = 1
    BARS = 2
    PLAID = 3
    CHECKS = 4
    DOTS = 5
    CAMOUFLAGE = 6
    ALL_OVER_PRINT = 7
    TWO_TONE = 8
    CHEST_PRINT = 9


class Region(IntEnum):
    """Which part of a mesh is kept, by cloth coordinates."""

    ALL = 0
    TOP = 1
    BOTTOM = 2
    UNCLOTHED = 3


NO_CUT: Triple = (-9.0, 0.0, 0.0)


@dataclass(frozen=True)
class Material:
    """Everything a part's shader needs; textures are handles of the renderer.

    cut_top: (sleeve end, hem, neckline) and cut_bottom: (leg end, waist, -) in cloth coordinates; pattern_shape: (repeats per
    metre, duty or strength); inflate_m and loose_m: distance from the skin, everywhere and towards hems; lift_m: depth offset
    towards the camera that keeps layers apart.
    """

    surface: Surface = Surface.CLOTH
    tint: Colour = (0.5, 0.5, 0.5)
    tint_2: Colour = (1.0, 1.0, 1.0)
    tint_3: Colour = (0.0, 0.0, 0.0)
    texture: Any = None
    normal_map: Any = None
    recolour: float = 0.0  # 0 keeps the texture's colours, 1 uses only its brightness
    alpha_cut: float = -1.0  # texels less opaque than this are holes
    pattern: Pattern = Pattern.NONE
    pattern_shape: tuple[float, float] = (1.0, 0.0)
    fold_depth: float = 0.0
    fold_rate: float = 12.0  # folds per metre
    seed: Triple = (0.0, 0.0, 0.0)  # offset into the noise: no two garments fold alike
    roughness: float = 0.7
    gloss: float = 0.3
    region: Region = Region.ALL
    cut_top: Triple = NO_CUT
    cut_bottom: Triple = NO_CUT
    front_gap_m: float = 0.0  # half width of an open jacket's gap
    inflate_m: float = 0.0
    loose_m: float = 0.0
    lift_m: float = 0.0

    @property
    def textured(self) -> bool:
        """Whether the texture paints the surface itself (a print is only an ingredient of the cloth)."""
        return self.texture is not None and self.pattern not in (Pattern.ALL_OVER_PRINT, Pattern.CHEST_PRINT)

    def defines(self, purpose: str) -> tuple[tuple[str, int], ...]:
        """Preprocessor constants; a depth-only program needs fewer, so that more materials share it."""
        holes = self.textured and (purpose == "colour" or self.alpha_cut > 0)
        shape = (("REGION", int(self.region)), ("TEXTURED", int(holes)))
        if purpose == "shadow":
            return shape
        looks = (("SURFACE", int(self.surface)), ("PATTERN", int(self.pattern)), ("FOLDS", int(self.fold_depth > 0)))
        return (*shape, *looks, ("NORMAL_MAP", int(self.normal_map is not None)))

    def uniforms(self) -> dict[str, Any]:
        """Shader inputs by name."""
        names = ("tint", "tint_2", "tint_3", "recolour", "alpha_cut", "pattern_shape", "fold_depth", "fold_rate", "seed")
        more = ("roughness", "gloss", "cut_top", "cut_bottom", "front_gap_m", "inflate_m", "loose_m", "lift_m")
        return {name: getattr(self, name) for name in names + more}


@dataclass(frozen=True)
class Part:
    """A piece of a person or a scene: vertices (N, 20) as in `garments.render_vertices`, faces (M, 3), material."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    material: Material


def linear(srgb: tuple[float, float, float]) -> Colour:
    """Display RGB 0..1 to linear RGB by gamma 2, the shaders' rule."""
    r, g, b = (float(c) ** 2 for c in srgb)
    return (r, g, b)


def _hsv(rng: Rng, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    return linear(colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)))


def grey(rng: Rng, low: float, high: float) -> Colour:
    """A nearly neutral colour of sRGB value low..high."""
    value = rng.uniform(low, high)
    return linear((value, value * rng.uniform(0.95, 1.02), value * rng.uniform(0.92, 1.08)))


def cloth_colour(rng: Rng) -> Colour:
    """A colour of everyday clothes: mostly dark, white, grey, blue or brown, sometimes anything."""
    kind = rng.choice(6, p=[0.22, 0.14, 0.1, 0.16, 0.1, 0.28])
    if kind <= 2:
        return grey(rng, *((0.05, 0.25), (0.75, 0.95), (0.3, 0.65))[kind])
    if kind == 3:
        return _hsv(rng, (0.56, 0.68), (0.3, 0.8), (0.2, 0.7))
    if kind == 4:
        return _hsv(rng, (0.05, 0.12), (0.25, 0.6), (0.25, 0.75))
    return _hsv(rng, (0, 1), (0.25, 0.85), (0.25, 0.85))


def trouser_colour(rng: Rng) -> Colour:
    """A colour of everyday trousers: denim, black to grey, khaki, sometimes anything."""
    kind = rng.choice(4, p=[0.4, 0.3, 0.15, 0.15])
    if kind == 0:
        return _hsv(rng, (0.57, 0.64), (0.25, 0.7), (0.15, 0.6))
    if kind == 1:
        return grey(rng, 0.05, 0.3)
    return _hsv(rng, (0.07, 0.13), (0.15, 0.45), (0.35, 0.8)) if kind == 2 else cloth_colour(rng)


def hair_colour(rng: Rng) -> Colour:
    """Black, brown, blond or grey."""
    kind = rng.choice(4, p=[0.45, 0.3, 0.15, 0.1])
    value = rng.uniform(*((0.03, 0.09), (0.1, 0.3), (0.35, 0.7), (0.35, 0.7))[kind])
    green, blue = ((0.8, 0.65), (0.62, 0.38), (0.78, 0.5), (1.0, 1.0))[kind]
    return (value, value * green, value * blue)


def scaled(colour: Colour, gain: float, offset: float = 0.0) -> Colour:
    """gain * colour + offset."""
    r, g, b = (float(gain * c + offset) for c in colour)
    return (r, g, b)
