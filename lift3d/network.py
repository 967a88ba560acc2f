"""The lifter's network: per joint a heat map, X/Y/Z location maps and two log-scale maps (Mehta et al. 2017, "VNect").

Sizes are data (`LiftConfig`), the name says the trunk; the weights that come along are a `vnect_lite0`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from backbones.resnet import conv_bn
from backbones.trunk import STRIDE, make_trunk
from posecore.errors import ConfigError

JOINTS = 21
MAPS_PER_JOINT = 6  # heat logit, x, y, z, log scale in the image plane, log scale in depth


STANDS_ON = {"vnect_resnet18": "resnet18", "vnect_lite0": "efficientnet_lite0", "vnect_resnet50": "resnet50"}


@dataclass(frozen=True)
class LiftConfig:
    """Size of the network; a card stores it, settled, beside the weights. ConfigError for a trunk that is not the name's."""

    name: str = "vnect_resnet18"  # vnect_resnet18, vnect_lite0 or vnect_resnet50
    input_px: int = 0  # side of the square crop; 0: in a training the size of its crops, else 256, of vnect_resnet50 368
    trunk: str = ""  # need not be set: the name says it
    width: int = 32  # channels of the ResNet-18's first stage; 64 is the published one
    channels: int = 128  # channels at stride 8; vnect_resnet50 has its own

    def __post_init__(self) -> None:
        if self.name not in STANDS_ON:
            raise ConfigError(f"no lift network '{self.name}'; there are {', '.join(STANDS_ON)}")
        trunk = STANDS_ON[self.name]
        before = "resnet18" if trunk == "resnet50" else ""  # what cards said of it that did not read it
        if self.trunk not in ("", trunk, before):
            raise ConfigError(f"{self.name} stands on {trunk}, not on {self.trunk}; choose by the name and leave trunk out")

    def settled(self) -> LiftConfig:
        """The same with what the name implies; 0 for sizes that its network does not read."""
        trunk = STANDS_ON[self.name]
        return replace(
            self,
            input_px=self.input_px or (368 if trunk == "resnet50" else 256),
            trunk=trunk,
            width=self.width if trunk == "resnet18" else 0,
            channels=self.channels if trunk != "resnet50" else 0,
        )


class VNectResNet18(nn.Module):
    """Crops (B, 3, S, S) in -0.5..0.5 to maps (B, 6, 21, S / 8, S / 8), see `MAPS_PER_JOINT` for the order of the six.

    Heat logits are turned into heat maps by `lift3d.codec`; x, y, z are metres relative to the pelvis in the crop's axes,
    meaningful where the heat map is high; the log scales are natural logarithms of a Laplace scale in metres.
    """

    stride = STRIDE

    def __init__(self, config: LiftConfig = LiftConfig()) -> None:
        super().__init__()
        self.config = config = config.settled()
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
