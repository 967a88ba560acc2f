"""The lifter's accuracy: on held-out photos (against labels and the teacher's 3D), on rendered people and on MPI-INF-3DHP's
test set (against the truth)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posecore.errors import InputError

if TYPE_CHECKING:
    from lift3d.lifter import Lifter


def evaluate_lifter(
    name: str,
    data: Path,
    weights: Path | None,
    turned: bool = False,
    company: bool = False,
    second_opinion: bool = False,
    taught: bool = False,
) -> dict[str, float]:
    """Figures on a set: 'people', 'synthetic' (shards of apps/render.py), 'mpi_inf_3dhp' (the folder that holds TS1..TS6).

    With `turned` the crops of the first two turn with the body, by its labels, as in a clip by the frame before. With
    `company` others, cut out of the same photos, stand behind people and in front. With
    `second_opinion` the default detector has its say, as in a clip; without, the network is measured alone. `taught`: on the
    photos of 'people' that were trained on. That is no measure of accuracy: hardly better than on the others, and longer
    training is missing; much better, and other pictures are.
    """
    from lift3d.lifter import Lifter
    from pose2d.estimator import PoseEstimator
    from training.company import who_keep_company
    from training.lift_eval import evaluate_lift
    from training.people import load_people
    from training.rendered import rendered_test_samples

    if taught and name != "people":
        raise InputError(
            f"--taught: the set '{name}' holds nothing that was trained on; leave it out, or take the set 'people'"
        )
    lifter = Lifter(weights, opinion=PoseEstimator().limb_heat if second_opinion else None)
    if name == "mpi_inf_3dhp":
        if turned or company:
            raise InputError("mpi_inf_3dhp has measures of its own, on plain crops; leave --turned and --company out")
        return evaluate_mpi(data, lifter)
    if name == "people":
        samples = load_people(data, "train" if taught else "val")
    elif name == "synthetic":
        samples = rendered_test_samples(data)
    else:
        raise InputError(f"unknown set '{name}'; there are people, synthetic, mpi_inf_3dhp")
    others = who_keep_company(samples) if company else []
    if company and not others:
        raise InputError(f"--company needs photos whose people have masks; the set '{name}' has none")
    return evaluate_lift(lifter.maps, samples, lifter.input_px, lifter.sigma_gain, turned=turned, company=others)


def evaluate_mpi(data: Path, lifter: Lifter) -> dict[str, float]:
    """MPI-INF-3DHP's measures on universal skeletons, as published; with `real_` on the actors' own, their size being told."""
    from training.lift_eval import evaluate_published
    from training.mpi_inf_3dhp import load_mpi_inf_3dhp_test

    universal = evaluate_published(lifter.maps, load_mpi_inf_3dhp_test(data), lifter.input_px)
    real = evaluate_published(lifter.maps, load_mpi_inf_3dhp_test(data, "real"), lifter.input_px, scaled=True)
    return {**universal, **{f"real_{name}": value for name, value in real.items() if "frames" not in name}}
