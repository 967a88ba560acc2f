"""The detector's accuracy: on any COCO-format folder, on the people photos' val split, on composites, on rendered people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError
from posecore.types import Detection2D


class Detector(Protocol):
    """What finds people in a picture (pose2d.estimator.PoseEstimator)."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[Detection2D]:
        """All people in a picture (H, W, 3)."""


Picture = tuple[int, Callable[[], NDArray[np.uint8]]]  # image id and how to read it


def evaluate_detector(
    annotations: Path | None,
    images: Path | None,
    name: str | None,
    data: Path | None,
    weights: Path | None,
    composites: int = 0,
    held_out_only: bool = False,
) -> dict[str, float]:
    """Figures on an annotation file and its pictures, or on the set `name` ('people', 'synthetic') in the folder `data`, or on
    `composites` scenes made of the folders people and backgrounds in `data`."""
    if not (annotations and images) and not (data and (name or composites)):
        raise InputError(
            "say what to evaluate on: --annotations FILE --images DIR, --set people --data DIR, or --composites N --data DIR"
        )
    from pose2d.estimator import PoseEstimator

    if annotations and images:
        return evaluate_coco(PoseEstimator(weights), annotations, images, held_out_only)
    if composites:
        assert data is not None
        return evaluate_composites(PoseEstimator(weights), data, composites)
    from training.people import load_people
    from training.rendered import load_rendered_samples

    assert data is not None
    samples = load_people(data, "val") if name == "people" else load_rendered_samples(data)
    return evaluate_samples(PoseEstimator(weights), samples)


def evaluate_coco(detector: Detector, annotations: Path, images: Path, held_out_only: bool = False) -> dict[str, float]:
    """AP and PCK (training.coco_eval) on an annotation file and its folder of pictures; all, or those our training left out."""
    from training.coco import file_reader
    from training.coco_eval import coco_dataset, coco_keypoint_ap
    from training.held_out import is_held_out

    if not images.is_dir():
        raise InputError(f"no folder {images}; give the folder of the pictures with --images")
    dataset = coco_dataset(annotations)
    if held_out_only:
        dataset["images"] = [image for image in dataset["images"] if is_held_out(image["file_name"])]
        kept = {image["id"] for image in dataset["images"]}
        dataset["annotations"] = [a for a in dataset["annotations"] if a["image_id"] in kept]
    pictures = [(image["id"], file_reader(images / image["file_name"])) for image in dataset["images"]]
    return {"pictures": float(len(pictures))} | coco_keypoint_ap(dataset, detect_all(detector, pictures))


def evaluate_composites(detector: Detector, data: Path, count: int) -> dict[str, float]:
    """AP and PCK on held-out composites: of all val people, a third of them gymnasts, and of upright and sporting ones alone."""
    from training.held_out import held_out_composites

    figures: dict[str, float] = {}
    for prefix, sources in (("", ()), ("upright_", ("ccp", "sports"))):
        scenes = held_out_composites(data / "people", data / "backgrounds", count, sources)
        figures |= {f"{prefix}{name}": value for name, value in evaluate_samples(detector, scenes).items()}
    return figures


def evaluate_samples(detector: Detector, samples: list[Any]) -> dict[str, float]:
    """Per source of training samples: PCK, and AP where every person in its pictures is labelled."""
    from training.coco_eval import average_precision, coco_from_samples, matched_pck

    figures: dict[str, float] = {}
    for source in sorted({sample.source for sample in samples}):
        chosen = [sample for sample in samples if sample.source == source]
        dataset = coco_from_samples(chosen)
        found = detect_all(detector, [(k, sample.read) for k, sample in enumerate(chosen, start=1)])
        complete = all(sample.complete for sample in chosen)
        values = (average_precision(dataset, found) if complete else {}) | matched_pck(dataset, found)
        figures |= {f"{source}_{name}": value for name, value in values.items()}
    return figures


def detect_all(detector: Detector, pictures: Iterable[Picture]) -> dict[int, list[Detection2D]]:
    """People by image id."""
    return {image_id: detector.detect(read()) for image_id, read in pictures}
