"""The full-size networks: VGG-19's features under the stages of 2019 (dense blocks) or of 2017 (two branches, 7x7).

`openpose_vgg19` is the article's best (Cao et al., TPAMI 2019, section 3.2: five stages of fields, one of heat maps).
`openpose_2017` is the network of Cao et al., CVPR 2017, whose weights many people have; pose2d/public_weights.py reads them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pose2d.network import HEAT_CHANNELS, PAF_CHANNELS, PoseConfig, PoseStages

VGG_WIDTHS = (
    64,
    64,
    0,
    128,
    128,
    0,
    256,
    256,
    256,
    256,
    0,
    512,
    512,
)  # outputs of VGG-19's first ten layers; 0 halves the size
VGG19_CONFIG = PoseConfig("openpose_vgg19", width=0, channels=128, paf_stages=5, heat_stages=1, blocks=5, block_width=96)


def conv_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution that keeps the size, then a rectifier; VGG knows no normalisation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.ReLU(inplace=True))


class VggTrunk(nn.Module):
    """Images (B, 3, H, W) in -0.5..0.5 to features (B, channels, H / 8, W / 8): VGG-19 to conv4_2, then two that narrow it."""

    stride = 8

    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in VGG_WIDTHS:
            layers.append(conv_relu(inputs, width, 3) if width else nn.MaxPool2d(2))
            inputs = width or inputs
        self.vgg = nn.Sequential(*layers)
        self.narrow = nn.Sequential(conv_relu(512, 256, 3), conv_relu(256, channels, 3))

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        return self.narrow(self.vgg(image))


class OpenPoseVgg19(nn.Module):
    """Images (B, 3, H, W) in -0.5..0.5, sides multiples of 8, to the maps of every stage, as pose2d.network.OpenPoseLight."""

    stride = VggTrunk.stride

    def __init__(self, config: PoseConfig = VGG19_CONFIG) -> None:
        super().__init__()
        self.config = config.settled()
        self.trunk = VggTrunk(config.channels)
        self.stages = PoseStages(config)

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Part affinity fields [(B, 38, h, w)] and heat maps [(B, 19, h, w)], one of each per stage, the best last."""
        return self.stages(self.trunk(image))


class OpenPose2017(nn.Module):
    """Six stages that each give fields and heat maps side by side, all but the first reading both maps of the one before.

    Same input and output as OpenPoseVgg19; fields are in the order of openpose18's limbs.
    """

    stride = VggTrunk.stride
    stages = 6

    def __init__(self) -> None:
        super().__init__()
        self.trunk = VggTrunk()
        self.paf = nn.ModuleList(_branch(stage, PAF_CHANNELS) for stage in range(self.stages))
        self.heat = nn.ModuleList(_branch(stage, HEAT_CHANNELS) for stage in range(self.stages))

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """See OpenPoseVgg19."""
        features = self.trunk(image)
        x, pafs, heats = features, [], []
        for paf, heat in zip(self.paf, self.heat, strict=True):
            pafs.append(paf(x))
            heats.append(heat(x))
            x = torch.cat([pafs[-1], heats[-1], features], dim=1)
        return pafs, heats


def _branch(stage: int, outputs: int) -> nn.Sequential:
    """One branch of a stage: three 3x3 and a wide 1x1 in the first, five 7x7 and a 1x1 in the others, then the maps."""
    if stage == 0:
        layers = [conv_relu(128, 128, 3) for _ in range(3)] + [conv_relu(128, 512, 1)]
        return nn.Sequential(*layers, nn.Conv2d(512, outputs, 1))
    inputs = 128 + PAF_CHANNELS + HEAT_CHANNELS
    layers = [conv_relu(inputs if k == 0 else 128, 128, 7) for k in range(5)] + [conv_relu(128, 128, 1)]
    return nn.Sequential(*layers, nn.Conv2d(128, outputs, 1))


def convolutions_of(module: nn.Module) -> list[nn.Conv2d]:
    """The convolutions inside a module, in the order in which they are applied."""
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]
