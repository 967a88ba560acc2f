"""Other places and other people around the person of a lifter's crop, cut out by their masks.

A crop is one person's, but others stand behind him, go past in front of him, and hold their arms where his could be. A network
that has only ever seen people alone takes the nearest arm for theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.augment import AugmentConfig
from training.cutouts import CUT_OFF, Reader, behind, beside, cut_out, is_hidden, longer_px, only_cut_out, random_window, under
from training.samples import PersonLabel, Sample

OFFSET_SD = (0.35, 0.12)  # where others stand: to the side and down, in the person's longer sides
SOURCES = ("ccp", "sports")  # of whom the masks are good
IN_FRONT = 0.3  # share of the others who stand before the person; the rest behind
MIRRORED = 0.5  # share of the others, whether the person may be mirrored or not
NEXT_ONE = 0.4  # chance of one more after each
LEAST = 0.1  # of the crop: a smaller box is that of a joint or two, which does not tell how large the person is


@dataclass(frozen=True)
class Surroundings:
    """What crops of photos may be set in: empty pictures, and photos of one person each with a mask."""

    pictures: Sequence[Reader] = ()
    people: Sequence[Sample] = ()


def who_keep_company(samples: Sequence[Sample]) -> list[Sample]:
    """Those of the samples who can be cut out and put into others' crops."""
    return [s for s in samples if s.source in SOURCES and s.people[0].mask is not None]


def set_in(
    rgb: NDArray[np.uint8],
    person: PersonLabel,
    alpha: NDArray[np.float32] | None,
    around: Surroundings,
    rng: np.random.Generator,
    config: AugmentConfig,
) -> tuple[NDArray[np.uint8], PersonLabel, NDArray[np.bool_]]:
    """A crop (S, S, 3) with another background and with others in it, each with its chance; the person as he is then seen; and
    the pixels (S, S) that show the others, whose joints nobody labels.

    alpha: (S, S) in 0..1, whose pixels are the person's, if known. Without it nothing can be put behind him.
    """
    size, canvas = len(rgb), rgb.astype(np.float32)
    others = np.zeros((size, size), dtype=bool)
    if alpha is not None and around.pictures and rng.random() < config.elsewhere:
        place = random_window(around.pictures, size, rng).astype(np.float32)
        canvas = place + alpha[..., None] * (canvas - place)
        person = only_cut_out(person, alpha, CUT_OFF * longer_px(person))
    chance = config.company if around.people and longer_px(person) > LEAST * size else 0.0
    while rng.random() < chance:
        canvas, person, cover = _with_another(canvas, person, alpha, around.people, rng, config)
        others |= cover > 0.5
        chance = NEXT_ONE
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8), person, others


def _with_another(
    canvas: NDArray[np.float32],
    person: PersonLabel,
    alpha: NDArray[np.float32] | None,
    people: Sequence[Sample],
    rng: np.random.Generator,
    config: AugmentConfig,
) -> tuple[NDArray[np.float32], PersonLabel, NDArray[np.float32]]:
    """With one more, behind or in front, and his alpha (S, S); without, if that would hide the person."""
    size = len(canvas)
    share, shift_px = beside(person, size, rng, OFFSET_SD)
    other = cut_out(people[int(rng.integers(len(people)))], size, share, shift_px, rng, replace(config, flip=MIRRORED))
    cover = other.alpha
    if rng.random() >= IN_FRONT:
        cover = cover * (1 - alpha) if alpha is not None else np.zeros_like(cover)
    covered = under(person, cover)
    if is_hidden(person, covered):
        return canvas, person, np.zeros_like(cover)
    return canvas + cover[..., None] * (other.rgb - canvas), behind(person, covered), cover
