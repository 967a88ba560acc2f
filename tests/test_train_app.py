"""The training command from data to weights, on a made-up set."""

import gzip
import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from pycocotools import mask

from apps.train import command_of, main, make_parser
from lift3d.lifter import Lifter
from pose2d.estimator import PoseEstimator
from pose2d.vgg import VggTrunk, convolutions_of
from posecore.weights import load_weights
from tests.test_training_data import write_people
from training.held_out import is_held_out

QUICK = """
loop: {samples: 8, batch: 4, warmup_steps: 1, threads: 1, log_every_s: 0.0, evaluate_every: 1000, device: cpu}
"""
SMALL = "{name: vnect_resnet18, width: 8, channels: 16, input_px: 64}"


@pytest.fixture
def data(tmp_path):
    write_people(tmp_path / "data" / "people")
    return tmp_path / "data"


def train(tmp_path, data, network, lesson, *words):
    config = tmp_path / "config.yaml"
    config.write_text(QUICK + f"lesson: {lesson}\n")
    run = tmp_path / f"run_{network}"
    assert main([network, "--data", str(data), "-o", str(run), "-c", str(config), "--workers", "0", *words]) == 0
    return run


def test_a_lifter_is_trained_and_its_weights_lift(tmp_path, data):
    run = train(tmp_path, data, "lift3d", f"{{size_px: 64, easy_samples: 0, network: {SMALL}}}")
    loaded = load_weights(run / "vnect_resnet18.safetensors", "vnect_resnet18")
    assert loaded.card["training"]["samples"] == 8
    assert str(tmp_path) not in json.dumps(loaded.card, default=str)
    assert "config.yaml" in loaded.card["training"]["command"]
    assert Lifter(run / "vnect_resnet18.safetensors").input_px == 64
    assert yaml.safe_load((run / "config.yaml").read_text())["loop"]["samples"] == 8


@pytest.fixture
def scenes(data):
    """The made-up photos with masks, fully labelled photos and backgrounds, on both sides of the split."""
    names = [f"{k}.png" for k in range(12)]
    add_masks(data / "people" / "people.json.gz")
    for folder in ("coco_people", "backgrounds"):
        (data / folder).mkdir()
        for name in names:
            suffix = ".jpg" if folder == "backgrounds" else ".png"
            cv2.imwrite(str(data / folder / Path(name).with_suffix(suffix)), np.full((60, 80, 3), 90, np.uint8))
    people = [
        {"id": k + 1, "image_id": k, "category_id": 1, "bbox": [10, 5, 40, 50], "num_keypoints": 17, "keypoints": KEYPOINTS}
        for k in range(len(names))
    ]
    images = [{"id": k, "file_name": name, "width": 80, "height": 60} for k, name in enumerate(names)]
    raw = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (data / "coco_people" / "people.json").write_text(json.dumps(raw))
    return data


KEYPOINTS = [value for k in range(17) for value in (12 + 2 * k, 8 + 2.5 * k, 2)]


def add_masks(path):
    with gzip.open(path) as stream:
        raw = json.load(stream)
    pixels = np.zeros((80, 60), np.uint8, order="F")
    pixels[10:70, 10:50] = 1
    for annotation in raw["annotations"]:
        rle = mask.encode(pixels)
        annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
    with gzip.open(path, "wt") as stream:
        json.dump(raw, stream)


def test_a_detector_is_trained_and_its_weights_detect(tmp_path, scenes):
    lesson = "{scene: {size_px: 64}, network: {width: 8, channels: 16, block_width: 8}}"
    run = train(tmp_path, scenes, "pose2d", lesson, "--set", "data.val_composites=2")
    detector = PoseEstimator(run / "openpose_light.safetensors")
    assert isinstance(detector.detect(np.zeros((60, 80, 3), np.uint8)), list)
    figures = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert figures["val_composites_AP"] == figures["val_coco_AP"] == 0  # eight samples teach nothing
    assert figures["val_coco_people"] == sum(is_held_out(f"{k}.png") for k in range(12))


def test_the_full_detector_is_trained_by_its_name_and_from_published_features(tmp_path, scenes):
    torch.manual_seed(0)
    published = {f"{name}.{n}": p for (name, n), p in published_features().items()}
    torch.save(published, tmp_path / "vgg19.pth")
    sizes = "{name: openpose_vgg19, channels: 16, paf_stages: 1, blocks: 1, block_width: 8}"
    words = ["--init", str(tmp_path / "vgg19.pth"), "--set", "loop.learning_rate=0.0", "--set", "data.coco=''"]
    quick = ["--set", "data.val_composites=0"]
    run = train(tmp_path, scenes, "openpose_vgg19", f"{{scene: {{size_px: 32}}, network: {sizes}}}", *words, *quick)
    loaded = load_weights(run / "openpose_vgg19.safetensors", "openpose_vgg19")
    second = published["features.2.weight"].detach().half().float()
    np.testing.assert_array_equal(loaded.tensors["trunk.vgg.1.0.weight"], second)
    assert loaded.card["config"]["paf_stages"] == 1


def published_features():
    """VGG-19's first ten layers under torchvision's names, by (layer, part)."""
    trunk = VggTrunk(16)
    layers = (f"features.{k}" for k in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21))
    return {
        (name, part): getattr(conv, part) for name, conv in zip(layers, convolutions_of(trunk), strict=False) for part in PARTS
    }


PARTS = ("weight", "bias")


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


def test_a_card_s_command_names_the_files_and_settings_that_a_run_was_made_with():
    words = [
        "lift3d",
        "--data",
        "/a/b",
        "-o",
        "/a/run",
        "-c",
        "/a/b/c/mine.yaml",
        "--init",
        "imagenet",
        "--set",
        "data.coco=''",
    ]
    options = make_parser().parse_args([*words, "--set", "loop.batch=8"])
    command = command_of(options)
    assert "/a/" not in command
    again = make_parser().parse_args(shlex.split(command)[2:])
    assert (again.network, again.init, again.set) == (options.network, options.init, options.set)
    assert again.config == Path("c/mine.yaml")


def test_an_unknown_setting_is_refused_with_a_suggestion(tmp_path, data, capsys):
    assert main(["lift3d", "--data", str(data), "-o", str(tmp_path / "run"), "--set", "loop.batches=4"]) == 2
    assert "did you mean 'batch'" in capsys.readouterr().err


def test_settings_are_printed_without_data_and_nothing_is_trained_so(capsys):
    assert main(["lift3d", "--print-config"]) == 0
    assert "rendered" in capsys.readouterr().out
    assert main(["lift3d", "-o", "run"]) == 2
    assert "--data DIR" in capsys.readouterr().err
