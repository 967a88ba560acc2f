"""Light of a scene: one key light with shadow, a hemisphere of ambient light, a fill light opposite to the key."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.materials import Colour, Rng
from training.synthetic.renderer import Light

_SHADOW_REACH_M = 2.6


def _colour(values: NDArray) -> Colour:
    r, g, b = (float(c) for c in values)
    return (r, g, b)


def _light(key: NDArray, up: NDArray, down: NDArray, centre_m: NDArray, reach_m: float, rng: Rng) -> Light:
    height, yaw = np.radians(rng.uniform(25, 78)), rng.uniform(-np.pi, np.pi)
    towards = np.array([np.cos(height) * np.sin(yaw), np.sin(height), np.cos(height) * np.cos(yaw)])
    fill = np.array([-towards[0], 0.2, -towards[2]])
    return Light(
        key_direction=towards,
        key_colour=_colour(key),
        fill_direction=fill / np.linalg.norm(fill),
        fill_colour=_colour(np.full(3, rng.uniform(0, 0.4) * key.mean())),
        ambient_up=_colour(up),
        ambient_down=_colour(down),
        shadow_softness=float(rng.choice([0.6, 1.2, 2.0, 3.0])) / 1024,
        centre_m=centre_m,
        reach_m=reach_m,
    )


def room_light(centre_m: NDArray, rng: Rng, reach_m: float = _SHADOW_REACH_M) -> Light:
    """Lamp or window light of a room."""
    ambient = rng.uniform(0.4, 1.0)
    key = rng.uniform(0.2, 1.5) * np.clip(rng.normal(1, 0.06, 3), 0.8, 1.2) * [1.04, 1, 0.94]
    up = ambient * np.clip(rng.normal(1, 0.06, 3), 0.8, 1.2)
    down = ambient * rng.uniform(0.4, 0.9) * np.clip(rng.normal(1, 0.07, 3), 0.8, 1.2)
    return _light(key, up, down, centre_m, reach_m, rng)


def backdrop_light(image: NDArray[np.uint8], centre_m: NDArray, rng: Rng, reach_m: float = _SHADOW_REACH_M) -> Light:
    """Light that suits a backdrop (H, W, 3): its upper half colours what comes from above, its lower half from below."""
    linear = (image[::4, ::4] / 255.0) ** 2
    half, level = len(linear) // 2, float(np.clip(3 * linear.mean(), 0.3, 1.2))
    ambient = rng.uniform(0.4, 1.0) * level
    up, down = (ambient * _half_white(part.mean(axis=(0, 1))) for part in (linear[:half], linear[half:]))
    key = rng.uniform(0.2, 1.8) * level * np.clip(rng.normal(1, 0.06, 3), 0.8, 1.2) * [1.04, 1, 0.94]
    return _light(key, up, 0.6 * down, centre_m, reach_m, rng)


def _half_white(colour: NDArray) -> NDArray:
    return 0.5 * colour / max(colour.mean(), 0.03) + 0.5
