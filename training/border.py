"""People whom the picture's border cuts off, in crops that reach beyond it: black there, and the joints in it to be guessed.

A clip's crop is cut around all joints of a person, those out of sight too, so of whom the border cuts it shows black. No label
of a real picture tells where joints lie in it. Here a border is drawn through a picture whose labels are known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.samples import PersonLabel

SIDES = {(0.0, 1.0): 0.7, (0.0, -1.0): 0.1, (-1.0, 0.0): 0.1, (1.0, 0.0): 0.1}  # x right, y down: how often the border is there
SHOWN = (0.35, 0.95)  # of the way from the person's far end to that beyond the border
GUESS_TRUST = 0.5  # of what the labels' own trust is, beyond the border


def cut_off(
    rgb: NDArray[np.uint8], person: PersonLabel, down: ArrayLike, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], PersonLabel, NDArray[np.bool_]]:
    """A crop (S, S, 3) and its person, cut off by a border drawn at random; the pixels (S, S) beyond it.

    down (2,): the picture's downward direction in the crop, which borders are parallel or perpendicular to. Nothing is cut off
    whom fewer than two joints are known of.
    """
    beyond_px, known = np.zeros(rgb.shape[:2], dtype=bool), person.trust > 0
    if known.sum() < 2:
        return rgb, person, beyond_px
    x, y = np.asarray(down) / np.linalg.norm(down)
    side = np.array(list(SIDES))[rng.choice(len(SIDES), p=list(SIDES.values()))]
    out = side @ np.array([[y, -x], [x, y]])
    way = person.xy_px @ out
    first, last = way[known].min(), way[known].max()
    border = first + rng.uniform(*SHOWN) * (last - first)
    rows, columns = np.indices(beyond_px.shape)
    beyond_px = columns * out[0] + rows * out[1] > border
    trust = np.where(way > border, GUESS_TRUST, 1.0).astype(np.float32)
    cut = replace(person, trust=person.trust * trust, trust_xyz=person.trust_xyz * trust)
    return np.where(beyond_px[..., None], 0, rgb).astype(np.uint8), cut, beyond_px
