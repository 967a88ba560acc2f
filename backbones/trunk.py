"""The trunks by name: what pose2d and lift3d put under their heads."""

from __future__ import annotations

from torch import nn

from backbones.efficientnet_lite import LiteTrunk
from backbones.resnet import PyramidTrunk
from posecore.errors import ConfigError

TRUNKS = ("resnet18", "efficientnet_lite0")
STRIDE = 8


def make_trunk(name: str, width: int, channels: int) -> nn.Module:
    """Images (B, 3, H, W) to features (B, channels, H / 8, W / 8); `width` is the ResNet's. ConfigError for an unknown name."""
    if name == "resnet18":
        return PyramidTrunk(width, channels)
    if name == "efficientnet_lite0":
        return LiteTrunk(channels)
    raise ConfigError(f"no trunk '{name}'; there are {', '.join(TRUNKS)}")
