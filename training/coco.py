"""COCO keypoint folders through pycocotools: an annotation file and a folder of images, in the official layout."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError
from posecore.skeleton import convert, load_skeleton
from training.samples import LABELS, PersonLabel, Sample

COCO = load_skeleton("coco17")
VISIBILITY_TRUST = np.array([0.0, 0.5, 1.0])  # COCO's v: not labelled, labelled but hidden, visible


def load_coco_index(annotations: Path) -> Any:
    """pycocotools' COCO object, read in silence. InputError for a missing or foreign file."""
    from pycocotools.coco import COCO as Index  # noqa: N811 (its own name is taken here by the skeleton)

    if not annotations.is_file():
        raise InputError(f"no annotation file {annotations}; expected COCO's person_keypoints_*.json")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return Index(str(annotations))
    except (ValueError, KeyError, AssertionError) as error:
        raise InputError(f"{annotations} is not a COCO annotation file ({error})") from error


def coco_person(annotation: dict[str, Any], mask: dict[str, Any] | None = None) -> PersonLabel:
    """One annotation with keypoints; 2D only; the pelvis comes from its hips, the neck stays unknown."""
    values = np.array(annotation["keypoints"], dtype=np.float32).reshape(17, 3)
    values[:, 2] = VISIBILITY_TRUST[values[:, 2].astype(int)]
    labels = np.nan_to_num(convert(values, COCO, LABELS))
    hips = LABELS.indices(["left_hip", "right_hip"])
    # COCO labels no neck above the shoulders: VNect's neck stays unknown, and a pelvis is known only with both hips.
    labels[LABELS.index("neck"), 2] = 0
    labels[LABELS.index("pelvis"), 2] = labels[hips, 2].min()
    x, y, w, h = annotation["bbox"]
    box = np.array([x, y, x + w, y + h], dtype=np.float32)
    nothing = np.zeros((26, 3), np.float32), np.zeros(26, np.float32)
    return PersonLabel(labels[:, :2].astype(np.float32), labels[:, 2].astype(np.float32), *nothing, box, mask)


def file_reader(path: Path) -> Callable[[], NDArray[np.uint8]]:
    """A function that reads one picture file as RGB."""

    def read() -> NDArray[np.uint8]:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise InputError(f"cannot read the picture {path}")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    return read


def load_coco(annotations: Path, images: Path, source: str = "coco") -> list[Sample]:
    """One sample per image with people; crowds and people without joints are ignored: their pixels, or boxes without masks."""
    index = load_coco_index(annotations)
    samples = []
    for image in index.dataset["images"]:
        people, boxes, masks = [], [], []
        for a in index.imgToAnns[image["id"]]:
            x, y, w, h = a["bbox"]
            mask = index.annToRLE(a) if a.get("segmentation") else None  # from polygons or either run-length encoding
            if a.get("iscrowd") or not a.get("num_keypoints"):
                boxes.append((x, y, x + w, y + h))
                masks.append(mask)
            else:
                people.append(coco_person(a, mask))
        if people:
            size, read = (image["width"], image["height"]), file_reader(images / image["file_name"])
            known = Sample(image["file_name"], source, size, tuple(people), read, complete=True)
            samples.append(replace(known, ignored_box_xyxy_px=tuple(boxes), ignored_mask=tuple(masks)))
    return samples


def coco_layout(folder: Path, split: str) -> tuple[Path, Path] | None:
    """Annotation file and pictures of a split ('train', 'val') in a folder of COCO's official layout; None in another folder.

    That is annotations/person_keypoints_SPLIT2017.json (of several years the last) beside SPLIT2017 or images/SPLIT2017.
    """
    for labels in sorted((folder / "annotations").glob(f"person_keypoints_{split}*.json"), reverse=True):
        name = labels.stem.removeprefix("person_keypoints_")
        for images in (folder / name, folder / "images" / name):
            if images.is_dir():
                return labels, images
    return None


def liftable_people(samples: list[Sample], joints: int = 8, side_px: float = 64.0) -> list[Sample]:
    """The same pictures with only the people large and well enough labelled to be a lifter's lesson in 2D; the boxes of the
    others are ignored, for people show there."""

    def fit(person: PersonLabel) -> bool:
        x0, y0, x1, y1 = person.box_xyxy_px
        return int((person.trust > 0).sum()) >= joints and max(x1 - x0, y1 - y0) >= side_px

    def only_fit(sample: Sample) -> Sample:
        others = [p for p in sample.people if not fit(p)]
        known = replace(sample, people=tuple(p for p in sample.people if fit(p)), complete=False)
        boxes = (*sample.ignored_box_xyxy_px, *(corners(p.box_xyxy_px) for p in others))
        masks = (*(sample.ignored_mask or (None,) * len(sample.ignored_box_xyxy_px)), *(p.mask for p in others))
        return replace(known, ignored_box_xyxy_px=boxes, ignored_mask=masks)

    return [sample for sample in map(only_fit, samples) if sample.people]


def corners(box_xyxy_px: NDArray) -> tuple[float, float, float, float]:
    """A box (4,) as a sample's ignored boxes are."""
    x0, y0, x1, y1 = map(float, box_xyxy_px)
    return x0, y0, x1, y1
