"""The detector's accuracy on pictures whose people are labelled as COCO labels them: AP by pycocotools, PCK beside it.

Average precision asks for complete labels: a found person who is nobody's label counts as wrong. PCK does not: each labelled
person is given the detection that fits it best, and its joints are compared.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from posecore.errors import InputError
from posecore.oks import oks
from posecore.pck import correct_limb_joints
from posecore.skeleton import convert, load_skeleton
from posecore.types import Detection2D, Floats
from training.coco import load_coco_index
from training.samples import LABELS, PersonLabel, Sample

COCO = load_skeleton("coco17")
SIGMA = np.array(COCO.oks_sigma)
MATCH_OKS = 0.1  # a detection less like a labelled person than this is not about that person
GOOD_SHARE = 0.75  # share of a person's labelled limb joints within reach that makes the person well found
AREA_OF_BOX = 0.55  # a person's share of its box, where no area is labelled
STATS = ("AP", "AP50", "AP75", "APM", "APL", "AR")  # the first six that pycocotools gives

Detections = Mapping[int, Sequence[Detection2D]]
Detect = Callable[[NDArray[np.uint8]], Sequence[Detection2D]]  # all people in a picture (H, W, 3)
Picture = tuple[int, Callable[[], NDArray[np.uint8]]]  # image id and how to read it


def detect_all(detect: Detect, pictures: Iterable[Picture]) -> Detections:
    """People by image id."""
    return {image_id: detect(read()) for image_id, read in pictures}


def evaluate_samples(detect: Detect, samples: Sequence[Sample]) -> dict[str, float]:
    """Per source of training samples: PCK, and AP where every person in its pictures is labelled."""
    figures: dict[str, float] = {}
    for source in sorted({sample.source for sample in samples}):
        chosen = [sample for sample in samples if sample.source == source]
        dataset = coco_from_samples(chosen)
        found = detect_all(detect, [(k, sample.read) for k, sample in enumerate(chosen, start=1)])
        complete = all(sample.complete for sample in chosen)
        values = (average_precision(dataset, found) if complete else {}) | matched_pck(dataset, found)
        figures |= {f"{source}_{name}": value for name, value in values.items()}
    return figures


def coco_keypoint_ap(annotations: Path | dict[str, Any], detections: Detections) -> dict[str, float]:
    """Everything below in one table: `average_precision` and `matched_pck` of detections by image id."""
    dataset = coco_dataset(annotations)
    return average_precision(dataset, detections) | matched_pck(dataset, detections)


def coco_dataset(annotations: Path | dict[str, Any]) -> dict[str, Any]:
    """A COCO keypoint file, or its content, with what pycocotools needs and some files lack filled in.

    InputError for other keypoints than COCO's 17. A missing area becomes AREA_OF_BOX of the box, a missing iscrowd 0.
    """
    dataset = load_coco_index(annotations).dataset if isinstance(annotations, Path) else copy.deepcopy(annotations)
    for category in dataset.get("categories", []):
        if "keypoints" in category and tuple(category["keypoints"]) != COCO.joints:
            raise InputError(f"expected COCO's 17 keypoints in COCO's order, got {', '.join(category['keypoints'])}")
    for annotation in dataset["annotations"]:
        annotation.setdefault("iscrowd", 0)
        annotation.setdefault("area", AREA_OF_BOX * annotation["bbox"][2] * annotation["bbox"][3])
        if len(annotation.setdefault("keypoints", [0] * 51)) != 51:
            raise InputError(f"annotation {annotation['id']}: expected 51 numbers for 17 keypoints; is this a keypoint file?")
        annotation.setdefault("num_keypoints", int(np.count_nonzero(annotation["keypoints"][2::3])))
    return dataset


def average_precision(dataset: dict[str, Any], detections: Detections) -> dict[str, float]:
    """COCO's AP, AP50, AP75, APM, APL and AR over all images of the dataset; -1 where there is no person (of that size).

    Images without an entry have no detection. People are ranked by their score times the number of joints found, for a whole
    person is surer than a part; a joint neither found nor guessed stands at (0, 0), as in OpenPose's own evaluation.
    """
    from pycocotools.coco import COCO as Index  # noqa: N811 (its own name is taken here by the skeleton)
    from pycocotools.cocoeval import COCOeval

    category = _person_category(dataset)
    results = [_result(image_id, category, person) for image_id, people in detections.items() for person in people]
    with contextlib.redirect_stdout(io.StringIO()):
        truth, nobody = Index(), Index()
        truth.dataset, nobody.dataset = dataset, {**dataset, "annotations": []}
        truth.createIndex()
        nobody.createIndex()
        try:
            found = truth.loadRes(results) if results else nobody  # loadRes knows no empty list
        except AssertionError as error:
            raise InputError(
                "detections of images that the annotations do not know; evaluate them against their own"
            ) from error
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.params.catIds = [category]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(value) for name, value in zip(STATS, evaluation.stats, strict=False)}


def matched_pck(dataset: dict[str, Any], detections: Detections) -> dict[str, float]:
    """PCK@0.2 of the torso over the 12 limb joints, and how many of the labelled people are found.

    In each image labelled people and detections are paired one to one so that the sum of their OKS over the person's labelled
    joints is largest (a joint not found scores 0, an unlabelled one is ignored); pairs under MATCH_OKS are none. Then, over
    people with both shoulders and hips labelled, who alone have a torso:
    people: their number, and nothing else where there is none; found: share that has a detection; pck: share of labelled joints
    right, all joints of an unfound person wrong; pck_found: the same over the found; well_found: share of people with at least
    GOOD_SHARE of their joints right.
    """
    labels: dict[int, list[dict[str, Any]]] = {}
    for annotation in dataset["annotations"]:
        if not annotation["iscrowd"] and annotation["num_keypoints"]:
            labels.setdefault(annotation["image_id"], []).append(annotation)
    rows = [_correct_joints(people, detections.get(image_id, ())) for image_id, people in labels.items()]
    correct = np.concatenate([np.zeros((0, 13)), *rows])
    correct = correct[np.isfinite(correct[:, 1:]).any(axis=1)]
    if not len(correct):
        return {"people": 0.0}
    found, right = correct[:, 0] > 0, correct[:, 1:]
    return {
        "people": float(len(correct)),
        "found": float(found.mean()),
        "pck": float(np.nanmean(right)),
        "pck_found": float(np.nanmean(right[found])) if found.any() else 0.0,
        "well_found": float((np.nanmean(right, axis=1) >= GOOD_SHARE).mean()),
    }


def coco_from_samples(samples: Sequence[Sample]) -> dict[str, Any]:
    """Samples as a COCO keypoint dataset; image ids count from 1 in their order, ignored boxes become crowds."""
    annotations: list[dict[str, Any]] = []
    for image_id, sample in enumerate(samples, start=1):
        annotations += [_annotation(image_id, person) for person in sample.people]
        for x0, y0, x1, y1 in sample.ignored_box_xyxy_px:
            box = [x0, y0, x1 - x0, y1 - y0]
            annotations.append({"image_id": image_id, "bbox": box, "iscrowd": 1, "keypoints": [0] * 51})
    for number, annotation in enumerate(annotations, start=1):
        annotation |= {"id": number, "category_id": 1}
    images = [{"id": k, "file_name": s.key, "width": s.size_wh[0], "height": s.size_wh[1]} for k, s in enumerate(samples, 1)]
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO.joints), "skeleton": []}]
    return coco_dataset({"images": images, "annotations": annotations, "categories": categories})


def _annotation(image_id: int, person: PersonLabel) -> dict[str, Any]:
    xyv = convert(np.concatenate([person.xy_px, person.trust[:, None]], axis=1), LABELS, COCO)
    known = xyv[:, 2:] > 0
    xyv = np.where(known, np.concatenate([xyv[:, :2], np.full((len(COCO), 1), 2.0)], axis=1), 0.0)
    x0, y0, x1, y1 = (float(v) for v in person.box_xyxy_px)
    return {"image_id": image_id, "bbox": [x0, y0, x1 - x0, y1 - y0], "keypoints": xyv.ravel().tolist()}


def _person_category(dataset: dict[str, Any]) -> int:
    """Number of the category that has keypoints; 1, COCO's own, where none says so."""
    return next((c["id"] for c in dataset.get("categories", []) if "keypoints" in c), 1)


def _result(image_id: int, category: int, person: Detection2D) -> dict[str, Any]:
    """One line of COCO's result format."""
    xy_px = _to_coco(person)
    placed = np.isfinite(xy_px[:, :1])
    keypoints = np.concatenate([np.where(placed, xy_px, 0.0), placed], axis=1)
    score = person.person_score * np.count_nonzero(np.isfinite(person.xy_px[:, 0]))
    return {"image_id": image_id, "category_id": category, "keypoints": keypoints.ravel().tolist(), "score": float(score)}


def _to_coco(person: Detection2D) -> Floats:
    """(17, 2) a person's joints as COCO has them, found or guessed; NaN for the rest."""
    return convert(person.whole_xy_px, load_skeleton(person.skeleton), COCO)


def _correct_joints(people: list[dict[str, Any]], found: Sequence[Detection2D]) -> Floats:
    """(P, 13) rows for the labelled people of one image: matched or not, then the 12 limb joints, 1, 0 or NaN (unlabelled)."""
    xyv = np.array([a["keypoints"] for a in people], dtype=np.float64).reshape(-1, 17, 3)
    xy_px, known = xyv[..., :2], xyv[..., 2] > 0
    predicted, matched = np.full_like(xy_px, np.nan), np.zeros(len(people))
    if found:
        candidates = np.stack([_to_coco(person) for person in found])
        area = np.array([a["area"] for a in people])[:, None]
        alike = oks(candidates, xy_px[:, None], area, SIGMA, counted=known[:, None])
        rows, columns = linear_sum_assignment(np.where(alike >= MATCH_OKS, alike, 0.0), maximize=True)
        keep = alike[rows, columns] >= MATCH_OKS
        predicted[rows[keep]], matched[rows[keep]] = candidates[columns[keep]], 1.0
    return np.concatenate([matched[:, None], correct_limb_joints(predicted, xy_px, known, COCO)], axis=1)
