"""The comparison of heads (benchmarks/heads.py): what it reads off a network, and that it runs to its table."""

import gzip
import json

import numpy as np
import pytest
import torch

from benchmarks import heads
from benchmarks.heads import HEADS, Head, HeadNetwork, HeadTask
from posecore.skeleton import load_skeleton
from tests.test_pose2d_heads import perfect_maps
from tests.test_training_data import make_sample, random_person, write_people
from training.augment import AugmentConfig
from training.lift_data import make_example
from training.pose_data import pose_target
from training.samples import to_openpose18

SIZE = 128
OPENPOSE = load_skeleton("openpose18")


class Knowing(torch.nn.Module):
    """A network that knows where a sample's joints are."""

    def __init__(self, sample, kind):
        super().__init__()
        person = make_example(sample, SIZE, None, AugmentConfig()).person
        if kind == "point":
            out = torch.from_numpy(to_openpose18(person)[0] / SIZE - 0.5)[None]
        else:
            heat = torch.from_numpy(pose_target([person], (SIZE, SIZE), True)["heat"])[None]
            out = perfect_maps(heat, kind)
        self.register_buffer("out", out.float())

    def forward(self, image):
        return self.out


@pytest.mark.parametrize("kind", ["point", "squared", "binary", "spatial"])
def test_a_head_that_knows_the_truth_has_it_all_right(kind):
    samples = [make_sample(random_person(k)) for k in range(3)]
    for sample in samples:
        task = HeadTask(samples, [sample], Head("", kind), SIZE, 0)
        assert task.evaluate(Knowing(sample, kind)) == {"pck20": 1.0, "pck10": 1.0}
        example = task.make(0, np.random.default_rng(0))
        batch = {name: torch.from_numpy(np.asarray(value))[None] for name, value in example.items()}
        assert torch.isfinite(task.loss(HeadNetwork("resnet18", kind), batch)["total"])


def test_points_are_learnt_only_where_joints_are_known():
    task = HeadTask([make_sample(random_person(0))], [], Head("", "point"), SIZE, 0)
    batch = {name: torch.from_numpy(np.asarray(v))[None] for name, v in task.make(0, np.random.default_rng(0)).items()}
    batch["known"][0, 5] = False
    network = Knowing(make_sample(random_person(0)), "point")
    network.out = batch["points"].clone()
    network.out[0, 5] += 1
    assert task.loss(network, batch)["total"] == 0
    network.out[0, 6] += 1
    assert task.loss(network, batch)["total"] == 2


def test_all_rows_are_trained_once_and_tabled(tmp_path, monkeypatch, capsys):
    write_people(tmp_path / "people")
    with gzip.open(tmp_path / "people" / "people.json.gz") as stream:
        raw = json.load(stream)
    joints = np.random.default_rng(0).integers(12, 48, (17, 3))
    joints[:, 2] = 2
    raw["annotations"][1]["keypoints"] = joints.ravel().tolist()
    with gzip.open(tmp_path / "people" / "people.json.gz", "wt") as stream:
        json.dump(raw, stream)
    monkeypatch.setattr(heads, "FROM_IMAGENET", {"resnet18": False})
    monkeypatch.setattr(heads, "HEADS", HEADS[:3])
    words = ["--data", str(tmp_path), "-o", str(tmp_path / "runs"), "--samples", "64", "--size", "32", "--workers", "0"]
    assert heads.main(words) == 0
    text = (tmp_path / "runs" / "table.md").read_text()
    assert len(text.splitlines()) == 2 + 3
    assert all(head.name in text for head in HEADS[:3])
    monkeypatch.setattr(heads, "Trainer", None)  # nothing is trained again
    assert heads.main(words) == 0
    assert (tmp_path / "runs" / "table.md").read_text() == text
    assert heads.main(["--data", str(tmp_path / "nowhere"), "-o", str(tmp_path / "other")]) == 2
    assert "people.json.gz" in capsys.readouterr().err
