"""Other backgrounds, clothes and chairs in the place of a studio's, where a source knows whose pixel it is.

After Mehta et al. 2017 ("Monocular 3D human pose estimation in the wild"), section 4: a studio's few actors become many.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.augment import AugmentConfig
from training.cutouts import Reader
from training.samples import Layers

FEATHER_PX = 0.8  # standard deviation of the masks' soft edge
NOISE = 0.1  # masks come compressed: what is this near to none or all, is


def replace_layers(
    rgb: NDArray[np.uint8], layers: Layers, rng: np.random.Generator, config: AugmentConfig, pictures: Sequence[Reader] = ()
) -> NDArray[np.uint8]:
    """A picture (S, S, 3) with other clothes, chair and background, each with its chance; stuff comes from `pictures`.

    Without pictures it is soft random colour. Cloth keeps its folds: it is shaded by the brightness of what it replaces.
    """
    out = rgb.astype(np.float32)
    for mask in (layers.upper, layers.lower, layers.chair):
        if mask is not None and mask.any() and rng.random() < config.clothes:
            alpha = _alpha(mask)
            out += alpha * (_shaded(_stuff(rng, rgb.shape[0], pictures), rgb, alpha) - out)
    if layers.background is not None and rng.random() < config.background:
        out += _alpha(layers.background) * (_stuff(rng, rgb.shape[0], pictures) - out)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _alpha(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(S, S, 1) in 0..1 with a soft edge."""
    soft = cv2.GaussianBlur(mask, (0, 0), FEATHER_PX)[..., None].astype(np.float32) / 255
    return np.clip((soft - NOISE) / (1 - 2 * NOISE), 0, 1)


def _shaded(stuff: NDArray[np.float32], rgb: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """The stuff times the picture's brightness relative to its mean under the mask."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32) + 1
    mean = float((grey * alpha).sum() / max(float(alpha.sum()), 1e-6))
    return np.clip(stuff * (grey / max(mean, 1.0)), 0, 255)


def _stuff(rng: np.random.Generator, size: int, pictures: Sequence[Reader]) -> NDArray[np.float32]:
    """(S, S, 3): a random window of a random picture, or soft random colour."""
    if not pictures:
        patch = rng.integers(0, 256, (*rng.integers(1, 6, 2), 3)).astype(np.float32)
        return cv2.resize(patch, (size, size), interpolation=cv2.INTER_LINEAR).reshape(size, size, 3)
    picture = pictures[int(rng.integers(len(pictures)))]()
    side = int(min(picture.shape[:2]) * rng.uniform(0.3, 1.0))
    y, x = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
    window = picture[y : y + side, x : x + side, :: rng.choice([1, -1])]  # in either order of the colours
    return cv2.resize(np.ascontiguousarray(window), (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
