"""The detector's network: features, part affinity field stages, then heat map stages (Cao et al., TPAMI 2019, figure 3).

Sizes are data (`PoseConfig`). `openpose_light` stands on a trunk of backbones/; in the default weights on EfficientNet-Lite0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from backbones.resnet import conv_bn
from backbones.trunk import STRIDE, TRUNKS, make_trunk
from posecore.errors import ConfigError
from posecore.skeleton import load_skeleton

HEAT_CHANNELS = len(load_skeleton("openpose18")) + 1  # the background is last
PAF_CHANNELS = 2 * len(load_skeleton("openpose18").limbs)
HEADS = ("squared", "binary", "spatial")  # what a heat map is: the heat, its log odds, or log shares of one joint's places
SPATIAL_GAIN = 8.0  # of the logits under a softmax over cells; with 1 they would have to grow for long before much shows


@dataclass(frozen=True)
class PoseConfig:
    """Size of the network; a card stores it, settled, beside the weights. ConfigError for a trunk that is not the name's."""

    name: str = "openpose_light"  # openpose_light or openpose_vgg19
    trunk: str = ""  # of openpose_light: resnet18 where nothing is set, or efficientnet_lite0; openpose_vgg19 has its own
    width: int = 32  # channels of the ResNet-18's first stage
    channels: int = 128  # channels of the features at stride 8
    paf_stages: int = 2
    heat_stages: int = 1
    blocks: int = 1  # dense blocks a stage
    block_width: int = 64  # channels of each of a block's three convolutions
    head: str = "squared"  # what the heat maps are, see HEADS and docs/heads.md

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ConfigError(f"no head '{self.head}' for heat maps; there are {', '.join(HEADS)}")
        trunks = ("vgg19",) if self.name == "openpose_vgg19" else TRUNKS
        before = "resnet18" if self.name == "openpose_vgg19" else ""  # what cards said of it that did not read it
        if self.trunk not in ("", *trunks, before):
            raise ConfigError(f"{self.name} does not stand on '{self.trunk}'; leave trunk out or take {' or '.join(trunks)}")

    def settled(self) -> PoseConfig:
        """The same with what the name implies; 0 for a width that its network does not read."""
        trunk = "vgg19" if self.name == "openpose_vgg19" else self.trunk or "resnet18"
        return replace(self, trunk=trunk, width=self.width if trunk == "resnet18" else 0)


def spatial_logits(maps: Tensor) -> Tensor:
    """Spatial heat maps (B, C, h, w) to the logits (B, C, h w + 1) of a joint's places, the last of which is nowhere."""
    flat = SPATIAL_GAIN * maps.float().flatten(2)
    return torch.cat([flat, torch.zeros_like(flat[..., :1])], dim=2)


def heat_of(maps: Tensor, head: str) -> Tensor:
    """What a network of this head says, (B, 19, h, w), to heat in 0..1 as pose2d.codec.decode expects it.

    Under the spatial head a joint's likeliest place is as hot as the joint is sure to be anywhere, the others in proportion.
    """
    if head == "binary":
        return maps.float().sigmoid()
    if head == "spatial":
        share = spatial_logits(maps).softmax(dim=2)
        there = 1 - share[..., -1:]
        heat = (share[..., :-1] / share[..., :-1].amax(dim=2, keepdim=True).clamp(min=1e-9) * there)[:, :-1]
        return torch.cat([heat, 1 - heat.amax(dim=1, keepdim=True)], dim=1).reshape(maps.shape)
    return maps


class DenseBlock(nn.Module):
    """Three 3x3 convolutions in a row whose outputs are concatenated: the field of a 7x7 at a lower price (section 3.2)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv_bn(inputs if k == 0 else width, width, 3) for k in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, 3 width, h, w)."""
        outputs = []
        for conv in self.convs:
            x = torch.relu(conv(x))
            outputs.append(x)
        return torch.cat(outputs, dim=1)


def make_stage(inputs: int, outputs: int, config: PoseConfig) -> nn.Sequential:
    """Dense blocks, then two 1x1 convolutions."""
    layers: list[nn.Module] = []
    for _ in range(config.blocks):
        layers.append(DenseBlock(inputs, config.block_width))
        inputs = 3 * config.block_width
    layers += [conv_bn(inputs, config.channels, 1), nn.ReLU(), nn.Conv2d(config.channels, outputs, 1)]
    return nn.Sequential(*layers)


class OpenPoseLight(nn.Module):
    """Images (B, 3, H, W) in -0.5..0.5, H and W multiples of 32, to the maps of every stage at stride 8."""

    stride = STRIDE

    def __init__(self, config: PoseConfig = PoseConfig()) -> None:
        super().__init__()
        self.config = config = config.settled()
        self.trunk = make_trunk(config.trunk, config.width, config.channels)
        self.stages = PoseStages(config)

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Part affinity fields [(B, 38, h, w)] and heat maps [(B, 19, h, w)], one of each per stage, the best last."""
        return self.stages(self.trunk(image))


class PoseStages(nn.Module):
    """Features (B, channels, h, w) to the maps of every stage; each later stage sees the features and the last stage's maps."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        c = config.channels
        self.paf = nn.ModuleList(
            make_stage(c if k == 0 else c + PAF_CHANNELS, PAF_CHANNELS, config) for k in range(config.paf_stages)
        )
        self.heat = nn.ModuleList(
            make_stage(c + PAF_CHANNELS + (HEAT_CHANNELS if k else 0), HEAT_CHANNELS, config) for k in range(config.heat_stages)
        )

    def forward(self, features: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """See OpenPoseLight."""
        pafs: list[Tensor] = []
        heats: list[Tensor] = []
        for stage in self.paf:
            pafs.append(stage(torch.cat([features, *pafs[-1:]], dim=1)))
        for stage in self.heat:
            heats.append(stage(torch.cat([features, pafs[-1], *heats[-1:]], dim=1)))
        return pafs, heats
