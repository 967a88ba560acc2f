"""The comparisons of docs/lifting.md: equal terms but for the one thing compared, and figures that mean what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.ablation import ROWS, make_parser, make_run, over_photos, table
from benchmarks.starting_losses import STARTS, Memorise
from lift3d.codec import LOGIT_GAIN, encode_heat
from posecore.config import to_dict
from tests.test_training_data import make_sample, random_person
from training.augment import AugmentConfig
from training.lift_data import make_example

OPTIONS = make_parser().parse_args(["--data", "d", "--rendered", "r", "--rendered-test", "t", "-o", "o"])


def flat(tree, prefix=""):
    out = {}
    for key, value in tree.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out


@pytest.mark.parametrize(
    ("row", "changed"),
    [
        ("photos", {"lesson.shares.rendered"}),
        ("rendered", {f"lesson.shares.{s}" for s in ("ccp", "sports", "lspet", "rendered")}),
        ("everywhere", {"lesson.loss.under_heat"}),
        ("resnet18", {"lesson.network.name", "lesson.network.trunk", "loop.trunk_rate", "loop.freeze_blocks"}),
    ],
)
def test_a_row_differs_from_both_in_its_one_thing(row, changed):
    both, other = (flat(to_dict(make_run(ROWS[name], OPTIONS))) for name in ("both", row))
    assert {key for key in both if both[key] != other[key]} == changed


def test_photos_are_averaged_over_the_persons_of_whom_each_figure_is():
    """Nine street photos in ten have no trusted 3D: their share of the errors is not their share of the pictures."""
    figures = {"ccp_pck": 1.0, "sports_pck": 0.0, "ccp_mpjpe_mm": 40.0, "sports_mpjpe_mm": 100.0}
    people = {"ccp_pck_people": 30, "sports_pck_people": 10, "ccp_mpjpe_people": 1, "sports_mpjpe_people": 3}
    assert over_photos(figures | people) == pytest.approx({"photos_pck": 0.75, "photos_mpjpe_mm": 85.0})
    del figures["ccp_mpjpe_mm"]
    assert over_photos(figures | people | {"ccp_mpjpe_people": 0})["photos_mpjpe_mm"] == 100.0


def test_the_table_has_a_line_for_every_row():
    figures = dict.fromkeys(("photos_pck", "lspet_pck", "rendered_pck"), 0.1234)
    figures |= dict.fromkeys(("photos_mpjpe_mm", "rendered_mpjpe_mm", "rendered_pa_mpjpe_mm"), 123.4)
    lines = table({"photos": figures, "resnet18": figures}).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "| 0.123 | 123 mm |" in lines[2]


def known_example():
    return make_example(make_sample(random_person(1)), 128, None, AugmentConfig())


@pytest.mark.parametrize("name", STARTS)
def test_every_starting_loss_is_least_for_the_truth_and_its_maps_become_vnects(name, monkeypatch):
    start, example = STARTS[name], known_example()
    task = Memorise([example], start, 128)
    heat = task.batch["heat"]
    gain = {"softmax": 1.0, "softmax8": LOGIT_GAIN}.get(name)
    perfect = 2 * np.pi * heat if gain is None else torch.log(heat + 1e-12) / gain
    noise = 0.1 * torch.randn(heat.shape, generator=torch.Generator().manual_seed(0))
    assert float(start.loss(perfect, task.batch)) < float(start.loss(perfect + noise, task.batch))
    monkeypatch.setattr(Memorise, "_maps", staticmethod(lambda network, rgb: perfect))
    figures = task.evaluate(torch.nn.Linear(1, 1))
    assert figures["right"] == 1
    inside = encode_heat(example.person.xy_px[:21], 16).max(axis=(1, 2))
    assert figures["height"] == pytest.approx(2 * np.pi * inside.mean(), rel=1e-3)


def test_the_commands_say_where_they_read_and_write():
    run = make_run(ROWS["both"], OPTIONS)
    assert Path(run.data.rendered).is_absolute()  # shards may lie anywhere, not only below the data folder
    assert run.data.coco == run.data.backgrounds == ""
