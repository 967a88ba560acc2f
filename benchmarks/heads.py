"""Regression or heat map, squared error or cross-entropy? `python -m benchmarks.heads --data DIR -o RUNS` (docs/heads.md).

One network learns the joints of one person in a crop several times, on equal terms: the same trunk, start, crops in the same
order, steps and rate; only the head and its loss differ. Measured on the val photos of people, but for the gymnasts. A run that
is done is not repeated.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backbones.runtime import to_input
from backbones.trunk import make_trunk
from benchmarks.kept import begin, in_one_line, keep, kept
from pose2d.loss import PoseLossConfig, heat_loss
from pose2d.network import HEAT_CHANNELS, PoseConfig, heat_of, make_stage
from posecore.heatmap import cells_to_px, refine_peaks
from posecore.pck import correct_limb_joints
from posecore.skeleton import load_skeleton
from training.augment import AugmentConfig
from training.lift_data import make_example
from training.loop import Batch, LoopConfig, Trainer
from training.mix import SourceMix
from training.people import load_people
from training.pose_data import STRIDE, pose_target
from training.pretrained import load_imagenet
from training.samples import Sample, to_openpose18
from training.stream import Example, batches

OPENPOSE = load_skeleton("openpose18")
SHARES = {"ccp": 1.0, "sports": 1.5}
SIGMA_PX = 7.0


@dataclass(frozen=True)
class Head:
    """A row of the table."""

    name: str
    kind: str  # a head of pose2d.network.HEADS, or "point": x and y of every joint
    loss: PoseLossConfig = field(default_factory=PoseLossConfig)


HEADS = (
    Head("regression of x and y", "point"),
    Head("heat maps, squared error", "squared"),
    Head("the same, 3 hard negatives", "squared", PoseLossConfig(hard_negatives=3.0)),
    Head("the same, 3 random negatives", "squared", PoseLossConfig(random_negatives=3.0)),
    Head("heat maps, binary cross-entropy", "binary"),
    Head("the same, 3 hard negatives", "binary", PoseLossConfig(hard_negatives=3.0)),
    Head("heat maps, spatial cross-entropy", "spatial"),
)
FROM_IMAGENET = {"resnet18": False, "efficientnet_lite0": True}  # by trunk: whether its features are published ones


class HeadNetwork(nn.Module):
    """A trunk and one dense stage to heat maps (B, 19, h, w) or, averaged over the cells, points (B, 18, 2) in crop sides."""

    def __init__(self, trunk: str, kind: str) -> None:
        super().__init__()
        config = PoseConfig(trunk=trunk)
        self.point = kind == "point"
        self.trunk = make_trunk(trunk, config.width, config.channels)
        self.stage = make_stage(config.channels, 2 * len(OPENPOSE) if self.point else HEAT_CHANNELS, config)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.stage(self.trunk(image))
        return maps.mean(dim=(2, 3)).unflatten(1, (len(OPENPOSE), 2)) if self.point else maps


class HeadTask:
    """See training.loop.Task."""

    def __init__(self, train: list[Sample], val: list[Sample], head: Head, size_px: int, workers: int) -> None:
        self.mix, self.val, self.head, self.size_px, self.workers = SourceMix(train, SHARES), val, head, size_px, workers
        self.augment = AugmentConfig(rotation_sd_deg=10.0, upside_down=0.0)

    def make(self, i: int, rng: np.random.Generator) -> Example:
        """Crop i with its target as maps and as points."""
        example = make_example(self.mix.draw(rng), self.size_px, rng, self.augment)
        xy_px, trust = to_openpose18(example.person)
        points = (xy_px / self.size_px - 0.5).astype(np.float32)
        target = pose_target([example.person], (self.size_px, self.size_px), complete=False)
        return {"rgb": example.rgb, "points": points, "known": trust > 0, **target}

    def batches(self, config: LoopConfig, seen: int) -> Iterator[dict[str, Any]]:
        """See training.loop.Task."""
        return batches(self.make, config.batch, config.seed, seen, config.samples, self.workers)

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The head's own, summed, per image."""
        with torch.autocast(batch["rgb"].device.type, torch.bfloat16):
            out = network(to_input(batch["rgb"])).float()
        if self.head.kind == "point":
            return {"total": ((out - batch["points"]).abs() * batch["known"][..., None]).sum() / len(out)}
        return {"total": heat_loss(out, batch, self.head.kind, self.head.loss)}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """PCK over the 12 limb joints within a fifth and a tenth of the torso."""
        right: dict[float, list[np.ndarray]] = {0.2: [], 0.1: []}
        for sample in self.val:
            example = make_example(sample, self.size_px, None, AugmentConfig())
            with torch.autocast("cpu", torch.bfloat16):
                out = network(to_input(torch.from_numpy(example.rgb[None]))).float()
            found = self._points_px(out)
            label, trust = to_openpose18(example.person)
            for share, rows in right.items():
                rows.append(correct_limb_joints(found, label, trust > 0, OPENPOSE, share))
        return {f"pck{round(100 * share)}": float(np.nanmean(np.array(rows))) for share, rows in right.items()}

    def _points_px(self, out: Tensor) -> np.ndarray:
        """(18, 2) crop pixels of one crop's output: the point itself, or the map's highest place, refined."""
        if self.head.kind == "point":
            return (out[0].numpy() + 0.5) * self.size_px
        heat = heat_of(out, self.head.kind)[0, :-1].numpy()
        row, column = np.unravel_index(heat.reshape(len(heat), -1).argmax(axis=1), heat.shape[1:])
        peaks = np.stack([np.arange(len(heat)), row, column], axis=1)
        return cells_to_px(refine_peaks(heat, peaks, SIGMA_PX / STRIDE)[0], STRIDE)


def train_head(head: Head, trunk: str, people: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one run, which are kept in its folder."""
    train, val = (load_people(people, split) for split in ("train", "val"))
    val = [s for s in val if s.source in SHARES]
    begin(folder, made_with(options))
    torch.manual_seed(0)
    network = HeadNetwork(trunk, head.kind)
    if FROM_IMAGENET[trunk]:
        load_imagenet(network)
    config = LoopConfig(
        samples=options.samples, batch=16, learning_rate=1e-3, warmup_steps=50, ema_decay=0.99, threads=options.threads,
        evaluate_every=options.samples // 4, trunk_rate=0.4 if FROM_IMAGENET[trunk] else 1.0,
    )  # fmt: skip
    start = time.process_time()
    trainer = Trainer(HeadTask(train, val, head, options.size, options.workers), network, config, folder)
    trainer.run()
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    curve = [row for row in rows if "val_pck20" in row]
    figures = {
        "pck20": [row["val_pck20"] for row in curve],
        "pck10": curve[-1]["val_pck10"],
        "cpu_s": time.process_time() - start,
    }
    keep(folder, made_with(options), figures)
    return figures


def made_with(options: argparse.Namespace) -> dict[str, Any]:
    """The options that figures depend on."""
    return {"samples": options.samples, "size": options.size, "data": str(options.data.resolve())}


def table(results: dict[str, dict[str, Any]], samples: int) -> str:
    """The figures as Markdown."""
    quarters = [samples * k // 4 for k in range(1, 5)]
    lines = [
        "| trunk | head | " + " | ".join(f"PCK@0.2 after {n}" for n in quarters) + " | PCK@0.1 | CPU time |",
        "|---|---|" + "---|" * (len(quarters) + 2),
    ]
    for trunk, published in FROM_IMAGENET.items():
        start = "from ImageNet" if published else "from scratch"
        for k, head in enumerate(HEADS):
            figures = results[f"{trunk}_{k}"]
            pck = " | ".join(f"{value:.3f}" for value in figures["pck20"])
            lines.append(f"| {trunk} {start} | {head.name} | {pck} | {figures['pck10']:.3f} | {figures['cpu_s']:.0f} s |")
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds people/")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/heads"), help="folder of the runs and the table")
    parser.add_argument("--samples", type=int, default=6000, help="crops that each network sees")
    parser.add_argument("--size", type=int, default=128, help="side of the crops in pixels, a multiple of 32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(words)
    return in_one_line("heads", lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Train what is not done yet; the table."""
    rows = {f"{trunk}_{k}": (head, trunk) for trunk in FROM_IMAGENET for k, head in enumerate(HEADS)}
    results = {name: kept(options.output / name, made_with(options)) for name in rows}
    for name, (head, trunk) in rows.items():
        print(f"{trunk}: {head.name} ({head.kind})", flush=True)
        results[name] = results[name] or train_head(head, trunk, options.data / "people", options.output / name, options)
    text = table(results, options.samples)
    (options.output / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
