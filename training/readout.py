"""The lifter's 3D of some joints learnt anew, in closed form: their rows of the last layer; everything else stays to the bit.

For labels of some joints that were mended after a training. Where a joint is read is told by its heat map, whose row stays;
its 3D there (`lift3d.loss`, term `read`) is linear in the last layer's input, averaged under that heat map. So the rows are a
regression of the labels on these averages: the least sum of distances, by reweighted least squares with a pull to the old
rows; the rows of its error bars the likeliest Laplace scales of what is left.

    python -m training.readout --data DIR --weights W.safetensors --joints head_top,head -c CONFIG -o NEW.safetensors
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import nn
from torch.utils.data import default_collate

from backbones.runtime import load_into, to_input
from lift3d.codec import LOGIT_GAIN, READ_POWER
from lift3d.lifter import NETWORKS, make_network
from lift3d.network import JOINTS, MAPS_PER_JOINT, LiftConfig, VNectResNet18
from posecore.config import override_from_file, override_from_words, to_dict
from posecore.errors import ConfigError, PoseError
from posecore.skeleton import load_skeleton
from posecore.weights import Weights, load_weights, save_weights
from training.cards import without_folders
from training.lift_data import lift_target, make_example
from training.lift_eval import STILL
from training.lift_task import LiftTask
from training.loop import Batch
from training.runs import LiftRun, crop_samples, lift_lessons
from training.samples import Sample

VNECT = load_skeleton("vnect21")
XYZ, SCALES = slice(1, 4), slice(4, 6)  # of the six maps of a joint
NEAR_M = 0.03  # an error below this counts by its square
PULL = 1e-6  # to the old rows, of the mean curvature
STEPS = 15  # of reweighting
LOG_SCALE = (-6.0, 1.0)  # bounds of a log scale, as `lift3d.codec` reads it


@dataclass(frozen=True)
class Readings:
    """Of N crops and K joints: inputs (N, K, C) of the last layer averaged under each joint's heat map, true xyz_m (N, K, 3),
    trust (N, K), 0 where nothing is known."""

    inputs: NDArray[np.float64]
    xyz_m: NDArray[np.float64]
    trust: NDArray[np.float64]


def last_layer(network: nn.Module) -> tuple[nn.Module, nn.Conv2d]:
    """What comes before the last layer, and that. ConfigError for a network that has more than one."""
    if not isinstance(network, VNectResNet18):
        raise ConfigError("vnect_resnet50 answers out of several layers; only the other lifters' rows can be learnt anew")
    layer = network.head[-1]
    assert isinstance(layer, nn.Conv2d)
    return nn.Sequential(network.trunk, *list(network.head)[:-1]), layer


def read(network: nn.Module, stream: Iterable[Batch], joints: list[int]) -> Readings:
    """Readings over batches as `LiftTask.batches` makes them."""
    before, layer = last_layer(network.eval())
    parts: list[list[NDArray]] = []
    with torch.no_grad():
        for batch in stream:
            with torch.autocast(batch["rgb"].device.type, torch.bfloat16):
                inputs = before(to_input(batch["rgb"]))
                logits = layer(inputs)[:, joints]
            heat = torch.softmax(READ_POWER * LOGIT_GAIN * logits.float().flatten(2), dim=2)
            averaged = torch.einsum("bck,bjk->bjc", inputs.float().flatten(2), heat)
            shown = batch["heat"][:, joints].flatten(2).sum(2) > 0
            trust = batch["xyz_weight"][:, joints] * (batch["heat_weight"][:, joints] > 0) * shown
            parts.append([t.numpy() for t in (averaged, batch["xyz"][:, joints], trust)])
    inputs, xyz_m, trusts = (np.concatenate(column).astype(np.float64) for column in zip(*parts, strict=True))
    return Readings(inputs, xyz_m, trusts)


def answers(inputs: NDArray, rows: NDArray) -> NDArray[np.float64]:
    """(N, C) through rows (M, C + 1), the last column the bias, to (N, M)."""
    return inputs @ rows[:, :-1].T + rows[:, -1]


def places(inputs: NDArray, xyz_m: NDArray, trust: NDArray, rows: NDArray) -> NDArray[np.float64]:
    """Rows (3, C + 1) with the least trusted sum of distances from xyz_m (N, 3), near the old ones where nothing is told."""
    A = np.column_stack([inputs, np.ones(len(inputs))])
    for _ in range(STEPS):
        distance = np.linalg.norm(answers(inputs, rows) - xyz_m, axis=1)
        weight = trust / np.maximum(distance, NEAR_M)
        H = (A.T * weight) @ A
        pull = PULL * np.trace(H) / len(H)
        rows = np.linalg.solve(H + pull * np.eye(len(H)), (A.T * weight) @ xyz_m + pull * rows.T).T
    return rows


def scales(inputs: NDArray, off_m: NDArray, trust: NDArray, row: NDArray) -> NDArray[np.float64]:
    """Row (C + 1,) of the log of the Laplace scale that makes errors off_m (N,) likeliest, starting from a given one."""
    A, share = np.column_stack([inputs, np.ones(len(inputs))]), trust / trust.sum()
    return np.asarray(minimize(likely, row, (A, off_m, share), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)


def likely(row: NDArray, A: NDArray, off_m: NDArray, share: NDArray) -> tuple[float, NDArray[np.float64]]:
    """Mean of the negative log likelihood of errors (N,) under the Laplace scales exp(A row), and its derivative."""
    log_b = A @ row
    inside = (log_b > LOG_SCALE[0]) & (log_b < LOG_SCALE[1])
    log_b = np.clip(log_b, *LOG_SCALE)
    unlikely = off_m * np.exp(-log_b)
    return float(share @ (unlikely + log_b)), A.T @ (share * inside * (1 - unlikely))


def rows_of(network: nn.Module, joint: int) -> NDArray[np.float64]:
    """(6, C + 1): a joint's rows of the last layer, see `answers`."""
    weight, bias = (
        p.detach().double().numpy().reshape(MAPS_PER_JOINT, JOINTS, -1) for p in last_layer(network)[1].parameters()
    )
    return np.column_stack([weight[:, joint], bias[:, joint]])


def learn_anew(network: nn.Module, joints: list[int], readings: Readings) -> None:
    """Set the joints' rows of the last layer, but for those of their heat maps, in place. ConfigError for untold joints."""
    layer = last_layer(network)[1]
    assert layer.bias is not None
    weight = layer.weight.data.view(MAPS_PER_JOINT, JOINTS, -1)
    bias = layer.bias.data.view(MAPS_PER_JOINT, JOINTS)
    for k, joint in enumerate(joints):
        inputs, xyz_m, trust = readings.inputs[:, k], readings.xyz_m[:, k], readings.trust[:, k]
        if not trust.any():
            raise ConfigError(f"no crop tells where '{VNECT.joints[joint]}' is in 3D; leave it out or give data that do")
        rows = rows_of(network, joint)
        rows[XYZ] = places(inputs, xyz_m, trust, rows[XYZ])
        off_m = np.abs(answers(inputs, rows[XYZ]) - xyz_m)
        across, depth = off_m[:, :2].mean(axis=1), off_m[:, 2]
        rows[SCALES] = [scales(inputs, off, trust, row) for off, row in zip((across, depth), rows[SCALES], strict=True)]
        weight[:, joint], bias[:, joint] = (torch.from_numpy(part) for part in (rows[:, :-1], rows[:, -1]))


def errors_mm(network: nn.Module, readings: Readings, joints: list[int]) -> NDArray[np.float64]:
    """(K,) mean distances of the joints whose 3D is trusted."""
    out = []
    for k, joint in enumerate(joints):
        off = np.linalg.norm(answers(readings.inputs[:, k], rows_of(network, joint)[XYZ]) - readings.xyz_m[:, k], axis=1)
        out.append(1000 * np.average(off, weights=readings.trust[:, k] > 0) if readings.trust[:, k].any() else np.nan)
    return np.array(out)


def plain(samples: list[Sample], size_px: int) -> Iterable[Batch]:
    """Crops as they are, one by one."""
    for sample in samples:
        example = make_example(sample, size_px, None, STILL)
        yield default_collate([{"rgb": example.rgb, **lift_target(example.person, size_px)}])


def make_anew(loaded: Weights, run: LiftRun, root: Path, joints: list[int], workers: int) -> tuple[nn.Module, dict[str, Any]]:
    """The network with its new rows, and what a card tells of them: errors on held-out crops by source, before and after."""
    network = load_into(make_network(run.lesson.network), loaded)
    train, val = crop_samples(root, run.data)
    flat, more = lift_lessons(root, run.data, run.lesson)
    task = LiftTask(train + flat, val, run.lesson, workers, more)
    held_out = {
        source: read(network, plain([s for s in val if s.source == source], run.lesson.size_px), joints)
        for source in sorted({s.source for s in val})
    }
    before = {source: errors_mm(network, readings, joints) for source, readings in held_out.items()}
    learn_anew(network, joints, read(network, task.batches(run.loop, 0), joints))
    figures = {}
    for source, readings in held_out.items():
        for joint, old, new in zip(joints, before[source], errors_mm(network, readings, joints), strict=True):
            figures[f"{source}_{VNECT.joints[joint]}"] = [round(float(old), 1), round(float(new), 1)]
    return network, figures


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="readout", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets (docs/training.md)")
    parser.add_argument("--weights", type=Path, required=True, help="the lifter's .safetensors")
    parser.add_argument("--joints", required=True, help="names with commas, as head_top,head")
    parser.add_argument("-c", "--config", type=Path, help="YAML file of settings, those of a lifter's training")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one setting, e.g. loop.samples=12000")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare data (default 1)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new .safetensors, its card beside it")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Learn rows anew; 0 done, 2 for bad input."""
    options = make_parser().parse_args(argv)
    try:
        joints = VNECT.indices(options.joints.split(","))
        loaded = load_weights(options.weights, *NETWORKS)
        config = loaded.config(LiftConfig(name=loaded.card["network"])).settled()
        run = override_from_file(LiftRun(), options.config) if options.config else LiftRun()
        run = override_from_words(run, options.set)
        run = replace(run, lesson=replace(run.lesson, network=config, size_px=config.input_px))
        torch.set_num_threads(run.loop.threads)
        network, figures = make_anew(loaded, run, options.data, joints, options.workers)
    except PoseError as error:
        print(f"readout: {error}", file=sys.stderr)
        return 2
    told = {"joints": options.joints, "held_out_mm_before_after": figures, **without_folders(to_dict(run))}
    save_weights(
        options.output,
        {name: value.numpy() for name, value in network.state_dict().items()},
        {**loaded.card, "rows_learnt_anew": {"of": options.weights.stem, **told}},
    )
    print(f"wrote {options.output}", *(f"{name} {old} -> {new}" for name, (old, new) in figures.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
