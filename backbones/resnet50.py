"""ResNet-50 (He et al. 2016) up to its fourth stage, as VNect takes it: stride 16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backbones.resnet import conv_bn

STAGES = (
    (64, 3),
    (128, 4),
    (256, 6),
)  # inner channels and blocks of res2, res3 and res4; outer channels are four times as many


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 around an identity (or 1x1 projection) branch; the stride is in the first 1x1, as published.

    Where the shape allows an identity, `project` still asks for the projection.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int = 1, project: bool = False) -> None:
        super().__init__()
        self.reduce = conv_bn(inputs, inner, 1, stride)
        self.middle = conv_bn(inner, inner, 3)
        self.expand = conv_bn(inner, outputs, 1)
        same = stride == 1 and inputs == outputs and not project
        self.shortcut: nn.Module = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        y = torch.relu(self.reduce(x))
        y = torch.relu(self.middle(y))
        return torch.relu(self.expand(y) + self.shortcut(x))


class ResNet50To4(nn.Module):
    """(B, 3, H, W) to the features of res4d and res4f, both (B, 1024, H / 16, W / 16)."""

    channels = 4 * STAGES[-1][0]

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        stages, inputs = [], 64
        for k, (inner, count) in enumerate(STAGES):
            blocks = [Bottleneck(inputs, inner, 4 * inner, 1 if k == 0 else 2)]
            blocks += [Bottleneck(4 * inner, inner, 4 * inner) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            inputs = 4 * inner
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the fourth block of res4 (for intermediate supervision) and of its last."""
        x = self.stem(x)
        for stage in self.stages[:-1]:
            x = stage(x)
        last = self.stages[-1]
        assert isinstance(last, nn.Sequential)
        res4d = last[:4](x)
        return res4d, last[4:](res4d)
