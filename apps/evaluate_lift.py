"""The lifter's accuracy: on held-out photos (against labels and the teacher's 3D) and on rendered people (against truth)."""

from __future__ import annotations

from pathlib import Path

from posecore.errors import InputError


def evaluate_lifter(name: str, data: Path, weights: Path | None) -> dict[str, float]:
    """Figures per source (training.lift_eval.evaluate_lift) on a set: 'people' or 'synthetic' (shards of apps/render.py)."""
    from lift3d.lifter import Lifter
    from training.lift_eval import evaluate_lift
    from training.people import load_people
    from training.rendered import load_rendered_samples

    if name == "people":
        samples = load_people(data, "val")
    elif name == "synthetic":
        samples = load_rendered_samples(data)
    else:
        raise InputError(f"unknown set '{name}'; there are people, synthetic")
    lifter = Lifter(weights)
    return evaluate_lift(lifter.maps, samples, lifter.input_px, lifter.sigma_gain)
