"""The lifter's network: per joint a heat map, X/Y/Z location maps and two log-scale maps (Mehta et al. 2017, "VNect").

Sizes are data (`LiftConfig`); the CPU default is `vnect_resnet18`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from backbones.resnet import conv_bn
from backbones.trunk import STRIDE, make_trunk

JOINTS = 21
MAPS_PER_JOINT = 6  # heat logit, x, y, z, log scale in the image plane, log scale in depth


@dataclass(frozen=True)
class LiftConfig:
    """Size of the network; a card stores it beside the weights."""

    name: str = "vnect_resnet18"
    input_px: int = 256  # side of the square crop
    trunk: str = "resnet18"  # see backbones.trunk
    width: int = 32  # channels of a ResNet trunk's first stage; 64 is the published ResNet-18
    channels: int = 128  # channels at stride 8


class VNectResNet18(nn.Module):
    """Crops (B, 3, S, S) in -0.5..0.5 to maps (B, 6, 21, S / 8, S / 8), see `MAPS_PER_JOINT` for the order of the six.

    Heat logits are turned into heat maps by `lift3d.codec`; x, y, z are metres relative to the pelvis in the crop's axes,
    meaningful where the heat map is high; the log scales are natural logarithms of a Laplace scale in metres.
    """

    stride = STRIDE

    def __init__(self, config: LiftConfig = LiftConfig()) -> None:
        super().__init__()
        self.config = config
        self.trunk = make_trunk(config.trunk, config.width, config.channels)
        self.head = nn.Sequential(
            conv_bn(config.channels, config.channels, 3),
            nn.ReLU(),
            nn.Conv2d(config.channels, JOINTS * MAPS_PER_JOINT, 1),
        )

    def forward(self, crop: Tensor) -> Tensor:
        """Crops to maps, see the class."""
        maps = self.head(self.trunk(crop))
        return maps.unflatten(1, (MAPS_PER_JOINT, JOINTS))
