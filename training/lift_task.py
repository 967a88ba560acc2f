"""The lifter's lessons: crops of single people from all sources, mixed per batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.runtime import to_input
from lift3d.loss import LiftLossConfig, lift_loss, vnect_loss
from lift3d.network import LiftConfig
from lift3d.network50 import VNectMaps, VNectResNet50
from training.augment import AugmentConfig
from training.company import Surroundings, who_keep_company
from training.cutouts import Reader
from training.lift_data import LiftExample, lift_target, make_example
from training.lift_eval import evaluate_lift
from training.loop import Batch, LoopConfig
from training.mix import Maker, SourceMix
from training.samples import Sample
from training.stream import Example, batches

LEAST_JOINTS = 11  # of 26: of whom less is known (somebody behind another) is no lesson where there is somebody else


@dataclass(frozen=True)
class SourceShares:
    """How often a source is drawn, whatever its size; 0 leaves it out."""

    ccp: float = 2.0  # street fashion, upright
    sports: float = 1.5  # action
    lspet: float = 1.0  # gymnasts in every orientation
    coco: float = 0.0  # people of fully labelled photos, in 2D only
    rendered: float = 1.0  # rendered people out of shards, where there are some (data.rendered): exact depth
    live: float = 1.0  # people rendered on the fly, where an asset pack is given (data.assets)
    mpi_inf_3dhp: float = 1.0  # MPI-INF-3DHP, for who has it: real people, exact depth


@dataclass(frozen=True)
class LiftLesson:
    """The lesson plan of the lifter."""

    size_px: int = 160  # side of the training crops, a multiple of 32; small first, at last the size that crops have in use
    easy_samples: int = 15_000  # samples at the start without gymnasts, whose every orientation is too hard a first lesson
    shares: SourceShares = field(default_factory=SourceShares)
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(upright=0.7, half=0.25, cut=0.25, company=0.45))
    loss: LiftLossConfig = field(default_factory=LiftLossConfig)
    network: LiftConfig = field(default_factory=LiftConfig)

    def settled_network(self) -> LiftConfig:
        """The network's settings, settled; its crop is of the size that is trained at, where none is set."""
        return replace(self.network, input_px=self.network.input_px or self.size_px).settled()


@dataclass(frozen=True)
class MoreLessons:
    """What is no list of samples: other backgrounds and clothes for sources with masks, and sources that make their samples."""

    pictures: Sequence[Reader] = ()
    makers: Mapping[str, Maker] = field(default_factory=dict)


class LiftTask:
    """See training.loop.Task; the network is VNectResNet18 or VNectResNet50."""

    def __init__(
        self,
        train: list[Sample],
        val: list[Sample],
        lesson: LiftLesson,
        workers: int = 1,
        more: MoreLessons = MoreLessons(),
    ) -> None:
        self.mix = SourceMix(train, asdict(lesson.shares), more.makers)
        self.val, self.lesson, self.workers = val, lesson, workers
        self.around = Surroundings(more.pictures, who_keep_company(train))

    def sources(self) -> set[str]:
        """Names of the sources that are drawn from, company included."""
        company = {s.source for s in self.around.people} if self.lesson.augment.company > 0 else set()
        return {*self.mix.shares, *company}

    def example(self, i: int, rng: np.random.Generator) -> LiftExample:
        """Augmented crop i."""
        sample = self.mix.draw(rng, without="lspet" if i < self.lesson.easy_samples else "")
        seen = [k for k, person in enumerate(sample.people) if (person.trust > 0).sum() >= LEAST_JOINTS] or [0]
        return make_example(sample, self.lesson.size_px, rng, self.lesson.augment, int(rng.choice(seen)), self.around)

    def make(self, i: int, rng: np.random.Generator) -> Example:
        """Training example i."""
        example = self.example(i, rng)
        return {"rgb": example.rgb, **lift_target(example.person, self.lesson.size_px)}

    def batches(self, config: LoopConfig, seen: int) -> Iterator[dict[str, Any]]:
        """See training.loop.Task."""
        return batches(self.make, config.batch, config.seed, seen, config.samples, self.workers)

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See training.loop.Task."""
        with torch.autocast(batch["rgb"].device.type, torch.bfloat16):
            image = to_input(batch["rgb"])
            output = network.everything(image) if isinstance(network, VNectResNet50) else network(image)
        if isinstance(output, VNectMaps):
            return vnect_loss(output, batch, self.lesson.loss)
        return lift_loss(output, batch, self.lesson.loss)

    def maps_of(self, network: nn.Module, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (B, S, S, 3) to the lifter's maps."""
        device = next(network.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            return network(to_input(torch.from_numpy(rgb).to(device))).float().cpu().numpy()

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Accuracy on held-out crops."""
        return evaluate_lift(lambda rgb: self.maps_of(network, rgb), self.val, self.lesson.size_px)
