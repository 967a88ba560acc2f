"""Weights of a small, untrained lifter, for tests of what is done with its maps."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lift3d.network import LiftConfig, VNectResNet18
from posecore.weights import save_weights


def write_small_lifter(path: Path, **card: Any) -> Path:
    """Weights, always the same, of a lifter of crops of 64 px at `path`, with these entries on their card besides; the path."""
    config = LiftConfig(width=8, channels=16, input_px=64)
    torch.manual_seed(0)
    state = {k: v.numpy() for k, v in VNectResNet18(config).state_dict().items()}
    save_weights(path, state, {"network": "vnect_resnet18", "config": asdict(config), **card})
    return path
