"""What is never trained on where a source has no split of its own, declared here alone; composites made of it.

The people photos have a split of their own (`training.people`), and so has COCO; backgrounds and other fully labelled photos
are split here, by name, so that pictures added later move none of the old ones to the other side. `training.runs` trains on the
rest only.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from posecore.camera import in_picture
from posecore.errors import InputError
from training.augment import AugmentConfig
from training.coco import coco_layout, file_reader, load_coco
from training.cutouts import LEAST_SHOWN, box_of, longer_side_px
from training.people import load_people
from training.samples import PersonLabel, Sample, single
from training.scenes import HALVES, PhotoShares, Scene, SceneConfig, SceneMaker, SceneShares

ONE_IN = 5
CLOSE_UP = 1.2  # side of a close-up over the longer side of the body's upper half
SEED = 2026  # scene i is drawn from (SEED, i)
TEST_SCENES = SceneConfig(
    size_px=368,
    shares=SceneShares(1.0, 0.0, 0.0, 0.0),
    photos=PhotoShares(1.0, 1.0, 1.0),
    people=(0.0, 0.2, 0.2, 0.2, 0.2, 0.2),
    height_share=(0.25, 0.9),
    augment=AugmentConfig(rotation_sd_deg=0.0, upside_down=0.0, colour=0.0, degrade=0.0, occlude=0.0),
)


def is_held_out(file_name: str) -> bool:
    """Whether a background or a fully labelled photo is kept from training: about one in five, by the checksum of its name."""
    return zlib.crc32(PurePath(file_name).name.encode()) % ONE_IN == 0


def background_files(folder: Path, held_out: bool) -> list[Path]:
    """The backgrounds (*.jpg) of one side of the split, by name. InputError where there is none."""
    chosen = [path for path in sorted(folder.glob("*.jpg")) if is_held_out(path.name) == held_out]
    if not chosen:
        side = "held out" if held_out else "to train on"
        raise InputError(
            f"no pictures (*.jpg) {side} in {folder}; people are set before such backgrounds, one in {ONE_IN} of them held out"
        )
    return chosen


def fully_labelled(folder: Path, held_out: bool) -> list[Sample]:
    """One side of a folder of photos in which all people are labelled.

    A folder in COCO's official layout has its own sides; people.json beside its pictures is split by name.
    """
    official = coco_layout(folder, "val" if held_out else "train")
    if official:
        return load_coco(*official)
    return [s for s in load_coco(folder / "people.json", folder) if is_held_out(s.key) == held_out]


def held_out_composites(people: Path, backgrounds: Path, count: int, sources: tuple[str, ...] = ()) -> list[Sample]:
    """`count` fixed scenes of 1 to 5 people of the val split (of these sources; default all) before held-out backgrounds.

    Every source gives as many people. All are labelled but for those mostly covered or outside, ignored as COCO's crowds are.
    """
    photos = [s for s in load_people(people, "val") if not sources or s.source in sources]
    if not any(s.people[0].mask is not None for s in photos):
        raise InputError(f"no val photo with a mask in {people}; composites need people to cut out")
    maker = SceneMaker(photos, [], [], [file_reader(p) for p in background_files(backgrounds, held_out=True)], TEST_SCENES)
    return [_sample(maker.make(np.random.default_rng([SEED, k])), f"composite {k}") for k in range(count)]


def close_ups(samples: list[Sample]) -> list[Sample]:
    """Photos of one person each, cut as before a webcam: a square CLOSE_UP times as large as the upper half of the body."""
    upper = HALVES[0]
    return [_cut(s, box_of(s.people[0], upper)) for s in samples if (s.people[0].trust[upper] > 0).sum() >= LEAST_SHOWN]


def _cut(sample: Sample, box: NDArray) -> Sample:
    """What a photo shows of a square around a box, to whole pixels, with its first person."""
    middle, reach = (box[:2] + box[2:]) / 2 + 0.5, CLOSE_UP * longer_side_px(box) / 2  # pixel 0 begins at -0.5
    low, high = (np.clip(np.round(edge), 0, sample.size_wh).astype(int) for edge in (middle - reach, middle + reach))
    (x0, y0), (x1, y1), read = low, high, sample.read
    person = sample.people[0]
    moved = replace(
        person, xy_px=single(person.xy_px - low), box_xyxy_px=single(person.box_xyxy_px - np.tile(low, 2)), mask=None
    )
    people = (_within(moved, high - low),)
    size_wh = int(x1 - x0), int(y1 - y0)
    return replace(sample, size_wh=size_wh, people=people, read=lambda: read()[y0:y1, x0:x1], camera=None)


def _sample(scene: Scene, key: str) -> Sample:
    rgb, size = scene.rgb, len(scene.rgb)
    people = tuple(_within(person, np.array([size, size])) for person in scene.people)
    boxes = tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in scene.ignored_box_xyxy_px)
    return Sample(key, "composites", (size, size), people, lambda: rgb, True, boxes)


def _within(person: PersonLabel, size_wh: NDArray) -> PersonLabel:
    """As an annotator would have labelled the picture: joints beyond its border are not there, the box ends at it."""
    trust = np.where(in_picture(person.xy_px, size_wh), person.trust, 0).astype(np.float32)
    box = np.clip(person.box_xyxy_px, -0.5, np.tile(size_wh, 2) - 0.5).astype(np.float32)
    return replace(person, trust=trust, box_xyxy_px=box)
