"""The detector's lessons: scenes of several people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backbones.runtime import to_input
from pose2d.loss import PoseLossConfig, pose_loss
from pose2d.network import PoseConfig
from training.loop import Batch, LoopConfig
from training.pose_data import pose_target
from training.pose_eval import evaluate_pose
from training.samples import Sample
from training.scenes import SceneConfig, SceneMaker
from training.stream import Example, batches


@dataclass(frozen=True)
class PoseLesson:
    """The lesson plan of the detector."""

    scene: SceneConfig = field(default_factory=SceneConfig)
    network: PoseConfig = field(default_factory=PoseConfig)
    loss: PoseLossConfig = field(default_factory=PoseLossConfig)


class PoseTask:
    """See training.loop.Task."""

    def __init__(self, maker: SceneMaker, val: list[Sample], lesson: PoseLesson, workers: int = 1) -> None:
        self.maker = maker
        self.val, self.lesson, self.workers = val, lesson, workers

    def sources(self) -> set[str]:
        """Names of the sources that are drawn from."""
        return self.maker.sources()

    def make(self, i: int, rng: np.random.Generator) -> Example:
        """Training example i."""
        scene = self.maker.make(rng)
        size = self.lesson.scene.size_px
        target = pose_target(scene.people, (size, size), scene.complete, scene.ignored_box_xyxy_px, scene.ignored_px)
        return {"rgb": scene.rgb, **target}

    def batches(self, config: LoopConfig, seen: int) -> Iterator[dict[str, Any]]:
        """See training.loop.Task."""
        return batches(self.make, config.batch, config.seed, seen, config.samples, self.workers)

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See training.loop.Task."""
        with torch.autocast(batch["rgb"].device.type, torch.bfloat16):
            pafs, heats = network(to_input(batch["rgb"]))
        return pose_loss(pafs, heats, batch, self.lesson.network.head, self.lesson.loss)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """See training.loop.Task."""
        return evaluate_pose(network, self.val, self.lesson.network.head)
