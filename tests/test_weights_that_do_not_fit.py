"""Weights and cards that are not this network's: one clear line of a WeightsError, whatever is wrong."""

import hashlib
from dataclasses import asdict

import numpy as np
import pytest
import torch
import yaml

from lift3d.lifter import Lifter
from lift3d.network import LiftConfig, VNectResNet18
from pose2d.estimator import PoseEstimator, network_of
from pose2d.network import PoseConfig
from posecore.errors import WeightsError
from posecore.weights import save_weights

LIFT = LiftConfig(width=8, channels=16, input_px=64)
POSE = PoseConfig(width=8, channels=16, block_width=8, paf_stages=1)
KINDS = {"lifter": (Lifter, LIFT, "vnect21", VNectResNet18), "detector": (PoseEstimator, POSE, "openpose18", network_of)}


def tensors_of(kind):
    torch.manual_seed(0)
    _, config, _, make = KINDS[kind]
    return {k: v.numpy() for k, v in make(config).state_dict().items() if v.dtype.is_floating_point}


def card_of(kind):
    _, config, skeleton, _ = KINDS[kind]
    return {"network": config.name, "config": asdict(config), "skeleton": skeleton}


def load(kind, path, tensors=None, card=None):
    """The front door on these tensors with this card."""
    save_weights(path, tensors or tensors_of(kind), card or card_of(kind))
    return KINDS[kind][0](path)


def refused(kind, path, tensors=None, card=None):
    """The one line that says why not."""
    with pytest.raises(WeightsError) as error:
        load(kind, path, tensors, card)
    assert "\n" not in str(error.value)
    assert "small" in str(error.value)  # says which file
    return str(error.value)


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.safetensors"


def test_what_fits_is_taken_and_a_card_need_not_tell_its_skeleton(kind, path):
    load(kind, path)
    load(kind, path, card={k: v for k, v in card_of(kind).items() if k != "skeleton"})


def test_tensors_that_lack_are_too_many_or_of_another_size_are_named(kind, path):
    tensors = tensors_of(kind)
    first = next(k for k, v in tensors.items() if v.ndim == 4)
    fewer = {k: v for k, v in tensors.items() if k != first}
    assert f"1 missing ({first})" in refused(kind, path, fewer)
    assert "1 not the network's (foo)" in refused(kind, path, {**tensors, "foo": np.zeros(3)})
    size, wide = (f"{len(tensors[first]) - cut}x{tensors[first].shape[1]}x" for cut in (1, 0))
    line = refused(kind, path, {**tensors, first: tensors[first][:-1]})
    assert f"1 of another size ({first}: {size}" in line
    assert f"here {wide}" in line
    assert "2 not the network's (bar)" in refused(kind, path, {**fewer, "foo": np.zeros(3), "bar": np.zeros(3)})


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])  # the last is too large for the file's float16
def test_weights_that_are_no_numbers_are_named(kind, path, value):
    tensors = tensors_of(kind)
    last = list(tensors)[-1]
    tensors[last] = np.full_like(tensors[last], value)
    with np.errstate(over="ignore"):
        assert last in refused(kind, path, tensors)


def test_a_card_must_describe_the_network(kind, path):
    card = card_of(kind)
    for config in (None, [1], "small"):
        assert "'config'" in refused(kind, path, card={**card, "config": config})
    assert "'config'" in refused(kind, path, card={k: v for k, v in card.items() if k != "config"})
    assert "config.dropout" in refused(kind, path, card={**card, "config": {**card["config"], "dropout": 0.1}})
    assert "config.width" in refused(kind, path, card={**card, "config": {**card["config"], "width": "wide"}})
    assert "no" in refused(kind, path, card={**card, "config": {**card["config"], "trunk": "no"}})
    assert "coco17" in refused(kind, path, card={**card, "skeleton": "coco17"})


@pytest.mark.parametrize("text", ["", "only words", "- a\n- list", "a: [b"])
def test_a_card_that_is_none_is_one_clear_line(kind, path, text):
    load(kind, path)
    path.with_suffix(".yaml").write_text(text)
    with pytest.raises(WeightsError, match=r"small\.yaml") as error:
        KINDS[kind][0](path)
    assert "\n" not in str(error.value)


def test_a_file_that_holds_no_tensors_is_one_clear_line(kind, path):
    load(kind, path)
    path.write_bytes(b"no tensors")
    card = path.with_suffix(".yaml")
    told = yaml.safe_load(card.read_text())
    told["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card.write_text(yaml.safe_dump(told))
    with pytest.raises(WeightsError, match="safetensors") as error:
        KINDS[kind][0](path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("gain", [[1.0], [1.0, 1.0, 1.0], 2.0, "wide", [1.0, "b"], [1.0, float("nan")], [0.0, 1.0], None])
def test_error_bars_have_two_positive_factors(path, gain):
    assert "sigma_gain" in refused("lifter", path, card={**card_of("lifter"), "sigma_gain": gain})


def test_whole_factors_of_error_bars_are_taken(path):
    np.testing.assert_array_equal(load("lifter", path, card={**card_of("lifter"), "sigma_gain": [1, 2]}).sigma_gain, [1.0, 2.0])
