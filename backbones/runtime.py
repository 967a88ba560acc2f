"""Running a network where the user is: on the CPU or a GPU, by torch or OpenVINO, in bf16 where the processor has it."""

from __future__ import annotations

import os
import threading
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads cost up to ten times on shared cores; read at import

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.normed import settle
from posecore.errors import ConfigError, MissingDependencyError, WeightsError
from posecore.weights import Weights

Read = Callable[[Any], Tensor]  # picks the wanted tensor from a network's output
BACKENDS = ("torch", "openvino")
AT_ONCE = 2  # pictures that OpenVINO sees together: a crop and its mirror image; more are no faster
KEPT = 8  # sizes for which OpenVINO stays compiled: a run has up to six, and each takes tens of MB


def default_device() -> torch.device:
    """The GPU if there is one that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are fast there: not emulated by a GPU; on a CPU by oneDNN, which some torches lack."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported")
    return bool(asked and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_into(network: nn.Module, weights: Weights) -> nn.Module:
    """Put weights into a network of their shape, ready to infer. WeightsError says which tensors do not fit."""
    state = {k: torch.from_numpy(v) for k, v in weights.tensors.items()}
    own = network.state_dict()
    counters = {k: v for k, v in own.items() if k not in state and not v.dtype.is_floating_point}
    state = {**counters, **state}
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    sizes = [f"{k}: {_size(state[k])}, here {_size(v)}" for k, v in own.items() if k in state and state[k].shape != v.shape]
    kinds = (("missing", missing), ("not the network's", unknown), ("of another size", sizes))
    wrong = [f"{len(names)} {what} ({names[0]})" for what, names in kinds if names]
    if wrong:
        raise WeightsError(
            f"the tensors of {weights.path.name} do not fit the network that its card describes: {', '.join(wrong)}"
        )
    network.load_state_dict(state)
    return network.eval()


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def to_input(rgb: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in -0.5..0.5, channels last in memory: how every network here sees a picture."""
    return rgb.permute(0, 3, 1, 2).float().div_(255).sub_(0.5).contiguous(memory_format=torch.channels_last)


class Runner(Protocol):
    """Pictures (B, H, W, 3) uint8 RGB to one of the network's outputs, float32."""

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network."""


def make_runner(network: nn.Module, read: Read, backend: str = "torch") -> Runner:
    """A runner by name: 'torch' (default, CPU or GPU) or 'openvino' (the extra `fast`, CPU, about twice as fast)."""
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend '{backend}'; there are {', '.join(BACKENDS)}")
    return OpenVinoRunner(network, read) if backend == "openvino" else TorchRunner(network, read)


class TorchRunner:
    """torch's own kernels, channels last, bf16 where the processor has it."""

    def __init__(self, network: nn.Module, read: Read, device: torch.device | None = None) -> None:
        self.device = device or default_device()
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.read, self.bf16 = read, has_bf16(self.device)
        if self.device.type == "cpu":
            settle(self.network, torch.bfloat16 if self.bf16 else torch.float32)

    def _precision(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Runner."""
        with torch.inference_mode(), self._precision():
            image = to_input(torch.from_numpy(np.ascontiguousarray(rgb)).to(self.device))
            return self.read(self.network(image)).float().cpu().numpy()


class _Reading(nn.Module):
    """A network between a picture's bytes and the choice of its output, for the converter."""

    def __init__(self, network: nn.Module, read: Read) -> None:
        super().__init__()
        self.network, self.read = network, read

    def forward(self, rgb: Tensor) -> Tensor:
        return self.read(
            self.network(rgb.permute(0, 3, 1, 2).float() / 255 - 0.5)
        )  # to_input; memory layout is OpenVINO's affair


class OpenVinoRunner:
    """OpenVINO's kernels, compiled once for every size of picture that comes; the KEPT that were used last stay.

    Pictures go through AT_ONCE at a time, so that another number of people compiles nothing anew. Threads take turns.
    """

    def __init__(self, network: nn.Module, read: Read) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingDependencyError(f"the openvino backend needs `pip install openvino` ({error})") from error
        self._core = openvino.Core()
        self._convert = openvino.convert_model
        self._module = _Reading(network, read).eval()
        self._compiled: dict[tuple[int, ...], Any] = {}  # the last used comes last
        self._turn = threading.Lock()

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Runner."""
        rgb = np.ascontiguousarray(rgb)
        with self._turn:
            parts = [self._infer(rgb[k : k + AT_ONCE]) for k in range(0, max(len(rgb), 1), AT_ONCE)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _infer(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        compiled = self._compiled.pop(rgb.shape, None) or self._compile(rgb)
        self._compiled[rgb.shape] = compiled
        if len(self._compiled) > KEPT:
            del self._compiled[next(iter(self._compiled))]
        return np.asarray(compiled(rgb)[0], dtype=np.float32)

    def _compile(self, rgb: NDArray[np.uint8]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the converter still traces, which torch 2.13 deprecates
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # and looks twice, which rounds differently
            model = self._convert(self._module, example_input=torch.from_numpy(rgb))
        model.reshape(list(rgb.shape))
        return self._core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
