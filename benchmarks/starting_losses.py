"""Which loss gets heat maps going from scratch: memorise a few photos with each, a few steps, nothing else.

python -m benchmarks.starting_losses --data DIR -o RUNS

DIR holds people/. A ResNet-18 of half width sees the same plain crops at every step; counted is the share of limb joints whose
peak lies within 0.2 torso lengths of the label. The last column is the mean height of the peaks of VNect's own heat maps
(Gaussians of height 1): the squared error's as they are, the softmax maps turned into them (`lift3d.codec.vnect_heat`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.runtime import to_input
from benchmarks.kept import in_one_line
from lift3d.codec import GAUSSIAN_MASS, LOGIT_GAIN, find_peaks, softmax_heat, to_pixels, vnect_heat
from lift3d.network import LiftConfig, VNectResNet18
from posecore.pck import correct_limb_joints
from posecore.skeleton import load_skeleton
from training.augment import AugmentConfig
from training.lift_data import LiftExample, lift_target, make_example
from training.loop import Batch, LoopConfig, Trainer
from training.people import load_people
from training.samples import LIFT_JOINTS

VNECT = load_skeleton("vnect21")
STEPS_BETWEEN = 25


def squared_error(maps: Tensor, batch: Batch) -> Tensor:
    """VNect's: Gaussians of height 1, squared error summed over cells, a joint."""
    known = batch["heat_weight"] * (batch["heat"].sum((2, 3)) > 0)
    off = (maps - GAUSSIAN_MASS * batch["heat"]).square().sum((2, 3))
    return (off * known).sum() / known.sum()


def turned(gain: float) -> Callable[[NDArray], NDArray]:
    """Maps of `cross_entropy(gain)` to VNect's heat maps."""
    return lambda maps: vnect_heat(maps * (gain / LOGIT_GAIN))


def cross_entropy(gain: float) -> Callable[[Tensor, Batch], Tensor]:
    """Softmax over cells with the logits times `gain`, nats a joint."""

    def loss(maps: Tensor, batch: Batch) -> Tensor:
        known = batch["heat_weight"] * (batch["heat"].sum((2, 3)) > 0)
        log_p = torch.log_softmax(gain * maps.flatten(2), dim=2)
        return ((-batch["heat"].flatten(2) * log_p).sum(2) * known).sum() / known.sum()

    return loss


@dataclass(frozen=True)
class Start:
    """A loss of heat maps (B, J, h, w), and how its maps become VNect's."""

    title: str
    loss: Callable[[Tensor, Batch], Tensor]
    vnect: Callable[[NDArray], NDArray]


STARTS = {
    "squared": Start("squared error of Gaussians", squared_error, lambda maps: maps),
    "softmax": Start("cross-entropy over cells", cross_entropy(1.0), turned(1.0)),
    "softmax8": Start(f"cross-entropy over cells, logits times {LOGIT_GAIN:g}", cross_entropy(LOGIT_GAIN), turned(LOGIT_GAIN)),
}


class Memorise:
    """See training.loop.Task: the same batch over and over."""

    def __init__(self, examples: list[LiftExample], start: Start, size_px: int) -> None:
        self.examples, self.start = examples, start
        rows = [{"rgb": e.rgb, **lift_target(e.person, size_px)} for e in examples]
        self.batch = {k: torch.from_numpy(np.stack([row[k] for row in rows])) for k in rows[0]}

    def batches(self, config: LoopConfig, seen: int) -> Iterator[Batch]:
        for _ in range((config.samples - seen) // config.batch):
            yield self.batch

    @staticmethod
    def _maps(network: nn.Module, rgb: Tensor) -> Tensor:
        with torch.autocast(rgb.device.type, torch.bfloat16):
            return network(to_input(rgb))[:, 0].float()

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"total": self.start.loss(self._maps(network, batch["rgb"]), batch)}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        maps = self._maps(network, self.batch["rgb"].to(next(network.parameters()).device)).cpu().numpy()
        right = np.concatenate([self._right(m, e) for m, e in zip(maps, self.examples, strict=True)])
        return {"right": float(np.nanmean(right)), "height": float(self.start.vnect(maps).max(axis=(2, 3)).mean())}

    @staticmethod
    def _right(maps: np.ndarray, example: LiftExample) -> np.ndarray:
        xy = to_pixels(find_peaks(softmax_heat(maps))[0])  # the softmax keeps the order: the peak is that of the map itself
        person = example.person
        return correct_limb_joints(xy, person.xy_px[LIFT_JOINTS], person.trust[LIFT_JOINTS] > 0, VNECT)


def run_one(name: str, examples: list[LiftExample], options: argparse.Namespace) -> dict[str, list[float]]:
    """Train with one loss; the logged figures every STEPS_BETWEEN steps."""
    folder = options.output / name
    for old in folder.glob("*"):
        old.unlink()
    count = len(examples)
    config = LoopConfig(
        samples=count * options.steps,
        batch=count,
        learning_rate=1e-3,
        warmup_steps=1,
        final_share=1.0,
        ema_decay=0.0,
        threads=options.threads,
        evaluate_every=count * STEPS_BETWEEN,
        device=options.device,
    )
    torch.manual_seed(0)
    network = VNectResNet18(LiftConfig(input_px=options.size))
    task = Memorise(examples, STARTS[name], options.size)
    Trainer(task, network, config, folder).run(lambda line: print(f"{name}: {line}", flush=True))
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return {key: [row[f"val_{key}"] for row in rows if f"val_{key}" in row] for key in ("right", "height")}


def table(results: dict[str, dict[str, list[float]]], steps: int) -> str:
    """The share of right joints over the steps, as Markdown."""
    at = range(STEPS_BETWEEN, steps + 1, STEPS_BETWEEN)
    lines = ["| loss | " + " | ".join(f"{s} steps" for s in at) + " | VNect's peak |", "|---" * (len(at) + 2) + "|"]
    for name, result in results.items():
        cells = [f"{value:.2f}" for value in [*result["right"], result["height"][-1]]]
        lines.append(f"| {STARTS[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds people/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the runs; what is there is overwritten")
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--steps", type=int, default=75)
    parser.add_argument("--size", type=int, default=256, help="side of the crops (default 256)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(argv)
    return in_one_line("starting_losses", lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Memorise with every loss; the table."""
    upright = [s for s in load_people(options.data / "people", "train") if s.source != "lspet"]
    chosen = np.random.default_rng(0).permutation(len(upright))[: options.photos]
    examples = [make_example(upright[i], options.size, None, AugmentConfig()) for i in chosen]
    results = {name: run_one(name, examples, options) for name in STARTS}
    print(table(results, options.steps))


if __name__ == "__main__":
    sys.exit(main())
