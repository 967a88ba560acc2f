"""Depthwise convolutions that train fast on a CPU.

torch's bf16 kernels for the gradient of a 5x5 or strided depthwise convolution fall back to a plain loop on x86, and the
float32 kernel for the gradient of 5x5 filters is slow too (benchmarks/results.md). So the gradient of strided filters is taken
in float32, and that of 5x5 filters from the fast kernel for 3x3 ones: four of them cover the 25 taps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _FastGradient(torch.autograd.Function):
    """Depthwise convolution in the precision of its input, its gradient by the fastest kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return nn.functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, _ = ctx.needs_input_grad
        by_x = by_weight = None
        if wants_weight and ctx.stride == 1 and weight.shape[-1] == 5:
            by_weight, wants_weight = _by_weight_5x5(gradients[0], x), False
        if wants_x or wants_weight:
            precision = x.dtype if ctx.stride == 1 else torch.float32
            by_x, rest = _gradients(
                gradients[0], x, weight, ctx.stride, weight.shape[-1] // 2, precision, (wants_x, wants_weight)
            )
            by_weight = rest if wants_weight else by_weight
        return by_x, by_weight, None


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, pad: int, precision: torch.dtype, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients by x and by weight, each where wanted, computed in `precision`, in the types of x and weight."""
    args = (gradient.to(precision), x.to(precision), weight.to(precision), None)
    layout = ([stride] * 2, [pad] * 2, [1, 1], False, [0, 0], weight.shape[0])
    by_x, by_weight, _ = torch.ops.aten.convolution_backward(*args, *layout, [*wanted, False])
    return by_x.to(x.dtype) if wanted[0] else None, by_weight.to(weight.dtype) if wanted[1] else None


def _by_weight_5x5(gradient: Tensor, x: Tensor) -> Tensor:
    """(C, 1, 5, 5): tap (i, j) is the product of the gradient and x moved by (i - 2, j - 2), nine taps at a time."""
    channels, rows, cols = x.shape[1:]
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    out, nine = x.new_empty(channels, 1, 5, 5), x.new_zeros(channels, 1, 3, 3)
    for i in (0, 2):
        for j in (0, 2):
            part = padded[:, :, i : i + rows + 2, j : j + cols + 2].contiguous(memory_format=torch.channels_last)
            taps = _gradients(gradient, part, nine, 1, 0, x.dtype, (False, True))[1]
            assert taps is not None
            out[:, :, i : i + 3, j : j + 3] = taps
    return out


class DepthwiseConv2d(nn.Conv2d):
    """One k x k filter per channel, no bias; the same numbers as nn.Conv2d with groups = channels."""

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        slow = input.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        if not slow or (self.kernel_size[0] == 3 and self.stride[0] == 1):  # those have a fast bf16 kernel
            return super()._conv_forward(input, weight, bias)
        dtype = torch.get_autocast_dtype("cpu")
        out = _FastGradient.apply(input.to(dtype), weight.to(dtype), self.stride[0])
        return out if bias is None else out + bias.to(dtype)[:, None, None]
