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

from posecore.errors import InputError
from training.augment import AugmentConfig
from training.coco import coco_layout, file_reader, load_coco
from training.people import load_people
from training.samples import PersonLabel, Sample
from training.scenes import PhotoShares, Scene, SceneConfig, SceneMaker, SceneShares

ONE_IN = 5
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
            f"no pictures (*.jpg) {side} in {folder}; composites need backgrounds, of which one in {ONE_IN} is held out"
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


def _sample(scene: Scene, key: str) -> Sample:
    rgb, size = scene.rgb, len(scene.rgb)
    people = tuple(_within(person, size) for person in scene.people)
    boxes = tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in scene.ignored_box_xyxy_px)
    return Sample(key, "composites", (size, size), people, lambda: rgb, True, boxes)


def _within(person: PersonLabel, size: int) -> PersonLabel:
    """As an annotator would have labelled the canvas: joints beyond its border are not there, the box ends at it."""
    inside = np.all((person.xy_px > -0.5) & (person.xy_px < size - 0.5), axis=1)
    trust = np.where(inside, person.trust, 0).astype(np.float32)
    box = np.clip(person.box_xyxy_px, -0.5, size - 0.5).astype(np.float32)
    return replace(person, trust=trust, box_xyxy_px=box)
