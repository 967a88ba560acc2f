"""ResNet-18 (He et al. 2016) of any width with a feature pyramid (Lin et al. 2017) down to stride 8."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backbones.normed import NormedConv


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> NormedConv:
    """Convolution that keeps the size (up to its stride), then batch normalisation."""
    return NormedConv(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around an identity (or 1x1 projection) branch."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        y = torch.relu(self.first(x))
        return torch.relu(self.second(y) + self.shortcut(x))


class ResNet18(nn.Module):
    """(B, 3, H, W) to features at strides 4, 8, 16 and 32 with `width` x (1, 2, 4, 8) channels; 64 is the published width."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.widths = [width * k for k in (1, 2, 4, 8)]
        self.stem = nn.Sequential(conv_bn(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        stages, inputs = [], width
        for k, outputs in enumerate(self.widths):
            stages.append(nn.Sequential(BasicBlock(inputs, outputs, 1 if k == 0 else 2), BasicBlock(outputs, outputs)))
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at strides 4, 8, 16, 32."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Pyramid(nn.Module):
    """Merges features at strides 8, 16 and 32, coarse to fine, into one map at stride 8 with `channels` channels."""

    def __init__(self, widths: list[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_bn(w, channels, 1) for w in widths)
        self.merge = nn.ModuleList(conv_bn(channels, channels, 3) for _ in widths[:-1])

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features from fine to coarse to (B, channels, h, w) of the finest."""
        x = torch.relu(self.lateral[-1](features[-1]))
        for k in range(len(features) - 2, -1, -1):
            up = nn.functional.interpolate(x, size=features[k].shape[-2:], mode="bilinear", align_corners=False)
            x = torch.relu(self.merge[k](torch.relu(self.lateral[k](features[k])) + up))
        return x


class PyramidTrunk(nn.Module):
    """Images (B, 3, H, W) to features (B, channels, H / 8, W / 8): the trunk of pose2d and lift3d."""

    stride = 8

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.resnet = ResNet18(width)
        self.pyramid = Pyramid(self.resnet.widths[1:], channels)

    def forward(self, image: Tensor) -> Tensor:
        """Image in normalised colours to features at stride 8."""
        return self.pyramid(self.resnet(image)[1:])
