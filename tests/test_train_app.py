"""The training command from data to weights, on a made-up set."""

import json

import pytest
import yaml

from apps.train import main
from lift3d.lifter import Lifter
from posecore.weights import load_weights
from tests.test_training_data import write_people

QUICK = """
loop: {samples: 8, batch: 4, warmup_steps: 1, threads: 1, log_every_s: 0.0, evaluate_every: 1000, device: cpu}
"""
SMALL = "{name: vnect_resnet18, width: 8, channels: 16, input_px: 64}"


@pytest.fixture
def data(tmp_path):
    write_people(tmp_path / "data" / "people")
    return tmp_path / "data"


def train(tmp_path, data, network, lesson):
    config = tmp_path / "config.yaml"
    config.write_text(QUICK + f"lesson: {lesson}\n")
    run = tmp_path / f"run_{network}"
    assert main([network, "--data", str(data), "-o", str(run), "-c", str(config), "--workers", "0"]) == 0
    return run


def test_a_lifter_is_trained_and_its_weights_lift(tmp_path, data):
    run = train(tmp_path, data, "lift3d", f"{{size_px: 64, easy_samples: 0, network: {SMALL}}}")
    loaded = load_weights(run / "vnect_resnet18.safetensors", "vnect_resnet18")
    assert loaded.card["training"]["samples"] == 8
    assert str(tmp_path) not in json.dumps(loaded.card, default=str)
    assert Lifter(run / "vnect_resnet18.safetensors").input_px == 64
    assert yaml.safe_load((run / "config.yaml").read_text())["loop"]["samples"] == 8


def test_a_shared_run_gives_both_networks(tmp_path, data):
    pose = "{width: 8, channels: 16, block_width: 8}"
    run = train(tmp_path, data, "shared", f"{{lift: {{size_px: 64, easy_samples: 0, network: {SMALL}}}, pose: {pose}}}")
    assert (run / "openpose_light.safetensors").is_file()
    assert (run / "vnect_resnet18.safetensors").is_file()


def test_a_detector_without_backgrounds_is_one_clear_line(tmp_path, data, capsys):
    words = ["--set", "data.coco=''", "--set", "loop.samples=4"]
    assert main(["pose2d", "--data", str(data), "-o", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err
    assert "backgrounds" in error
    assert error.count("\n") == 1


def test_an_unknown_setting_is_refused_with_a_suggestion(tmp_path, data, capsys):
    assert main(["lift3d", "--data", str(data), "-o", str(tmp_path / "run"), "--set", "loop.batches=4"]) == 2
    assert "did you mean 'batch'" in capsys.readouterr().err
