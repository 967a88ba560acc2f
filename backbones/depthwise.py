"""Depthwise convolutions that train fast on a CPU.

torch's bf16 kernels for the gradient of a 5x5 or strided depthwise convolution fall back to a plain loop on x86: five to
seven times slower than the float32 kernels (benchmarks/results.md). So the gradient alone is taken in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Float32Gradient(torch.autograd.Function):
    """Depthwise convolution in the precision of its input, its gradient in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return nn.functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        stride, pad, groups = [ctx.stride] * 2, [weight.shape[-1] // 2] * 2, weight.shape[0]
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        args = (gradients[0].float(), x.float(), weight.float(), None)
        by_x, by_weight, _ = torch.ops.aten.convolution_backward(*args, stride, pad, [1, 1], False, [0, 0], groups, wanted)
        return by_x.to(x.dtype) if wanted[0] else None, by_weight.to(weight.dtype) if wanted[1] else None, None


class DepthwiseConv2d(nn.Conv2d):
    """One k x k filter per channel, no bias; the same numbers as nn.Conv2d with groups = channels."""

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, channels, h / stride, w / stride)."""
        slow = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        if not slow or (self.kernel_size[0] == 3 and self.stride[0] == 1):  # those have a fast bf16 kernel
            return super().forward(x)
        dtype = torch.get_autocast_dtype("cpu")
        return _Float32Gradient.apply(x.to(dtype), self.weight.to(dtype), self.stride[0])
