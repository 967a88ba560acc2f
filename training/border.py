"""People whom the picture's border cuts off, in crops that reach beyond it: black there, and the joints in it to be guessed.

A clip's crop is cut around all joints of a person, those out of sight too, so of whom the border cuts it shows black. No label
of a real picture tells where joints lie in it. Here a border is drawn through a picture whose labels are known.

Such a crop is as large as the joints beyond the border were guessed to be far away. If it always fitted the person, a guess at
its lower end would always be right, whatever the body in sight says, and in a clip no guess would ever be put right. So crops
of people who are cut off are far too large or too small as well, the end in sight in its place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.types import Crop
from training.samples import PersonLabel

SIDES = {(0.0, 1.0): 0.7, (0.0, -1.0): 0.1, (-1.0, 0.0): 0.1, (1.0, 0.0): 0.1}  # x right, y down: how often the border is there
SHOWN = (0.25, 0.95)  # of the way from the person's far end to that beyond the border
GUESS_TRUST = 0.5  # of what the labels' own trust is, beyond the border
GUESS_SD = 0.25  # of the logarithm of the crop's side


def random_side(rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the picture ends: a unit vector (2,), x right, y down."""
    return np.array(list(SIDES))[rng.choice(len(SIDES), p=list(SIDES.values()))]


def guessed_crop(
    crop: Crop, person: PersonLabel, side: NDArray[np.float64], rng: np.random.Generator, in_place: bool = False
) -> Crop:
    """A crop as large as guesses beyond the border on that side make it, the person's other end where it was in it.

    Or, in_place, the crop's centre: for pictures of an unknown camera, whose 3D is in the axes of the whole person's crop.
    """
    growth = float(np.exp(np.clip(rng.normal(), -2.5, 2.5) * GUESS_SD))
    centre_px, known = crop.centre_px, person.trust > 0
    if known.any() and not in_place:
        centre_px = centre_px + (growth - 1) * (centre_px @ side - (person.xy_px[known] @ side).min()) * side
    return replace(crop, centre_px=centre_px, side_px=growth * crop.side_px)


def cut_off(
    rgb: NDArray[np.uint8], person: PersonLabel, out: ArrayLike, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], PersonLabel, NDArray[np.bool_]]:
    """A crop (S, S, 3) and its person, cut off by a border drawn at random; the pixels (S, S) beyond it.

    out (2,): the direction, in the crop, in which the picture ends. Nothing is cut off whom fewer than two joints are known of.
    """
    beyond_px, known = np.zeros(rgb.shape[:2], dtype=bool), person.trust > 0
    if known.sum() < 2:
        return rgb, person, beyond_px
    x, y = np.asarray(out) / np.linalg.norm(out)
    way = person.xy_px @ [x, y]
    first, last = way[known].min(), way[known].max()
    border = first + rng.uniform(*SHOWN) * (last - first)
    rows, columns = np.indices(beyond_px.shape)
    beyond_px = columns * x + rows * y > border
    trust = np.where(way > border, GUESS_TRUST, 1.0).astype(np.float32)
    cut = replace(person, trust=person.trust * trust, trust_xyz=person.trust_xyz * trust)
    return np.where(beyond_px[..., None], 0, rgb).astype(np.uint8), cut, beyond_px
