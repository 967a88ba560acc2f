"""What a training starts from (`--init`): all of it must be there and fit."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lift3d.network import LiftConfig, VNectResNet18
from pose2d.network import OpenPoseLight, PoseConfig
from posecore.errors import InputError
from posecore.weights import save_weights
from tests.test_training_loop import SMALL_LIFT, SMALL_POSE
from training.runs import read_start, start


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    torch.save({"ema": nn.Linear(1, 1).state_dict()}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="another network"):
        read_start(tmp_path / "checkpoint.pt", VNectResNet18(SMALL_LIFT))


@pytest.mark.parametrize("kind", ["weights", "checkpoint", "trunk"])
def test_a_start_of_another_size_is_one_clear_line(tmp_path, kind):
    network, wider = VNectResNet18(SMALL_LIFT), LiftConfig(width=8, channels=24)
    path = tmp_path / ("small.safetensors" if kind == "weights" else "checkpoint.pt")
    if kind == "weights":
        save_weights(path, {k: v.numpy() for k, v in network.state_dict().items()}, {"network": "vnect_resnet18"})
    else:
        torch.save({"ema": network.state_dict()}, path)
    other = OpenPoseLight(PoseConfig(width=8, channels=24)) if kind == "trunk" else VNectResNet18(wider)
    with pytest.raises(InputError, match="another size") as error:
        start(other, path)
    assert "\n" not in str(error.value)


def written(network, path):
    """The network's weights as a training writes them."""
    state = network.state_dict()
    if path.suffix == ".safetensors":
        save_weights(path, {k: v.numpy() for k, v in state.items()}, {"network": network.config.name})
    else:
        torch.save({"ema": state}, path)
    return path


@pytest.mark.parametrize("file", ["start.safetensors", "checkpoint.pt"])
def test_a_start_puts_in_every_tensor(tmp_path, file):
    torch.manual_seed(0)
    source, network = OpenPoseLight(SMALL_POSE), OpenPoseLight(SMALL_POSE)
    start(network, written(source, tmp_path / file))
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[key], rtol=1e-3, atol=1e-6)  # float16 keeps 11 bits


@pytest.mark.parametrize("file", ["start.safetensors", "checkpoint.pt"])
@pytest.mark.parametrize("more", [{"paf_stages": 3}, {"heat_stages": 2}])
def test_weights_that_lack_some_of_the_network_are_one_clear_line(tmp_path, more, file):
    path = written(OpenPoseLight(SMALL_POSE), tmp_path / file)
    with pytest.raises(InputError, match=r"lacks \d+ of the network's tensors") as error:
        start(OpenPoseLight(replace(SMALL_POSE, **more)), path)
    assert "\n" not in str(error.value)


def test_the_other_network_s_checkpoint_gives_its_trunk(tmp_path):
    lifter, detector = VNectResNet18(SMALL_LIFT), OpenPoseLight(SMALL_POSE)
    before = {k: v.clone() for k, v in detector.state_dict().items()}
    start(detector, written(lifter, tmp_path / "checkpoint.pt"))
    for key, value in detector.state_dict().items():
        torch.testing.assert_close(value, (lifter.state_dict() if key.startswith("trunk.") else before)[key])
