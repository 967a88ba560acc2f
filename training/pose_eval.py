"""The detector's accuracy while it trains: the detection of pose2d.estimator, the figures of training.coco_eval."""

from __future__ import annotations

from torch import nn

from backbones.runtime import TorchRunner
from pose2d.estimator import detect_people, last_maps
from training.coco_eval import evaluate_samples
from training.samples import Sample


def evaluate_pose(network: nn.Module, samples: list[Sample], head: str) -> dict[str, float]:
    """Per source: PCK and people found, and AP where everybody is labelled; the network is left in evaluation mode."""
    run = TorchRunner(network, last_maps(head), next(network.parameters()).device)
    return evaluate_samples(lambda rgb: detect_people(run, rgb), samples)
