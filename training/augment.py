"""What is done to a picture before the network sees it. Geometry moves the labels along; unknown labels stay unknown."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.crop import cut_crop, turned_matrix
from posecore.types import Crop, rotation_2d
from training.samples import LABELS, PersonLabel, single


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; 0 switches a part off. The lifter's parts do nothing to the detector's scenes."""

    upright: float = 0.0  # the lifter's: share whose crop turns with the body, as a tracker's does (posecore.crop.upright_turn)
    half: float = 0.0  # share of crops and of people in scenes that show the upper or the lower half of the body alone
    cut: float = 0.0  # the lifter's: share of whole bodies that a picture's border cuts off, black beyond it (training.border)
    rotation_sd_deg: float = 15.0  # normal, cut at 2.5 sd
    upside_down: float = 0.03  # share turned by any angle
    scale_sd: float = 0.13  # of the logarithm of the crop's side; the detector's: of close-ups
    shift_sd: float = 0.05  # of the crop's side; the detector's: of close-ups
    flip: float = 0.5  # share of crops, cut-outs and pictures mirrored; left and right change names
    colour: float = 0.8  # share with changed brightness, contrast, saturation, tint
    swap_channels: float = 0.0  # of these, share whose red, green and blue change places
    degrade: float = 0.4  # share blurred, noisy, of low resolution or badly compressed
    occlude: float = 0.3  # share with a patch in front of the person
    background: float = 0.8  # the lifter's: share of a studio's pictures with another background, where the source has masks
    clothes: float = 0.6  # the lifter's: the same for each of upper clothes, lower clothes and chair
    elsewhere: float = 0.0  # the lifter's: share of photos whose person, cut out by his mask, stands before another background
    company: float = 0.0  # the lifter's: share with other people behind or in front, cut out of photos (training.company)


def similarity(crop: Crop, rotation_rad: float, flip: bool) -> NDArray[np.float64]:
    """(2, 3) image pixels to crop pixels: the crop's own window, then turned about its centre, then mirrored."""
    R = rotation_2d(rotation_rad)
    return turned_matrix(crop, np.diag([-1.0, 1.0]) @ R if flip else R)


def warp(rgb: NDArray[np.uint8], matrix: NDArray, size_px: int) -> NDArray[np.uint8]:
    """The pixels (S, S) or (S, S, 3) that a similarity (2, 3) moves to the crop, as the lifter would cut them in use."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    turn = matrix[:, :2] / scale
    centre = turn.T @ ((size_px - 1) / 2 - matrix[:, 2]) / scale
    return cut_crop(rgb, Crop(centre, size_px / scale, size_px), turn)


def move_person(person: PersonLabel, matrix: NDArray, rotation_rad: float, flip: bool) -> PersonLabel:
    """The labels under `matrix`; the 3D turns with the picture about the viewing axis and mirrors in x."""
    xy = person.xy_px @ matrix[:, :2].T + matrix[:, 2]
    c, s = np.cos(rotation_rad), np.sin(rotation_rad)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    if flip:
        R = np.diag([-1.0, 1, 1]) @ R
    xyz = person.xyz_m @ R.T
    box = move_box(person.box_xyxy_px, matrix)
    trust, trust_xyz = person.trust, person.trust_xyz
    if flip:
        m = LABELS.mirror
        xy, xyz, trust, trust_xyz = xy[m], xyz[m], trust[m], trust_xyz[m]
    return PersonLabel(single(xy), trust, single(xyz), trust_xyz, single(box), scale=person.scale)


def move_box(box_xyxy_px: NDArray, matrix: NDArray) -> NDArray[np.float64]:
    """The upright box (4,) around a box that a similarity (2, 3) moves."""
    x0, y0, x1, y1 = box_xyxy_px
    corners = np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]) @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def random_rotation(rng: np.random.Generator, config: AugmentConfig) -> float:
    """An angle in radians."""
    if rng.random() < config.upside_down:
        return float(rng.uniform(-np.pi, np.pi))
    return float(np.radians(np.clip(rng.normal(), -2.5, 2.5) * config.rotation_sd_deg))


def jitter_crop(crop: Crop, rng: np.random.Generator, config: AugmentConfig) -> Crop:
    """The crop as a tracker would give it: a little too large, too small or beside the person."""
    side = crop.side_px * float(np.exp(np.clip(rng.normal(), -2.5, 2.5) * config.scale_sd))
    centre = crop.centre_px + rng.normal(size=2) * config.shift_sd * side
    return Crop(centre, side, crop.size_px, crop.turn_rad)


def change_colours(rgb: NDArray[np.uint8], rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.uint8]:
    """Contrast 0.5..1.5, brightness +-32 (as the OpenPose recipe), a tint, saturation and the order of the channels."""
    if rng.random() >= config.colour:
        return rgb
    gain = rng.uniform(0.5, 1.5) * rng.uniform(0.85, 1.15, 3)
    levels = np.arange(256)[:, None]
    table = np.clip((levels - 128) * gain + 128 + rng.uniform(-32, 32), 0, 255).astype(np.uint8)
    out = cv2.LUT(rgb, table[None])
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = float(rng.uniform(0.0, 1.2))
        out = cv2.addWeighted(out, keep, grey, 1 - keep, 0)
    if config.swap_channels and rng.random() < config.swap_channels:
        out = np.ascontiguousarray(out[..., rng.permutation(3)])
    return out


def degrade(rgb: NDArray[np.uint8], rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.uint8]:
    """One of: blur, sensor noise, low resolution, JPEG."""
    if rng.random() >= config.degrade:
        return rgb
    kind = rng.integers(4)
    if kind == 0:
        return cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.4, 1.8)))
    if kind == 1:
        noise = rng.normal(0, rng.uniform(2, 14), rgb.shape[:2])[..., None]
        return np.clip(rgb + noise, 0, 255).astype(np.uint8)
    if kind == 2:
        size = rgb.shape[1::-1]
        small = cv2.resize(rgb, None, fx=float(f := rng.uniform(0.3, 0.8)), fy=float(f), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def occlude(rgb: NDArray[np.uint8], rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.uint8]:
    """A patch of soft random colours, up to a third of the side. Labels stay: the joint is there, hidden."""
    if rng.random() >= config.occlude:
        return rgb
    out = rgb.copy()
    size = rgb.shape[0]
    w, h = rng.integers(size // 12, size // 3, 2)
    x, y = rng.integers(0, size - w), rng.integers(0, size - h)
    patch = rng.integers(0, 256, (*rng.integers(1, 5, 2), 3)).astype(np.uint8)
    out[y : y + h, x : x + w] = cv2.resize(patch, (int(w), int(h)), interpolation=cv2.INTER_CUBIC)
    return out


def change_picture(rgb: NDArray[np.uint8], rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.uint8]:
    """All changes that move no label."""
    return degrade(occlude(change_colours(rgb, rng, config), rng, config), rng, config)
