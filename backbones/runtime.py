"""Running a network where the user is: on the CPU or a GPU, in bf16 where the processor has it."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads cost up to ten times on shared cores; read at import

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posecore.weights import Weights


def default_device() -> torch.device:
    """The GPU if there is one that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are fast there."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_into(network: nn.Module, weights: Weights) -> nn.Module:
    """Put weights into a network of their shape, ready to infer."""
    state = {k: torch.from_numpy(v) for k, v in weights.tensors.items()}
    counters = {k: v for k, v in network.state_dict().items() if k not in state and not v.dtype.is_floating_point}
    network.load_state_dict({**counters, **state})
    return network.eval()


class Runner:
    """Calls a network on pictures (B, H, W, 3) uint8 RGB and gives numpy back."""

    def __init__(self, network: nn.Module, device: torch.device | None = None) -> None:
        self.device = device or default_device()
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.bf16 = has_bf16(self.device)

    def _precision(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def __call__(self, rgb: NDArray[np.uint8], read: Callable[..., Tensor]) -> NDArray[np.float32]:
        """`read` picks the wanted tensor from the network's output."""
        with torch.inference_mode(), self._precision():
            image = to_input(torch.from_numpy(np.ascontiguousarray(rgb)).to(self.device))
            return read(self.network(image)).float().cpu().numpy()


def to_input(rgb: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in -0.5..0.5, channels last in memory: how every network here sees a picture."""
    return rgb.permute(0, 3, 1, 2).float().div_(255).sub_(0.5).contiguous(memory_format=torch.channels_last)
