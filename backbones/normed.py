"""A convolution and its batch normalisation, which at rest are one convolution."""

from __future__ import annotations

from torch import Tensor, nn


class NormedConv(nn.Sequential):
    """Convolution without bias, batch normalisation, then whatever comes after; the layers keep the names 0, 1, 2.

    Where the normalisation is at rest (in use, or frozen while the rest is trained), its fixed scale goes into the filters and
    its shift into their bias: the same function with one pass over the maps less.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, *after: nn.Module) -> None:
        super().__init__(conv, norm, *after)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        conv, norm, *after = self
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        if norm.training:
            x = norm(conv(x))
        else:
            scale, shift = resting_scale_shift(norm)
            x = conv._conv_forward(x, conv.weight * scale[:, None, None, None], shift)
        for layer in after:
            x = layer(x)
        return x


def resting_scale_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a normalisation at rest does to each channel: times the first (C,), plus the second (C,)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale
