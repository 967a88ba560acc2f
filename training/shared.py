"""Both networks on one trunk: a crop is a lesson for the lifter and for the detector alike, at the price of one.

From scratch the detector's squared-error maps stay near zero for thousands of steps; on a trunk that the lifter's cross-entropy
teaches they move at once (docs/training.md). `split_shared` hands each network its part.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.runtime import to_input
from backbones.trunk import TRUNKS
from lift3d.loss import lift_loss
from lift3d.network import JOINTS, MAPS_PER_JOINT, LiftConfig, VNectResNet18
from pose2d.loss import pose_loss
from pose2d.network import PoseConfig, PoseStages
from posecore.errors import ConfigError
from training.lift_data import lift_target
from training.lift_task import LiftLesson, LiftTask, MoreLessons
from training.loop import Batch
from training.pose_data import pose_target
from training.samples import Sample
from training.stream import Example


@dataclass(frozen=True)
class SharedLesson:
    """The lesson plan of both."""

    lift: LiftLesson = field(default_factory=LiftLesson)
    pose: PoseConfig = field(default_factory=PoseConfig)
    pose_weight: float = 0.05  # of the detector's loss beside the lifter's

    def networks(self) -> tuple[LiftConfig, PoseConfig]:
        """Both networks' settings, settled, with their one trunk. ConfigError where they ask for two or cannot share it."""
        lift, pose = self.lift.settled_network(), self.pose
        if lift.trunk not in TRUNKS or pose.name != "openpose_light":
            raise ConfigError(
                f"a shared run trains vnect_resnet18 or vnect_lite0 with openpose_light, not {lift.name} with {pose.name}"
            )
        pose = replace(pose, trunk=pose.trunk or lift.trunk).settled()
        for size in ("trunk", "width", "channels"):
            ours, theirs = getattr(lift, size), getattr(pose, size)
            if ours != theirs:
                raise ConfigError(
                    f"both networks share one trunk: lesson.lift.network.{size} is {ours}, lesson.pose.{size} is {theirs}; "
                    "set them alike"
                )
        return lift, pose


class SharedNetwork(nn.Module):
    """One trunk, the lifter's head and the detector's stages."""

    def __init__(self, lift: LiftConfig = LiftConfig(), pose: PoseConfig = PoseConfig()) -> None:
        super().__init__()
        self.lifter = VNectResNet18(lift)
        self.stages = PoseStages(pose)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Images to the lifter's maps and the detector's stage maps."""
        features = self.lifter.trunk(image)
        maps = self.lifter.head(features).unflatten(1, (MAPS_PER_JOINT, JOINTS))
        return maps, *self.stages(features)


def split_shared(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A shared network's state to the states of VNectResNet18 and OpenPoseLight."""
    lift = {k.removeprefix("lifter."): v for k, v in state.items() if k.startswith("lifter.")}
    pose = {k: v for k, v in lift.items() if k.startswith("trunk.")}
    pose |= {k: v for k, v in state.items() if k.startswith("stages.")}
    return lift, pose


class SharedTask(LiftTask):
    """See training.loop.Task; the network is SharedNetwork."""

    def __init__(
        self,
        train: list[Sample],
        val: list[Sample],
        lesson: SharedLesson,
        workers: int = 1,
        more: MoreLessons = MoreLessons(),
    ) -> None:
        super().__init__(train, val, lesson.lift, workers, more)
        self.pose_weight, self.pose_head = lesson.pose_weight, lesson.pose.head

    def make(self, i: int, rng: np.random.Generator) -> Example:
        """Training example i."""
        example = self.example(i, rng)
        size = self.lesson.size_px
        # The lifter's lesson labels one person; where others show, whether drawn in or there before, nothing is known.
        pose = pose_target([example.person], (size, size), False, example.other_box_xyxy_px, example.other_px)
        return {"rgb": example.rgb, **lift_target(example.person, size), **{f"pose_{k}": v for k, v in pose.items()}}

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See training.loop.Task."""
        with torch.autocast(batch["rgb"].device.type, torch.bfloat16):
            maps, pafs, heats = network(to_input(batch["rgb"]))
        lift = lift_loss(maps, batch, self.lesson.loss)
        pose = pose_loss(pafs, heats, {k[5:]: v for k, v in batch.items() if k.startswith("pose_")}, self.pose_head)
        return {
            "total": lift["total"] + self.pose_weight * pose["total"],
            **{f"lift_{k}": lift[k] for k in ("heat", "location", "scale")},
            **{f"pose_{k}": pose[k] for k in ("heat", "paf")},
        }

    def maps_of(self, network: nn.Module, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (B, S, S, 3) to the lifter's maps."""
        device = next(network.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            maps, _, _ = network(to_input(torch.from_numpy(rgb).to(device)))
        return maps.float().cpu().numpy()
