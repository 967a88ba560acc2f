"""People cut out of their photos by their masks: where they stand, which of their joints came along and which are covered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.camera import in_picture
from posecore.oks import joints_box
from posecore.types import Crop
from training.augment import AugmentConfig, change_colours, move_person, random_rotation, similarity, warp
from training.samples import PersonLabel, Sample, middle_px

CUT_OFF = 0.05  # of a person's longer side: a joint farther from the mask than this was not cut out with the person
MOSTLY_COVERED = 0.6  # share of a person's joints behind others, above which nobody could tell how he stands
LEAST_SHOWN = 6  # known joints of what a crop is to show, without which it is wider: a half becomes the whole, joints their box
BESIDE_SIZE_SD, BESIDE_SD = 0.15, (0.2, 0.06)  # log size; offset to the side and down, of the longer side
EDGE_PX = 0.8  # standard deviation of a cut-out's soft edge

Reader = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class CutOut:
    """A person on a canvas: colours (S, S, 3), feathered alpha (S, S) in 0..1 and labels."""

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32]
    person: PersonLabel


def cut_out(
    sample: Sample,
    size: int,
    share: float,
    shift_px: NDArray,
    rng: np.random.Generator,
    augment: AugmentConfig,
    shown: NDArray[np.bool_] | None = None,
) -> CutOut:
    """A photo's first person, turned and of changed colours.

    share: the longer side of the person's box as a share of the canvas; shift_px (2,): how far the box is off the canvas's
    middle. With `shown` (26,) the box is that of these joints alone, where enough of them are known.
    """
    person = sample.people[0]
    box = person.box_xyxy_px if shown is None else box_of(person, shown)
    rotation, flip = random_rotation(rng, augment), bool(rng.random() < augment.flip)
    matrix = similarity(Crop(middle_px(box), longer_side_px(box) / share, size), rotation, flip)
    matrix[:, 2] += shift_px
    rgb = change_colours(sample.read(), rng, augment)
    alpha = alpha_of(person.mask, matrix, size)
    moved = move_person(person, matrix, rotation, flip)
    moved = only_cut_out(moved, alpha, CUT_OFF * longer_px(person) / longer_side_px(box) * share * size)
    return CutOut(warp(rgb, matrix, size).astype(np.float32), alpha, moved)


def alpha_of(rle: dict[str, Any] | None, matrix: NDArray, size: int) -> NDArray[np.float32]:
    """(S, S) in 0..1: a mask as COCO run-length encoding, on the canvas, with a soft edge."""
    return soft_alpha(decode_mask(rle), matrix, size)


def soft_alpha(mask: NDArray, matrix: NDArray, size: int) -> NDArray[np.float32]:
    """(S, S) in 0..1: a picture's mask (H, W) of 0 and 1, on the canvas, with a soft edge."""
    return cv2.GaussianBlur(warp(mask * np.uint8(255), matrix, size), (0, 0), EDGE_PX).astype(np.float32) / 255


def decode_mask(rle: dict[str, Any] | None) -> NDArray[np.uint8]:
    """COCO run-length encoding to (H, W) of 0 and 1."""
    from pycocotools import mask

    return mask.decode(rle)


def random_window(pictures: Sequence[Reader], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(S, S, 3): a random window of a random picture, mirrored every other time."""
    rgb = pictures[int(rng.integers(len(pictures)))]()
    side = min(rgb.shape[:2]) * rng.uniform(0.4, 1.0)
    room = np.array(rgb.shape[1::-1]) - side
    centre = rng.uniform(0, 1, 2) * room + side / 2 - 0.5
    flip = bool(rng.random() < 0.5)
    return warp(rgb, similarity(Crop(centre, side, size), 0.0, flip), size)


def beside(
    person: PersonLabel, size: int, rng: np.random.Generator, offset_sd: tuple[float, float] = BESIDE_SD
) -> tuple[float, NDArray[np.float64]]:
    """Share of the canvas, and way from its middle in pixels, of somebody about as large as a person and near him.

    offset_sd: to the side and down, in the person's longer sides; by default people half hide one another.
    """
    longer = longer_px(person)
    offset_px = rng.normal(0, 1, 2) * np.array(offset_sd) * longer
    share = longer / size * float(np.exp(rng.normal(0, BESIDE_SIZE_SD)))
    return share, middle_px(person.box_xyxy_px) - (size - 1) / 2 + offset_px


def longer_px(person: PersonLabel) -> float:
    """Longer side of the person's box."""
    return longer_side_px(person.box_xyxy_px)


def longer_side_px(box_xyxy_px: NDArray) -> float:
    """Longer side of a box (4,)."""
    return float((box_xyxy_px[2:] - box_xyxy_px[:2]).max())


def box_of(person: PersonLabel, shown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Box (x0, y0, x1, y1) of the known ones of some joints (26,); the person's own where fewer than LEAST_SHOWN are known."""
    xy_px = person.xy_px[shown & (person.trust > 0)]
    return joints_box(xy_px) if len(xy_px) >= LEAST_SHOWN else np.asarray(person.box_xyxy_px, dtype=np.float64)


def inside(person: PersonLabel, size: int) -> NDArray[np.bool_]:
    """(26,) joints on the canvas."""
    return in_picture(person.xy_px, (size, size))


def only_cut_out(person: PersonLabel, alpha: NDArray, reach_px: float) -> PersonLabel:
    """The person as cut out: joints on the canvas with no mask within reach are unknown, for the mask missed them."""
    size = len(alpha)
    x, y = np.clip(np.round(person.xy_px), 0, size - 1).astype(int).T
    near = cv2.blur(alpha, (2 * round(reach_px) + 1,) * 2, borderType=cv2.BORDER_CONSTANT)[y, x] > 1e-3
    lost = inside(person, size) & ~near
    return replace(person, trust=np.where(lost, 0, person.trust).astype(np.float32))


def under(person: PersonLabel, alpha: NDArray) -> NDArray[np.bool_]:
    """(26,) joints that what was pasted with `alpha` covers."""
    size = len(alpha)
    x, y = np.clip(np.round(person.xy_px), 0, size - 1).astype(int).T
    return (alpha[y, x] > 0.5) & inside(person, size)


def is_hidden(person: PersonLabel, covered: NDArray[np.bool_]) -> bool:
    """Whether so many of the person's known joints are covered that nobody could tell how he stands."""
    known = person.trust > 0
    return bool((covered & known).sum() > MOSTLY_COVERED * known.sum())


def behind(person: PersonLabel, covered: NDArray[np.bool_]) -> PersonLabel:
    """The person with others in front: covered joints are hidden, and all are unknown when nearly all are covered."""
    trust = np.where(covered, np.minimum(person.trust, 0.5), person.trust).astype(np.float32)
    return replace(person, trust=np.zeros_like(trust) if is_hidden(person, covered) else trust)
