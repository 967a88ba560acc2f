"""VNect's network as published (Mehta et al. 2017, figure 5): ResNet-50 to res4f, a re-made res5, bone-length channels.

Our addition to the published 84 maps are two log-scale maps per joint, so that every joint comes with an error bar.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backbones.resnet import conv_bn
from backbones.resnet50 import Bottleneck, ResNet50To4
from lift3d.network import JOINTS, MAPS_PER_JOINT, LiftConfig

CONFIG_50 = LiftConfig(name="vnect_resnet50")


@dataclass
class VNectMaps:
    """Everything the training looks at; all maps at stride 8.

    maps (B, 6, 21, h, w) as VNectResNet18 gives them; delta (B, 3, 21, h, w): location relative to the joint's parent, metres;
    length (B, 21, h, w): the bone-length channels, the norm of delta; intermediate: maps like `maps`, read at res4d and res5a.
    """

    maps: Tensor
    delta: Tensor
    length: Tensor
    intermediate: list[Tensor]


class VNectResNet50(nn.Module):
    """Crops (B, 3, S, S) in -0.5..0.5, S a multiple of 16 (368 as published), to maps (B, 6, 21, S / 8, S / 8)."""

    stride = 8

    def __init__(self, config: LiftConfig = CONFIG_50) -> None:
        super().__init__()
        self.config = config.settled()
        self.trunk = ResNet50To4()
        self.res5a = Bottleneck(ResNet50To4.channels, 512, 1024, project=True)
        chain = ((1024, 256, 1), (256, 128, 3), (128, 256, 1))
        self.res5b = nn.Sequential(*(nn.Sequential(conv_bn(*c), nn.ReLU()) for c in chain))
        self.delta = nn.ConvTranspose2d(256, 3 * JOINTS, 4, 2, 1, bias=False)
        self.up = nn.Sequential(nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU())
        self.res5c = nn.Sequential(
            conv_bn(128 + 4 * JOINTS, 128, 3), nn.ReLU(), nn.Conv2d(128, MAPS_PER_JOINT * JOINTS, 1, bias=False)
        )
        self.early = nn.ModuleList(nn.Conv2d(1024, MAPS_PER_JOINT * JOINTS, 1) for _ in range(2))

    def forward(self, crop: Tensor) -> Tensor:
        """Crops to maps, see the class."""
        return self.everything(crop, early=False).maps

    def everything(self, crop: Tensor, early: bool = True) -> VNectMaps:
        """Crops to all that is supervised; `early` adds the intermediate maps."""
        res4d, res4f = self.trunk(crop)
        res5a = self.res5a(res4f)
        res5b = self.res5b(res5a)
        delta = self.delta(res5b).unflatten(1, (3, JOINTS))
        # The root of the smallest float keeps the gradient of the length finite where it is zero.
        length = (delta.float().square().sum(1) + 1e-12).sqrt().to(delta.dtype)
        joined = torch.cat([self.up(res5b), delta.flatten(1, 2), length], dim=1)
        maps = self.res5c(joined).unflatten(1, (MAPS_PER_JOINT, JOINTS))
        heads = zip(self.early, (res4d, res5a), strict=True) if early else ()
        return VNectMaps(maps, delta, length, [_doubled(head(x)) for head, x in heads])


def _doubled(maps: Tensor) -> Tensor:
    """(B, 126, h, w) of stride 16 to (B, 6, 21, 2 h, 2 w)."""
    up = nn.functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    return up.unflatten(1, (MAPS_PER_JOINT, JOINTS))
