"""One list of people from detections at several sizes of the same picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posecore.oks import box_iou, oks, oks_sigma
from posecore.skeleton import load_skeleton
from posecore.types import Detection2D

SAME_OKS = 0.4  # likeness from which two detections are one person
SAME_IOU = 0.75  # overlap of boxes from which they are, however unlike their joints
AREA_OF_BOX = 0.53  # a person's share of the joints' box, as COCO's areas have it


def merge_people(people: Sequence[Detection2D]) -> list[Detection2D]:
    """Detections of one picture, each person once: the one with the most confidence over all joints stays and comes first."""
    kept: list[Detection2D] = []
    for person in sorted(people, key=lambda p: -float(p.score.sum())):
        if not any(is_same(person, other) for other in kept):
            kept.append(person)
    return kept


def best_first(people: Sequence[Detection2D]) -> list[Detection2D]:
    """The surest person first; of equals in the order they had."""
    return sorted(people, key=lambda person: -person.person_score)


def is_same(person: Detection2D, other: Detection2D) -> bool:
    """Whether two detections are about the same person."""
    joints, boxes = likeness(person, other)
    return joints > SAME_OKS or boxes > SAME_IOU


def likeness(person: Detection2D, other: Detection2D) -> tuple[float, float]:
    """How alike two detections are, 0..1: their joints (OKS, of the other's size) and their boxes (intersection over union)."""
    sigma = oks_sigma(load_skeleton(other.skeleton))
    box = other.box_xyxy_px
    area = AREA_OF_BOX * float(np.prod(box[2:] - box[:2]))
    joints = float(oks(person.xy_px, other.xy_px, max(area, 1.0), sigma))
    return joints, float(box_iou(person.box_xyxy_px, box))
