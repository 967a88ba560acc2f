"""A convolution and its batch normalisation, which at rest are one convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# What oneDNN computes in the same pass as a convolution, by the layer that asks for it: name and numbers.
ONE_PASS: dict[type[nn.Module], tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}


class NormedConv(nn.Sequential):
    """Convolution without bias, batch normalisation, then whatever comes after; the layers keep the names 0, 1, 2.

    Where the normalisation is at rest (in use, or frozen while the rest is trained), its fixed scale goes into the filters and
    its shift into their bias: the same function with one pass over the maps less. Where no gradient is wanted either, a CPU
    computes the activation in that pass too, which on cores that others use too is up to twice as fast.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, *after: nn.Module) -> None:
        super().__init__(conv, norm, *after)
        self.settled: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        conv, norm, *after = self
        assert isinstance(conv, nn.Conv2d)
        if norm.training:
            x = norm(conv(x))
        else:
            weight, bias = self.settled or self.folded()
            if can_be_one_pass(x, weight, after):
                return one_pass(x, weight, bias, conv, after)
            x = conv._conv_forward(x, weight, bias)
        for layer in after:
            x = layer(x)
        return x

    def folded(self) -> tuple[Tensor, Tensor]:
        """Filters and bias of the convolution that this is while the normalisation rests."""
        conv, norm = self[0], self[1]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        scale, shift = resting_scale_shift(norm)
        return conv.weight * scale[:, None, None, None], shift

    @torch.no_grad()
    def settle(self, dtype: torch.dtype) -> None:
        """Fold once for many calls, in their precision: until `train` or `eval` is called, changed weights are not noticed."""
        weight, bias = self.folded()
        self.settled = weight.to(dtype).contiguous(memory_format=torch.channels_last), bias.to(dtype)

    def train(self, mode: bool = True) -> NormedConv:
        """As ever; what was settled is folded anew."""
        self.settled = None
        return super().train(mode)


def settle(network: nn.Module, dtype: torch.dtype) -> None:
    """Let every NormedConv of a network at rest fold once for many calls, see there."""
    for part in network.modules():
        if isinstance(part, NormedConv) and not part[1].training:
            part.settle(dtype)


def resting_scale_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a normalisation at rest does to each channel: times the first (C,), plus the second (C,)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


def can_be_one_pass(x: Tensor, weight: Tensor, after: list[nn.Module]) -> bool:
    """Whether `one_pass` may stand in: on a CPU, where nobody asks for gradients or records the layers to convert them."""
    wanted = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    known = len(after) <= 1 and all(type(layer) in ONE_PASS for layer in after)
    here = (
        x.device.type == "cpu" and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )
    return known and here and not wanted and not torch.jit.is_tracing()


def one_pass(x: Tensor, weight: Tensor, bias: Tensor, conv: nn.Conv2d, after: list[nn.Module]) -> Tensor:
    """Convolution and activation by oneDNN, in the precision of the running autocast or else of x."""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    name, numbers = ONE_PASS[type(after[0])] if after else ("none", [])
    tensors = (x.to(dtype), weight.to(dtype), bias.to(dtype))
    layout = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
    return torch.ops.mkldnn._convolution_pointwise(*tensors, *layout, name, numbers, "")
