"""Pictures for the detector: composites of cut-out people, photos, backgrounds; all on one canvas size.

A composite pastes 0 to 5 people, cut out by their masks, onto a background: every person in it is labelled, so that it may
teach what is *not* a joint, and crossing people teach the part affinity fields (docs/training.md).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose2d.second_look import LOOK
from posecore.crop import crop_from_points
from posecore.errors import InputError
from posecore.skeleton import halves
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
from training.cutouts import (
    LEAST_SHOWN,
    CutOut,
    Reader,
    behind,
    beside,
    box_of,
    cut_out,
    decode_mask,
    inside,
    random_window,
    under,
)
from training.mix import Maker, SourceMix
from training.pose_data import learnable
from training.samples import LABELS, PersonLabel, Sample, to_openpose18

HALVES = halves(LABELS.joints)  # the upper and the lower half of a body
UPPER = 0.75  # share of the close-ups of half a body that show the upper half
HALF_SHARE = (0.35, 1.15)  # of the canvas: the longer side of that half, cut off at the border
HALF_SD = 0.08  # of the canvas: how far from the border it is cut off


@dataclass(frozen=True)
class SceneShares:
    """How often a kind of scene is drawn; 0 leaves it out."""

    composite: float = 0.5  # cut-outs on a background; the fields' lesson
    photo: float = 0.15  # photos of one labelled person, the rest unknown
    scene: float = 0.2  # fully labelled photos
    rendered: float = 0.15  # rendered people


@dataclass(frozen=True)
class PhotoShares:
    """How often a source of single people is drawn, as a cut-out or as a whole photo; the rest of them is never drawn."""

    ccp: float = 1.0  # street fashion, upright
    sports: float = 2.0  # action
    lspet: float = 2.0  # gymnasts in every orientation


@dataclass(frozen=True)
class SceneConfig:
    """What the canvas shows."""

    size_px: int = 256  # side of the canvas
    shares: SceneShares = field(default_factory=SceneShares)
    photos: PhotoShares = field(default_factory=PhotoShares)
    people: tuple[float, ...] = (0.08, 0.27, 0.3, 0.18, 0.1, 0.07)  # chances of 0, 1, 2, ... people in a composite
    height_share: tuple[float, float] = (0.28, 1.4)  # of the canvas: a person's longer side; above 1 cut by the border
    beside: float = 0.0  # chance that a person of a composite stands half behind the next, about as large: people who cross
    close_up: float = 0.5  # share of whole pictures in which one person is seen as the detector's second look sees people
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(half=0.4, rotation_sd_deg=15.0, occlude=0.15))


@dataclass(frozen=True)
class Scene:
    """A canvas (S, S, 3) uint8 with its people in canvas pixels; see `training.samples.Sample` for the rest.

    What is ignored is in the boxes (K, 4) or true in the pixels (S, S).
    """

    rgb: NDArray[np.uint8]
    people: list[PersonLabel]
    complete: bool
    ignored_box_xyxy_px: NDArray[np.float64]
    ignored_px: NDArray[np.bool_] | None = None


class SceneMaker:
    """Makes scenes from photos of one person (cut out by their masks), fully labelled pictures, rendered people (or what
    makes a sample of them at every call) and empty backgrounds."""

    def __init__(
        self,
        photos: list[Sample],
        scenes: list[Sample],
        rendered: list[Sample] | Maker,
        backgrounds: list[Reader],
        config: SceneConfig,
    ) -> None:
        shares = asdict(config.photos)
        cut_out = [s for s in photos if s.people[0].mask is not None]
        self.cutouts = SourceMix(cut_out, shares)
        self.photos = SourceMix(photos, shares)
        self.pools: dict[str, list[Sample] | Maker] = {
            "composite": cut_out,
            "photo": photos,
            "scene": scenes,
            "rendered": rendered,
        }
        self.shares = {kind: share for kind, share in asdict(config.shares).items() if share > 0 and self.pools[kind]}
        if not self.shares:
            raise InputError(
                "nothing to make scenes of: no people with masks, no photos and no rendered people where a share is set"
            )
        self.backgrounds, self.config = backgrounds, config

    def sources(self) -> set[str]:
        """Names of the sources (training.samples) that the scenes are made of."""
        of = {"composite": self.cutouts.shares, "photo": self.photos.shares, "scene": ("coco",), "rendered": ("rendered",)}
        return {source for kind in self.shares for source in of[kind]}

    def make(self, rng: np.random.Generator) -> Scene:
        """One random scene."""
        kinds = list(self.shares)
        kind = kinds[rng.choice(len(kinds), p=np.array(list(self.shares.values())) / sum(self.shares.values()))]
        scene = self._composite(rng) if kind == "composite" else self._whole(self._draw(kind, rng), rng)
        return replace(scene, rgb=change_picture(scene.rgb, rng, self.config.augment))

    def _draw(self, kind: str, rng: np.random.Generator) -> Sample:
        pool = self.pools[kind]
        if kind == "photo":
            return self.photos.draw(rng)
        return pool(rng) if callable(pool) else pool[rng.integers(len(pool))]

    def _composite(self, rng: np.random.Generator) -> Scene:
        size = self.config.size_px
        canvas = random_window(self.backgrounds, size, rng).astype(np.float32)
        chances = np.array(self.config.people)
        people: list[PersonLabel] = []
        covered: list[NDArray[np.bool_]] = []  # per person, the joints behind others
        for _ in range(rng.choice(len(chances), p=chances / chances.sum())):
            sample = self.cutouts.draw(rng)
            close = bool(people) and self.config.beside > 0 and rng.random() < self.config.beside  # no number drawn where off
            before = people[-1] if close else None
            cut = self._cut_out(sample, rng, before)
            if cut.alpha.sum() < 200:
                continue
            covered = [c | under(p, cut.alpha) for p, c in zip(people, covered, strict=True)]
            canvas += cut.alpha[..., None] * (cut.rgb - canvas)
            people.append(cut.person)
            covered.append(np.zeros(len(cut.person.trust), dtype=bool))
        people = [behind(p, c) for p, c in zip(people, covered, strict=True)]
        keep = [p for p in people if _mostly_inside(p, size)]
        ignored = [p.box_xyxy_px for p in people if not _mostly_inside(p, size)]
        return Scene(canvas.astype(np.uint8), keep, True, np.array(ignored, dtype=float).reshape(-1, 4))

    def _cut_out(self, sample: Sample, rng: np.random.Generator, before: PersonLabel | None) -> CutOut:
        """A person, or half of one, somewhere on the canvas, or a person in front of another."""
        size, half = self.config.size_px, self._half(rng) if before is None else None
        share, shift_px = self._place(half, rng) if before is None else beside(before, size, rng)
        shown = None if half is None else HALVES[half]
        return cut_out(sample, size, share, shift_px, rng, self.config.augment, shown)

    def _place(self, half: int | None, rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
        """Share of the canvas, and way from its middle in pixels, of somebody anywhere, or of a half ending at the border."""
        size = self.config.size_px
        share = float(np.exp(rng.uniform(*np.log(self.config.height_share if half is None else HALF_SHARE))))
        shift_px = rng.uniform(-0.5, 0.5, 2) * max(0.35, 1.05 - share) * size
        if half is not None:
            border_px = 0.5 * (1 - share) * size + rng.normal(0, HALF_SD) * size
            shift_px[1] = border_px if half == 0 else -border_px
        return share, shift_px

    def _half(self, rng: np.random.Generator) -> int | None:
        """Which half of a body alone is to be seen, as in HALVES, or None for all of it."""
        chance = self.config.augment.half
        if not chance or rng.random() >= chance:  # no number drawn where off
            return None
        return int(rng.random() >= UPPER)

    def _whole(self, sample: Sample, rng: np.random.Generator) -> Scene:
        """A window of a labelled picture, turned."""
        config, size = self.config, self.config.size_px
        window = self._window(sample, rng)
        rotation, flip = random_rotation(rng, config.augment), bool(rng.random() < config.augment.flip)
        matrix = similarity(window, rotation, flip)
        people = [move_person(p, matrix, rotation, flip) for p in sample.people]
        # Of whom the pixels are known, only they are ignored; of others their boxes, here or in pose_target.
        small = [not ok and p.mask is not None for p, ok in zip(sample.people, learnable(people), strict=True)]
        seen = [p for p, no in zip(people, small, strict=True) if not no and _touches(p.box_xyxy_px, size)]
        crowds = sample.ignored_mask or (None,) * len(sample.ignored_box_xyxy_px)
        masks = [p.mask for p, no in zip(sample.people, small, strict=True) if no] + [m for m in crowds if m is not None]
        boxes = [move_box(np.array(b), matrix) for b, m in zip(sample.ignored_box_xyxy_px, crowds, strict=True) if m is None]
        rgb, ignored_px = warp(sample.read(), matrix, size), _any_of(masks, matrix, size)
        return Scene(rgb, seen, sample.complete, np.array(boxes, dtype=float).reshape(-1, 4), ignored_px)

    def _close(self, person: PersonLabel, half: int | None, rng: np.random.Generator) -> Crop | None:
        """As the second look cuts people out; of half a body as close as a webcam is."""
        if half is None:
            xy_px, trust = to_openpose18(person)
            return crop_from_points(xy_px, trust > 0, self.config.size_px, LOOK.margin)
        corners = box_of(person, HALVES[half]).reshape(2, 2)
        return crop_from_points(corners, np.ones(2, dtype=bool), self.config.size_px, float(rng.uniform(1.0, LOOK.margin)))

    def _window(self, sample: Sample, rng: np.random.Generator) -> Crop:
        """Around one of the people: as close as the second look, or anywhere near and such that the person has a fair size."""
        config = self.config
        person = sample.people[rng.integers(len(sample.people))]
        if rng.random() < config.close_up:
            close = self._close(person, self._half(rng), rng)
            if close is not None:
                return jitter_crop(close, rng, config.augment)
        low, high = person.box_xyxy_px[:2], person.box_xyxy_px[2:]
        side = max(float((high - low).max()), 8.0) / np.exp(rng.uniform(*np.log(config.height_share)))
        side = min(side, 1.3 * max(sample.size_wh))
        return Crop((low + high) / 2 + rng.uniform(-0.3, 0.3, 2) * side, side, config.size_px)


def _any_of(masks: list[dict[str, Any] | None], matrix: NDArray, size: int) -> NDArray[np.bool_] | None:
    """(S, S): pixels of the canvas that any of the pictures' masks reaches; None without masks."""
    if not masks:
        return None
    return np.any([warp(decode_mask(rle) * np.uint8(255), matrix, size) > 0 for rle in masks], axis=0)


def _touches(box: NDArray, size: int) -> bool:
    return bool((box[:2] < size).all() and (box[2:] > 0).all())


def _mostly_inside(person: PersonLabel, size: int) -> bool:
    """Whether enough of the person is on the canvas to be learnt."""
    return int((inside(person, size) & (person.trust > 0)).sum()) >= LEAST_SHOWN
