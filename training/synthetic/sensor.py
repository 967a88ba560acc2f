"""From an ideal picture to a photograph: contact shadows, lens blur, exposure, colour, noise. JPEG comes when it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synthetic.renderer import Picture

Rng = np.random.Generator
Image = NDArray[np.float32]
_PAIRS = 10  # of neighbours that contact shading looks at


@dataclass(frozen=True)
class SensorLook:
    """One camera's way of taking pictures; constant over a clip."""

    contact_shade: float = 0.7  # 0..1, darkness of creases and contacts
    blur_px: float = 0.5  # standard deviation of the lens's blur
    motion_px: float = 0.0  # length of the motion blur
    motion_angle: float = 0.0  # radians
    brightness: float = 0.48  # mean of picture and person that the exposure aims at; 0 leaves it
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignette: float = 0.0
    noise: float = 0.008  # standard deviation at mid-grey
    shrink: float = 1.0  # taken at this share of the resolution and enlarged again

    @staticmethod
    def sample(rng: Rng) -> SensorLook:
        """A random camera, most of them ordinary."""
        r, g, b = (float(c) for c in np.clip(rng.normal(1, 0.05, 3), 0.85, 1.15))
        return SensorLook(
            contact_shade=float(rng.uniform(0.4, 1.1)),
            blur_px=float(rng.uniform(0.35, 1.0)) if rng.random() < 0.7 else 0.0,
            motion_px=float(rng.uniform(3, 11)) if rng.random() < 0.12 else 0.0,
            motion_angle=float(rng.uniform(0, np.pi)),
            brightness=float(rng.uniform(0.34, 0.6)) if rng.random() < 0.9 else 0.0,
            gamma=float(rng.uniform(0.8, 1.15)),
            contrast=float(rng.uniform(0.85, 1.2)),
            saturation=float(rng.uniform(0.55, 1.15)),
            balance=(r, g, b),
            vignette=float(rng.uniform(0, 0.8)) if rng.random() < 0.4 else 0.0,
            noise=float(rng.choice([0.003, 0.008, 0.016, 0.03])),
            shrink=float(rng.uniform(0.4, 0.8)) if rng.random() < 0.25 else 1.0,
        )


def contact_shade(depth_m: NDArray[np.float32]) -> Image:
    """(H, W) 0..1 how enclosed each pixel is, from depth alone, worked out at half resolution.

    Pairs of opposite neighbours along a spiral; a pixel is enclosed as far as it lies behind the straight line between them,
    which is their harmonic mean because inverse depth is linear on a plane: flat floors stay unshaded. Beyond 30 cm the
    neighbours are another thing in front; counting them would draw halos.
    """
    height, width = depth_m.shape
    depth = np.minimum(depth_m[::2, ::2], 8.0)
    reach = int(np.ceil((2 + 1.3 * _PAIRS) * width / 640))
    inverse = 1 / cv2.copyMakeBorder(depth, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    rows, columns = depth.shape
    shade = np.zeros_like(depth)
    for k in range(_PAIRS):
        radius, angle = (2 + 1.3 * k) * width / 640, 2.4 * k
        y, x = round(radius * np.sin(angle)), round(radius * np.cos(angle))
        ahead = inverse[reach + y : reach + y + rows, reach + x : reach + x + columns]
        behind = inverse[reach - y : reach - y + rows, reach - x : reach - x + columns]
        deep = depth - 2 / (ahead + behind)
        shade += np.clip((deep - 0.003) / 0.05, 0, 1) * np.clip((0.3 - deep) / 0.15, 0, 1)
    return cv2.resize(cv2.GaussianBlur(shade / _PAIRS, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_LINEAR)


def _blurred(image: Image, look: SensorLook) -> Image:
    if look.blur_px > 0:
        image = cv2.GaussianBlur(image, (0, 0), look.blur_px)
    if look.motion_px > 0:
        size = 2 * int(np.ceil(look.motion_px / 2)) + 1
        offset = 0.5 * look.motion_px * np.array([np.cos(look.motion_angle), np.sin(look.motion_angle)])
        kernel = np.zeros((size, size), np.float32)
        ends = [tuple(int(v) for v in np.rint(size // 2 + sign * offset)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0, 1)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    return image


def exposure_gain(picture: Picture, look: SensorLook) -> float:
    """Gain that brings the mean of picture and person to the aim, as a camera's metering does."""
    if look.brightness <= 0:
        return 1.0
    mean = float(picture.rgb.mean()) / 255
    somebody = picture.person > 0
    if somebody.any():
        mean = 0.5 * mean + 0.5 * float(picture.rgb[somebody].mean()) / 255
    return float(np.clip(look.brightness / max(mean, 0.02), 0.6, 3.0))


def _graded(image: Image, look: SensorLook) -> Image:
    image = np.clip(image, 0, 1) ** np.float32(look.gamma)
    mean = image.mean()
    image = (image - mean) * np.float32(look.contrast) + mean
    grey = image.mean(axis=2, keepdims=True)
    image = (grey + (image - grey) * np.float32(look.saturation)) * np.array(look.balance, np.float32)
    if look.vignette > 0:
        height, width = image.shape[:2]
        x, y = np.linspace(-0.5, 0.5, width, dtype=np.float32), np.linspace(-0.5, 0.5, height, dtype=np.float32)
        image *= (1 - look.vignette * (x[None, :] ** 2 + y[:, None] ** 2))[..., None]
    return image


def develop(picture: Picture, look: SensorLook, rng: Rng, gain: float | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 photograph of a picture; `gain` fixes the exposure over a clip, None meters this picture."""
    gain = exposure_gain(picture, look) if gain is None else gain
    image = picture.rgb.astype(np.float32) * np.float32(gain / 255)
    image *= (1 - np.minimum(look.contact_shade * contact_shade(picture.depth_m), 0.6))[..., None]
    image = _graded(_blurred(image, look), look)
    level = np.sqrt(np.clip(image, 0, 1)) + np.float32(0.4)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(look.noise) * level
    if look.shrink < 1:
        small = cv2.resize(image, None, fx=look.shrink, fy=look.shrink, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return (255 * np.clip(image, 0, 1) + 0.5).astype(np.uint8)
