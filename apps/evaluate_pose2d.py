"""The detector's accuracy: on any COCO-format folder, on the people photos' val split, on composites, on rendered people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posecore.errors import InputError

if TYPE_CHECKING:
    from training.coco_eval import Detect


def evaluate_detector(
    annotations: Path | None,
    images: Path | None,
    name: str | None,
    data: Path | None,
    weights: Path | None,
    composites: int | None = None,
    held_out_only: bool = False,
    close: bool = False,
) -> dict[str, float]:
    """Figures on an annotation file and its pictures, or on the set `name` ('people', 'synthetic') in the folder `data`, or on
    `composites` scenes made of the folders people and backgrounds in `data`; `close`: on the upper halves of 'people'."""
    if composites is not None and composites < 1:
        raise InputError(f"--composites {composites}: expected the number of scenes to make, 1 or more; 300 is usual")
    if images and not annotations:
        raise InputError("--images belong to --annotations; name that file as well, or leave --images out")
    if not (annotations and images) and not (data and (name or composites)):
        raise InputError(
            "say what to evaluate on: --annotations FILE --images DIR, --set people --data DIR, or --composites N --data DIR"
        )
    if sum(bool(given) for given in (annotations, name, composites)) > 1:
        raise InputError("say one thing to evaluate on: --annotations, --set or --composites")
    if held_out_only and not annotations:
        raise InputError("--held-out picks from --annotations and --images; the other sets are held out as they are")
    if close and name != "people":
        raise InputError("--close-ups are cut out of the people photos; say --set people --data DIR as well")
    from pose2d.estimator import PoseEstimator

    if annotations and images:
        return evaluate_coco(PoseEstimator(weights).detect, annotations, images, held_out_only)
    if composites:
        assert data is not None
        return evaluate_composites(PoseEstimator(weights).detect, data, composites)
    from training.coco_eval import evaluate_samples
    from training.held_out import close_ups
    from training.people import load_people
    from training.rendered import rendered_test_samples

    assert data is not None
    samples = load_people(data, "val") if name == "people" else rendered_test_samples(data)
    return evaluate_samples(PoseEstimator(weights).detect, close_ups(samples) if close else samples)


def evaluate_coco(detect: Detect, annotations: Path, images: Path, held_out_only: bool = False) -> dict[str, float]:
    """AP and PCK (training.coco_eval) on an annotation file and its folder of pictures; all, or those our training left out."""
    from training.coco import coco_layout, file_reader
    from training.coco_eval import coco_dataset, coco_keypoint_ap, detect_all
    from training.held_out import is_held_out

    if not images.is_dir():
        raise InputError(f"no folder {images}; give the folder of the pictures with --images")
    if held_out_only and (parts := [part for part in ("train", "val") if coco_layout(annotations.parent.parent, part)]):
        raise InputError(
            f"--held-out: {annotations} lies in COCO's own layout, whose sides training keeps ({', '.join(parts)}); "
            "evaluate on its val annotations, without --held-out"
        )
    dataset = coco_dataset(annotations)
    if held_out_only:
        dataset["images"] = [image for image in dataset["images"] if is_held_out(image["file_name"])]
        kept = {image["id"] for image in dataset["images"]}
        dataset["annotations"] = [a for a in dataset["annotations"] if a["image_id"] in kept]
    pictures = [(image["id"], file_reader(images / image["file_name"])) for image in dataset["images"]]
    return {"pictures": float(len(pictures))} | coco_keypoint_ap(dataset, detect_all(detect, pictures))


def evaluate_composites(detect: Detect, data: Path, count: int) -> dict[str, float]:
    """AP and PCK on held-out composites: of all val people, a third of them gymnasts, and of the others alone."""
    from training.coco_eval import evaluate_samples
    from training.held_out import held_out_composites

    figures: dict[str, float] = {}
    for prefix, sources in (("", ()), ("upright_", ("ccp", "sports"))):
        scenes = held_out_composites(data / "people", data / "backgrounds", count, sources)
        figures |= {f"{prefix}{name}": value for name, value in evaluate_samples(detect, scenes).items()}
    return figures
