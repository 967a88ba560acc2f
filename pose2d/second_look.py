"""A second look at every person found: cut out upright at the size the network knows best, and once more in the mirror.

The network is sensitive to size and knows upright people best (docs/training_log.md), and a picture holds people of all sizes
and leans, so what the first look finds says only where to look: the joints come from a crop in which everybody is of one size
with the neck above the hips, read from the mean of its maps and those of its mirror image. Of two who stand close the first
look may have found one; the crop shows both, larger, and then the other is looked at as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backbones.runtime import Runner
from pose2d.codec import DEFAULTS, LIMBS, SKELETON, DecodeSettings, decode, likeliest_px
from pose2d.merge import best_first, is_same, likeness, merge_people
from pose2d.network import OpenPoseLight
from posecore.crop import crop_from_points, cut_crop, lean
from posecore.types import Detection2D


@dataclass(frozen=True)
class LookSettings:
    """How a person is looked at again."""

    size_px: int = 256  # side of the crop, a multiple of 32; a person in it is as large as those the network was trained on
    margin: float = 1.5  # side of the crop over the longer side of the joints found; the first look may have missed a leg
    heat_threshold: float = 0.1  # 0..1; as DecodeSettings', lower because the mean of two looks is less noisy
    smooth_px: float = 4.0  # of the crop; the Gaussian by which heat maps are smoothed, as OpenPose's own decoder does
    unseen: float = 0.5  # factor on the score of who is not seen again
    likeness_min: float = 0.2  # 0..2: OKS plus overlap of boxes, from which what is seen in the crop is the person looked for
    more_joints: int = 6  # of somebody else in the crop, from which he is looked at too
    more_score: float = 0.2  # 0..1; and that he must score


LOOK = LookSettings()


def look_again(
    run: Runner,
    rgb: NDArray[np.uint8],
    people: Sequence[Detection2D],
    settings: DecodeSettings = DEFAULTS,
    look: LookSettings = LOOK,
) -> list[Detection2D]:
    """The people with the joints that a second look finds, each once, best first.

    Joints found only at the first look stay, and for those found at neither there is a guess: the highest place of their maps
    in the crop. Whoever is not seen again stays too, at half the score: lamps and coats look like people at one size, hardly
    ever at two. Who is seen beside them only, and seen again, is added.
    """
    looks = [_again(run, rgb, person, settings, look) for person in people]
    known = merge_people([each.person for each in looks])
    for other in merge_people([other for each in looks for other in each.others]):
        if _is_new(other, known, look):
            again = _again(run, rgb, other, settings, look)
            if again.seen and _is_new(again.person, known, look):
                known.append(again.person)
    return best_first(merge_people(known))


@dataclass(frozen=True)
class _Again:
    """The person looked at, who else is in the crop, and whether the person was seen again."""

    person: Detection2D
    others: list[Detection2D]
    seen: bool


def _is_new(other: Detection2D, known: Sequence[Detection2D], look: LookSettings) -> bool:
    """Whether somebody seen beside others is none of these, and no mere phantom."""
    enough = (other.score > 0).sum() >= look.more_joints and other.person_score >= look.more_score
    return bool(enough) and not any(is_same(other, person) for person in known)


def _again(run: Runner, rgb: NDArray[np.uint8], person: Detection2D, settings: DecodeSettings, look: LookSettings) -> _Again:
    known = person.score > 0
    turn_rad = lean(person.xy_px, known, SKELETON, ("hip",))
    crop = crop_from_points(person.xy_px, known, look.size_px, look.margin, turn_rad)
    if crop is None:
        return _Again(person, [], False)
    heat, paf = crop_maps(run, cut_crop(rgb, crop))
    heat = gaussian_filter(heat, look.smooth_px / OpenPoseLight.stride, axes=(1, 2))
    settings = replace(settings, heat_threshold=min(settings.heat_threshold, look.heat_threshold))
    found = [replace(p, xy_px=crop.to_image(p.xy_px)) for p in decode(heat, paf, OpenPoseLight.stride, settings)]
    alike = [sum(likeness(p, person)) for p in found]
    if not found or max(alike) < look.likeness_min:
        return _Again(replace(person, person_score=look.unseen * person.person_score), found, False)
    guess_px = crop.to_image(likeliest_px(heat, OpenPoseLight.stride, settings))
    which = int(np.argmax(alike))
    again = replace(_completed(found[which], person), guess_px=guess_px)
    return _Again(again, found[:which] + found[which + 1 :], True)


def crop_maps(run: Runner, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heat maps (19, h, w) and fields (38, h, w) of a crop (S, S, 3): the mean of what it and its mirror image show."""
    straight, mirrored = run(np.ascontiguousarray(np.stack([rgb, rgb[:, ::-1]])))
    both = (straight + mirror_maps(mirrored)) / 2
    return both[: len(SKELETON) + 1], both[len(SKELETON) + 1 :]


def mirror_maps(maps: NDArray) -> NDArray:
    """Maps (57, h, w) of a mirror image, heat maps then fields, to those of the picture: sides swap, fields turn round in x."""
    turned = maps[:, :, ::-1]
    joints = len(SKELETON)
    heat = turned[[*SKELETON.mirror, joints]]
    limb, sign = _mirrored_limbs()
    paf = turned[joints + 1 :].reshape(len(LIMBS), 2, *maps.shape[1:])[limb] * sign[:, :, None, None]
    return np.concatenate([heat, paf.reshape(-1, *maps.shape[1:])])


@cache
def _mirrored_limbs() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Per limb its partner on the other side (L,), and the signs (L, 2) of its field; a limb may run the other way there."""
    limbs = [tuple(int(j) for j in limb) for limb in LIMBS]
    partner = np.array([_limb_between(limbs, *(int(SKELETON.mirror[j]) for j in limb)) for limb in limbs])
    same_way = np.array([int(SKELETON.mirror[a]) == limbs[k][0] for (a, _), k in zip(limbs, partner, strict=True)])
    return partner, np.where(same_way, 1, -1)[:, None] * np.array([-1, 1], dtype=np.float32)


def _limb_between(limbs: Sequence[tuple[int, ...]], a: int, b: int) -> int:
    return next(k for k, limb in enumerate(limbs) if set(limb) == {a, b})


def _completed(person: Detection2D, first: Detection2D) -> Detection2D:
    """A person, its missing joints as they were at first."""
    missing = person.score == 0
    xy_px = np.where(missing[:, None], first.xy_px, person.xy_px)
    return replace(person, xy_px=xy_px, score=np.where(missing, first.score, person.score))
