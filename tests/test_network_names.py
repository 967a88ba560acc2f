"""A network's name says what it stands on; what a card or a setting says beside it must agree."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from backbones.efficientnet_lite import EfficientNetLite0
from lift3d.lifter import NETWORKS, make_network
from lift3d.network import LiftConfig
from pose2d.estimator import make_network as make_detector
from posecore.config import override_from_words, to_dict
from posecore.errors import ConfigError
from posecore.weights import load_weights
from training.lift_task import LiftLesson
from training.runs import RUNS, make_trainer
from training.shared import SharedLesson

ROOT = Path(__file__).resolve().parents[1]
CROPS_PX = {"vnect_resnet18": 256, "vnect_lite0": 256, "vnect_resnet50": 368}


def stands_on_lite0(network):
    return any(isinstance(part, EfficientNetLite0) for part in network.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_lift_network_s_name_alone_gives_its_trunk_and_its_crop(name):
    run = override_from_words(RUNS["lift3d"], [f"lesson.network.name={name}"])
    network = make_network(run.lesson.network)
    assert stands_on_lite0(network) == (name == "vnect_lite0")
    assert network.config.input_px == CROPS_PX[name]
    assert network.config == run.lesson.network.settled() == network.config.settled()
    assert LiftConfig(**asdict(network.config)) == network.config  # as a card brings it back


def test_the_published_lift_network_tells_no_sizes_that_it_does_not_read():
    told = LiftConfig(name="vnect_resnet50", trunk="resnet18", width=32, channels=128).settled()  # as cards had it
    assert (told.trunk, told.width, told.channels) == ("resnet50", 0, 0)


@pytest.mark.parametrize(("name", "trunk"), [("vnect_lite0", "resnet18"), ("vnect_resnet18", "efficientnet_lite0"), ("no", "")])
def test_a_name_that_contradicts_its_trunk_is_one_clear_line(name, trunk):
    with pytest.raises(ConfigError, match=name) as error:
        LiftConfig(name=name, trunk=trunk)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/weights/*.safetensors")), ids=lambda path: path.stem)
def test_the_weights_that_come_along_fit_the_networks_of_their_cards(path):
    loaded = load_weights(path, *NETWORKS, "openpose_light")
    lifts = path.stem.startswith("vnect")
    network = make_network(LiftConfig(**loaded.card["config"])) if lifts else make_detector(loaded)
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items() if v.dtype.is_floating_point}
    assert shapes == {k: v.shape for k, v in loaded.tensors.items()}
    told, settled = loaded.card["config"], to_dict(network.config)
    assert {k for k in told if told[k] != settled[k]} <= {"width"}  # which EfficientNet does not read


def shared(lift=None, pose=None):
    lesson = SharedLesson()
    network = replace(lesson.lift.network, **(lift or {}))
    return SharedLesson(lift=replace(LiftLesson(), network=network), pose=replace(lesson.pose, **(pose or {})))


def test_a_shared_detector_takes_the_lifter_s_trunk():
    lift, pose = shared({"name": "vnect_lite0", "channels": 96}, {"channels": 96}).networks()
    assert (lift.name, lift.trunk) == ("vnect_lite0", "efficientnet_lite0")
    assert (pose.trunk, pose.width, pose.channels) == (lift.trunk, lift.width, lift.channels)
    lift, pose = shared({"width": 8}, {"width": 8}).networks()
    assert (pose.trunk, pose.width) == ("resnet18", 8)


@pytest.mark.parametrize(
    ("lift", "pose", "word"),
    [
        ({"name": "vnect_resnet50"}, {}, "vnect_resnet50"),
        ({}, {"name": "openpose_vgg19"}, "openpose_vgg19"),
        ({}, {"trunk": "efficientnet_lite0"}, r"lesson\.pose\.trunk"),
        ({"width": 8}, {}, r"lesson\.pose\.width"),
        ({"channels": 64}, {}, r"lesson\.pose\.channels"),
    ],
)
def test_networks_that_cannot_share_a_trunk_are_refused_before_a_run(tmp_path, lift, pose, word):
    run = replace(RUNS["shared"], lesson=shared(lift, pose))
    with pytest.raises(ConfigError, match=word) as error:
        make_trainer(run, tmp_path, tmp_path / "run", None, workers=0)
    assert "\n" not in str(error.value)
