"""Both networks on one trunk: a crop is a lesson for the lifter and for the detector alike, at the price of one.

From scratch the detector's squared-error maps stay near zero for thousands of steps; on a trunk that the lifter's cross-entropy
teaches they move at once (docs/training.md). `split_shared` hands each network its part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lift3d.loss import lift_loss
from lift3d.network import LiftConfig, VNectResNet18
from pose2d.loss import pose_loss
from pose2d.network import PoseConfig, PoseStages
from training.augment import AugmentConfig
from training.lift_data import lift_target, make_example
from training.lift_eval import evaluate_lift
from training.loop import Batch, LoopConfig
from training.pose_data import pose_target
from training.samples import Sample
from training.stream import Example, batches


@dataclass(frozen=True)
class SharedConfig:
    """The lesson plan."""

    size_px: int = 160  # side of the crops
    pose_weight: float = 0.05  # of the detector's loss beside the lifter's
    easy_samples: int = 20_000  # samples without the sources in `hard` at the start
    hard: tuple[str, ...] = ("lspet",)
    source_weight: dict[str, float] = field(default_factory=lambda: {"ccp": 2.0, "sports": 1.5, "lspet": 1.0})
    augment: AugmentConfig = AugmentConfig()
    lift: LiftConfig = LiftConfig()
    pose: PoseConfig = PoseConfig()


class SharedNetwork(nn.Module):
    """One trunk, the lifter's head and the detector's stages."""

    def __init__(self, config: SharedConfig = SharedConfig()) -> None:
        super().__init__()
        self.lifter = VNectResNet18(config.lift)
        self.stages = PoseStages(config.pose)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Images to the lifter's maps and the detector's stage maps."""
        features = self.lifter.trunk(image)
        maps = self.lifter.head(features).unflatten(1, (6, 21))
        return maps, *self.stages(features)


def split_shared(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A shared network's state to the states of VNectResNet18 and OpenPoseLight."""
    lift = {k.removeprefix("lifter."): v for k, v in state.items() if k.startswith("lifter.")}
    pose = {k: v for k, v in lift.items() if k.startswith("trunk.")}
    pose |= {k: v for k, v in state.items() if k.startswith("stages.")}
    return lift, pose


def to_input(rgb: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in -0.5..0.5, channels last in memory."""
    return rgb.permute(0, 3, 1, 2).float().div_(255).sub_(0.5).contiguous(memory_format=torch.channels_last)


class SourceMix:
    """Draws samples so that a source's share is its weight, whatever its size."""

    def __init__(self, samples: list[Sample], weights: dict[str, float]) -> None:
        self.by_source = {s: [x for x in samples if x.source == s] for s in weights}
        self.weights = {s: w for s, w in weights.items() if w > 0 and self.by_source[s]}

    def draw(self, rng: np.random.Generator, without: tuple[str, ...] = ()) -> Sample:
        """One sample, never of the sources in `without`."""
        names = [s for s in self.weights if s not in without]
        p = np.array([self.weights[s] for s in names])
        pool = self.by_source[names[rng.choice(len(names), p=p / p.sum())]]
        return pool[rng.integers(len(pool))]


class SharedTask:
    """Crops of single people for both networks at once."""

    def __init__(self, train: list[Sample], val: list[Sample], config: SharedConfig, workers: int = 1) -> None:
        self.mix = SourceMix(train, config.source_weight)
        self.val, self.config, self.workers = val, config, workers

    def make(self, i: int, rng: np.random.Generator) -> Example:
        """Training example i."""
        config = self.config
        sample = self.mix.draw(rng, config.hard if i < config.easy_samples else ())
        which = int(rng.integers(len(sample.people)))
        example = make_example(sample, config.size_px, rng, config.augment, which)
        pose = pose_target([example.person], (config.size_px, config.size_px), complete=False)
        return {"rgb": example.rgb, **lift_target(example.person, config.size_px), **{f"pose_{k}": v for k, v in pose.items()}}

    def batches(self, config: LoopConfig, seen: int) -> Iterator[dict[str, Any]]:
        """See training.loop.Task."""
        return batches(self.make, config.batch, config.seed, seen, config.samples, self.workers)

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See training.loop.Task."""
        with torch.autocast(batch["rgb"].device.type, torch.bfloat16):
            maps, pafs, heats = network(to_input(batch["rgb"]))
        lift = lift_loss(maps, batch)
        pose = pose_loss(pafs, heats, {k[5:]: v for k, v in batch.items() if k.startswith("pose_")})
        return {
            "total": lift["total"] + self.config.pose_weight * pose["total"],
            **{f"lift_{k}": lift[k] for k in ("heat", "location", "scale")},
            **{f"pose_{k}": pose[k] for k in ("heat", "paf")},
        }

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """The lifter's accuracy on held-out photos."""

        def maps_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.autocast("cpu", torch.bfloat16):
                maps, _, _ = network(to_input(torch.from_numpy(rgb)))
            return maps.float().cpu().numpy()

        return evaluate_lift(maps_of, self.val, self.config.size_px)
