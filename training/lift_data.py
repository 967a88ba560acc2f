"""Crops and targets for the lifter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lift3d.codec import STRIDE, encode_heat
from posecore.crop import crop_from_points, upright_turn
from posecore.skeleton import halves, load_skeleton
from posecore.types import Crop
from training.augment import (
    AugmentConfig,
    change_picture,
    jitter_crop,
    move_box,
    move_person,
    random_rotation,
    similarity,
    warp,
)
from training.border import cut_off, guessed_crop, random_side
from training.company import Surroundings, set_in
from training.cutouts import LEAST_SHOWN, alpha_of, soft_alpha
from training.layers import replace_layers
from training.samples import LIFT_JOINTS, PersonLabel, Sample, seen_at

VNECT = load_skeleton("vnect21")
HALVES = halves(VNECT.joints)


def person_crop(person: PersonLabel, size_px: int, turned: bool = False, shown: NDArray[np.bool_] | None = None) -> Crop:
    """The crop a tracker would use: around the joints that are known (the box where hardly any are), `turned` with the body.

    `shown` (21,) are the joints of a close-up, if it is to be one.
    """
    xy_px, known = person.xy_px[LIFT_JOINTS], person.trust[LIFT_JOINTS] > 0
    turn_rad = upright_turn(xy_px, known, VNECT) if turned else 0.0
    if shown is not None:
        known = known & shown
    crop = crop_from_points(xy_px, known, size_px, turn_rad=turn_rad)
    if crop is None or known.sum() < LEAST_SHOWN:
        x0, y0, x1, y1 = person.box_xyxy_px
        crop = crop_from_points(np.array([[x0, y0], [x1, y1]]), np.ones(2, bool), size_px, margin=1.2)
    assert crop is not None
    return crop


def random_half(person: PersonLabel, rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.bool_] | None:
    """The joints (21,) of half a body as `config.half` says; None for all of it, also where the half drawn cannot be cut:
    too little of it is known, or nothing beyond it."""
    if not config.half or rng.random() >= config.half:
        return None
    half, known = HALVES[rng.integers(2)], person.trust[LIFT_JOINTS] > 0
    return half if (known & half).sum() >= LEAST_SHOWN and (known & ~half).any() else None


@dataclass(frozen=True)
class LiftExample:
    """One crop (S, S, 3) uint8 with its person in crop pixels.

    Of others only is told where they may show: the boxes (K, 4) of the picture's own, crowds and those too small to be learnt
    among them; the pixels (S, S) of those set into it, and those beyond a border that was drawn.
    """

    rgb: NDArray[np.uint8]
    person: PersonLabel
    other_box_xyxy_px: NDArray[np.float64]
    other_px: NDArray[np.bool_] | None = None


def make_example(
    sample: Sample,
    size_px: int,
    rng: np.random.Generator | None,
    config: AugmentConfig,
    which: int = 0,
    around: Surroundings = Surroundings(),
) -> LiftExample:
    """Crop one person of a sample; augmented where an `rng` is given, the plain crop otherwise.

    Where the picture's camera is known the 3D is turned to the crop as it is cut, which is not always the middle of the person;
    where it is not, half a body teaches nothing in 3D.
    `around` gives other backgrounds and clothes to a sample that has masks, and company to people.
    """
    person = sample.people[which]
    turned = config.upright > (0.0 if rng is None else rng.random())
    half = None if rng is None else random_half(person, rng, config)
    crop = person_crop(person, size_px, bool(turned), half)
    rotation, flip, side = 0.0, False, None
    if rng is not None:
        crop = jitter_crop(crop, rng, config)
        if config.cut and half is None and rng.random() < config.cut:
            side = random_side(rng)
            crop = guessed_crop(crop, person, side, rng, in_place=sample.camera is None)
        rotation, flip = random_rotation(rng, config), bool(rng.random() < config.flip)
    if sample.camera is not None:
        person = seen_at(person, crop.centre_px, sample.camera)
    elif half is not None:
        person = replace(person, trust_xyz=np.zeros_like(person.trust_xyz))  # nobody knows by how much its axes are turned
    matrix = similarity(crop, rotation, flip)
    rgb, moved = warp(sample.read(), matrix, size_px), move_person(person, matrix, rotation - crop.turn_rad, flip)
    boxes = _other_boxes(sample, which, matrix)
    if rng is None:
        return LiftExample(rgb, moved, boxes)
    rgb, moved, set_in_px = _repaint(rgb, moved, sample, which, matrix, rng, config, around)
    if side is not None:
        rgb, moved, beyond_px = cut_off(rgb, moved, matrix[:, :2] @ side, rng)
        set_in_px = beyond_px if set_in_px is None else beyond_px | set_in_px
    return LiftExample(rgb, moved, boxes, set_in_px)


def _repaint(
    rgb: NDArray[np.uint8],
    moved: PersonLabel,
    sample: Sample,
    which: int,
    matrix: NDArray,
    rng: np.random.Generator,
    config: AugmentConfig,
    around: Surroundings,
) -> tuple[NDArray[np.uint8], PersonLabel, NDArray[np.bool_] | None]:
    """A crop with other surroundings, clothes, company and colours; its person; the pixels of those who were set in."""
    size_px, set_in_px = len(rgb), None
    if sample.layers is not None:
        masks = sample.layers().moved(lambda mask: warp(mask, matrix, size_px))
        rgb = replace_layers(rgb, masks, rng, config, around.pictures)
    mask = sample.people[which].mask
    chances = config if mask is not None else replace(config, elsewhere=0.0)  # rendered people stay in their place
    if chances.elsewhere or chances.company:
        rgb, moved, set_in_px = set_in(rgb, moved, _alpha(sample, which, matrix, size_px), around, rng, chances)
    return change_picture(rgb, rng, config), moved, set_in_px


def _other_boxes(sample: Sample, which: int, matrix: NDArray) -> NDArray[np.float64]:
    """(K, 4) crop pixels: where others of the picture show, labelled or ignored."""
    labelled = [other.box_xyxy_px for k, other in enumerate(sample.people) if k != which]
    boxes = [*labelled, *map(np.array, sample.ignored_box_xyxy_px)]
    return np.array([move_box(box, matrix) for box in boxes], dtype=np.float64).reshape(-1, 4)


def _alpha(sample: Sample, which: int, matrix: NDArray, size_px: int) -> NDArray[np.float32] | None:
    """(S, S) in 0..1: whose pixels of the crop are the person's, if the sample knows."""
    rle = sample.people[which].mask
    if rle is not None:
        return alpha_of(rle, matrix, size_px)
    return None if sample.visible_px is None else soft_alpha(sample.visible_px(which), matrix, size_px)


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
