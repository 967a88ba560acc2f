"""Crops and targets for the lifter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lift3d.codec import STRIDE, encode_heat
from posecore.crop import crop_from_points, cut_crop, upright_turn
from posecore.skeleton import load_skeleton
from posecore.types import Crop
from training.augment import AugmentConfig, change_picture, jitter_crop, move_person, random_rotation, similarity
from training.layers import Reader, replace_layers
from training.samples import LIFT_JOINTS, PersonLabel, Sample

VNECT = load_skeleton("vnect21")


def person_crop(person: PersonLabel, size_px: int, turned: bool = False) -> Crop:
    """The crop a tracker would use: around the joints that are known (the box where hardly any are), `turned` with the body."""
    xy_px, known = person.xy_px[LIFT_JOINTS], person.trust[LIFT_JOINTS] > 0
    turn_rad = upright_turn(xy_px, known, VNECT) if turned else 0.0
    crop = crop_from_points(xy_px, known, size_px, turn_rad=turn_rad)
    if crop is None or known.sum() < 6:
        x0, y0, x1, y1 = person.box_xyxy_px
        crop = crop_from_points(np.array([[x0, y0], [x1, y1]]), np.ones(2, bool), size_px, margin=1.2)
    assert crop is not None
    return crop


@dataclass(frozen=True)
class LiftExample:
    """One crop (S, S, 3) uint8 with its person in crop pixels."""

    rgb: NDArray[np.uint8]
    person: PersonLabel


def make_example(
    sample: Sample,
    size_px: int,
    rng: np.random.Generator | None,
    config: AugmentConfig,
    which: int = 0,
    pictures: Sequence[Reader] = (),
) -> LiftExample:
    """Crop one person of a sample; augmented where an `rng` is given, the plain crop otherwise.

    `pictures` give other backgrounds and clothes to a sample that has masks.
    """
    person = sample.people[which]
    turned = config.upright > (0.0 if rng is None else rng.random())
    crop = person_crop(person, size_px, bool(turned))
    rotation, flip = 0.0, False
    if rng is not None:
        crop = jitter_crop(crop, rng, config)
        rotation, flip = random_rotation(rng, config), bool(rng.random() < config.flip)
    matrix = similarity(crop, rotation, flip)
    rgb = warp(sample.read(), matrix, size_px)
    if rng is not None:
        if sample.layers is not None:
            masks = sample.layers().moved(lambda mask: warp(mask, matrix, size_px))
            rgb = replace_layers(rgb, masks, rng, config, pictures)
        rgb = change_picture(rgb, rng, config)
    return LiftExample(rgb, move_person(person, matrix, rotation - crop.turn_rad, flip))


def warp(rgb: NDArray[np.uint8], matrix: NDArray, size_px: int) -> NDArray[np.uint8]:
    """The pixels (S, S) or (S, S, 3) that a similarity (2, 3) moves to the crop, as the lifter would cut them in use."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    turn = matrix[:, :2] / scale
    centre = turn.T @ ((size_px - 1) / 2 - matrix[:, 2]) / scale
    return cut_crop(rgb, Crop(centre, size_px / scale, size_px), turn)


def lift_target(person: PersonLabel, size_px: int) -> dict[str, NDArray[np.float32]]:
    """Targets of `lift3d.loss.lift_loss` for one example."""
    heat = encode_heat(np.where(person.trust[LIFT_JOINTS, None] > 0, person.xy_px[LIFT_JOINTS], np.nan), size_px // STRIDE)
    # Location maps are read at the joint; where the 2D is unknown there is no place to supervise.
    return {
        "heat": heat,
        "heat_weight": person.trust[LIFT_JOINTS],
        "xyz": person.xyz_m[LIFT_JOINTS],
        "xyz_weight": person.trust_xyz[LIFT_JOINTS],
    }
