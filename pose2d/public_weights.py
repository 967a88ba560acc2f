"""Weights that others published, for people who have them: tables from their names to ours.

- The COCO body model of Cao et al. 2017 as PyTorch files carry it (Caffe's layer names, such as `Mconv7_stage6_L1.weight`, with
  or without the names of the modules around them): the whole of `openpose_2017`, or the features of `openpose_vgg19`.
- VGG-19 trained on ImageNet as torchvision names it (`features.0.weight`, ...): the features of either.

Those networks saw other pixel values than ours do; the difference is linear and goes into the first convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pose2d.vgg import OpenPose2017, VggTrunk, convolutions_of
from posecore.errors import WeightsError
from posecore.weights import save_weights

State = Mapping[str, Tensor]

NAME_2017 = "openpose_2017"
VGG_LAYERS = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1", "4_2")
CAFFE_TRUNK = tuple(f"conv{layer}" for layer in VGG_LAYERS) + ("conv4_3_CPM", "conv4_4_CPM")
TORCHVISION_TRUNK = tuple(f"features.{k}" for k in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21))
# Where limb l of openpose18 has its x field among the published 38 channels; y follows.
PUBLISHED_FIELD = (12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26)

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in 0..1
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def read_public(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch or safetensors file. WeightsError for a file that holds anything else; no code in it is run."""
    if not path.is_file():
        raise WeightsError(f"no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"cannot read {path.name} as PyTorch weights ({type(error).__name__}); expected a state dict"
        ) from error
    raw = raw.get("state_dict", raw) if isinstance(raw, dict) else raw
    if not isinstance(raw, dict) or not all(isinstance(value, Tensor) for value in raw.values()):
        raise WeightsError(f"{path.name} holds no plain table of tensors; save the model's state_dict() and try again")
    return raw


def import_openpose_2017(source: Path, target: Path) -> None:
    """Turn a published file of the COCO body model into weights for PoseEstimator(target), a .safetensors with its card."""
    network = load_openpose_2017(read_public(source))
    note = f"imported from {source.name}; its licence is that of the published model (academic, non-commercial)"
    save_weights(
        target, {name: value.numpy() for name, value in network.state_dict().items()}, {"network": NAME_2017, "note": note}
    )


def load_openpose_2017(state: State) -> OpenPose2017:
    """The network of 2017 with published weights, ready for pictures as ours: RGB in -0.5..0.5."""
    network = OpenPose2017()
    load_openpose_trunk(network.trunk, state)
    short = _short_names(state)
    for branch, name in ((network.paf, "L1"), (network.heat, "L2")):
        for stage, layers in enumerate(branch, start=1):
            convolutions = convolutions_of(layers)
            names = _stage_names(stage, name, len(convolutions))
            for convolution, layer in zip(convolutions, names, strict=True):
                _copy(convolution, short, layer)
    _order_fields(network)
    return network.eval()


def load_published_trunk(trunk: VggTrunk, state: State) -> None:
    """The features of whichever of the two published networks a file's names belong to."""
    body = f"{CAFFE_TRUNK[-1]}.weight" in _short_names(state)
    (load_openpose_trunk if body else load_imagenet_trunk)(trunk, state)


def load_openpose_trunk(trunk: VggTrunk, state: State) -> None:
    """The features of the published body model: it saw BGR / 256 - 0.5."""
    short = _short_names(state)
    for convolution, layer in zip(convolutions_of(trunk), CAFFE_TRUNK, strict=True):
        _copy(convolution, short, layer)
    first = convolutions_of(trunk)[0]
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))
    share = 255 / 256
    _fold_input(first, torch.full((3,), share), torch.full((3,), 0.5 * share - 0.5))


def load_imagenet_trunk(trunk: VggTrunk, state: State) -> None:
    """VGG-19's first ten layers from torchvision's weights: they saw (RGB - mean) / deviation. The two narrow ones stay."""
    for convolution, layer in zip(convolutions_of(trunk), TORCHVISION_TRUNK, strict=False):
        _copy(convolution, state, layer)
    mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_DEVIATION)
    _fold_input(convolutions_of(trunk)[0], 1 / deviation, (0.5 - mean) / deviation)


def _stage_names(stage: int, branch: str, layers: int) -> list[str]:
    if stage == 1:
        return [f"conv5_{k}_CPM_{branch}" for k in range(1, layers + 1)]
    return [f"Mconv{k}_stage{stage}_{branch}" for k in range(1, layers + 1)]


def _short_names(state: State) -> dict[str, Tensor]:
    """`module.model1_1.conv5_1_CPM_L1.weight` is `conv5_1_CPM_L1.weight`."""
    return {".".join(name.split(".")[-2:]): value for name, value in state.items()}


def _copy(convolution: nn.Conv2d, state: State, layer: str) -> None:
    for name in ("weight", "bias"):
        ours, theirs = getattr(convolution, name), state.get(f"{layer}.{name}")
        if theirs is None:
            raise WeightsError(f"no {layer}.{name} among the weights; expected the COCO body model of OpenPose or VGG-19")
        if theirs.shape != ours.shape:
            raise WeightsError(f"{layer}.{name}: expected shape {tuple(ours.shape)}, got {tuple(theirs.shape)}")
        with torch.no_grad():
            ours.copy_(theirs)


def _fold_input(first: nn.Conv2d, factor: Tensor, offset: Tensor) -> None:
    """Let a convolution that expects factor x + offset (per channel) take x. Exact but for the zeros outside the picture."""
    assert first.bias is not None
    with torch.no_grad():
        first.bias += torch.einsum("oihw,i->o", first.weight, offset)
        first.weight *= factor[:, None, None]


def _order_fields(network: OpenPose2017) -> None:
    """Bring the fields into the order of openpose18's limbs, where they come out and where the next stage reads them."""
    order = torch.tensor([channel + axis for channel in PUBLISHED_FIELD for axis in (0, 1)])
    with torch.no_grad():
        for stage in range(network.stages):
            last = convolutions_of(network.paf[stage])[-1]
            assert last.bias is not None
            last.weight.copy_(last.weight[order])
            last.bias.copy_(last.bias[order])
            for branch in (network.paf, network.heat) if stage else ():
                first = convolutions_of(branch[stage])[0]
                first.weight[:, : len(order)] = first.weight[:, order]
