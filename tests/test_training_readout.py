"""A joint's 3D learnt anew in closed form: the right rows are found, all others stay to the bit."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad

from lift3d.lifter import make_network
from lift3d.loss import lift_loss
from lift3d.network import LiftConfig
from posecore.errors import ConfigError
from posecore.skeleton import load_skeleton
from posecore.weights import load_weights, save_weights
from tests.test_training_data import write_people
from training.readout import Readings, answers, errors_mm, learn_anew, likely, main, places, read, rows_of, scales

TINY = LiftConfig(input_px=64, width=8, channels=8)
HEAD, TOE = load_skeleton("vnect21").indices(["head", "left_toe"])


def tiny(seed=0):
    torch.manual_seed(seed)
    return make_network(TINY).eval()


def linear(count=400, seed=0):
    """Inputs (N, 8), rows (3, 9) and what they answer (N, 3)."""
    rng = np.random.default_rng(seed)
    inputs, rows = rng.normal(size=(count, 8)), rng.normal(size=(3, 9))
    return inputs, rows, answers(inputs, rows)


def test_places_are_found_whatever_every_fifth_label_says():
    inputs, rows, xyz = linear()
    xyz[::5] += np.random.default_rng(1).normal(scale=3.0, size=xyz[::5].shape)
    found = places(inputs, xyz, np.ones(len(xyz)), np.zeros_like(rows))
    np.testing.assert_allclose(found, rows, atol=0.02)  # of entries near 1; least squares is off by 0.2 here


def test_labels_without_trust_are_not_learnt():
    inputs, rows, xyz = linear()
    trust = np.ones(len(xyz))
    trust[::2], xyz[::2] = 0, 9.0
    np.testing.assert_allclose(places(inputs, xyz, trust, np.zeros_like(rows)), rows, atol=1e-4)  # the pull to the old rows


def test_where_nothing_tells_the_rows_stay():
    inputs, rows, xyz = linear()
    inputs[:, 5:] = 0  # three inputs that never fire
    old = np.random.default_rng(2).normal(size=rows.shape)
    found = places(inputs, xyz, np.ones(len(xyz)), old)
    np.testing.assert_allclose(found[:, 5:8], old[:, 5:8], atol=1e-9)


def test_scales_are_those_that_made_the_errors():
    rng = np.random.default_rng(3)
    inputs = rng.uniform(-1, 1, size=(20000, 2))
    row = np.array([0.6, -0.4, -2.5])
    off = np.abs(rng.laplace(scale=np.exp(answers(inputs, row[None])[:, 0])))
    found = scales(inputs, off, np.ones(len(off)), np.zeros(3))
    np.testing.assert_allclose(found, row, atol=0.05)  # 4 standard errors of 20,000 draws


def test_the_likelihoods_derivative_is_that_of_the_likelihood():
    rng = np.random.default_rng(4)
    A, off = rng.normal(size=(30, 4)), rng.exponential(size=30)
    share = np.full(30, 1 / 30)
    value, slope = (lambda r, k=k: likely(r, A, off, share)[k] for k in (0, 1))
    assert check_grad(value, slope, 0.3 * rng.normal(size=4)) < 1e-6


def test_only_the_joints_own_rows_change_and_they_become_right():
    network, rng = tiny(), np.random.default_rng(5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    truth = rng.normal(size=(2, 3, 9))
    inputs = rng.normal(size=(300, 2, 8))
    xyz = np.stack([answers(inputs[:, k], truth[k]) for k in (0, 1)], axis=1)
    learn_anew(network, [HEAD, TOE], Readings(inputs, xyz, np.ones((300, 2))))
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.2.weight", "head.2.bias"}
    for name in changed:
        old, new = (state[name].view(6, 21, -1) for state in (before, network.state_dict()))
        same = (old == new).all(dim=2)
        assert same[0].all()  # heat maps
        assert sorted(torch.nonzero(~same.all(dim=0)).flatten().tolist()) == sorted([HEAD, TOE])
    np.testing.assert_allclose(network.head[2].weight.view(6, 21, 8)[1:4, HEAD].detach(), truth[0, :, :-1], atol=1e-3)


def test_what_nobody_tells_anything_of_is_refused():
    inputs, _, xyz = linear()
    nothing = Readings(inputs[:, None], xyz[:, None], np.zeros((len(xyz), 1)))
    with pytest.raises(ConfigError, match="head"):
        learn_anew(tiny(), [HEAD], nothing)


def test_readings_answer_what_the_loss_reads():
    network, rng = tiny(), np.random.default_rng(6)
    heat = torch.zeros(3, 21, 8, 8)
    heat[:, :, 4, 4] = 1
    known = torch.zeros(3, 21)
    known[:, HEAD] = 1
    batch = {
        "rgb": torch.from_numpy(rng.integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)),
        "heat": heat,
        "heat_weight": known,
        "xyz": torch.from_numpy(rng.normal(size=(3, 21, 3)).astype(np.float32)),
        "xyz_weight": known,
    }
    readings = read(network, [batch], [HEAD])
    weight, bias = (p.detach().double().numpy().reshape(6, 21, -1)[1:4, HEAD] for p in network.head[2].parameters())
    off = np.abs(answers(readings.inputs[:, 0], np.column_stack([weight, bias])) - readings.xyz_m[:, 0]).sum(axis=1)
    with torch.autocast("cpu", torch.bfloat16):
        terms = lift_loss(network(batch["rgb"].permute(0, 3, 1, 2) / 255 - 0.5), batch)
    assert off.mean() == pytest.approx(float(terms["read"]), rel=0.01)  # bf16 maps there, float32 averages here


def test_errors_told_are_of_the_crops_that_say_where_the_joint_is():
    """Of four crops two are trusted, one of them half: 100 and 300 mm off; the others would be 9 m off."""
    network, inputs = tiny(), np.random.default_rng(7).normal(size=(4, 2, 8))
    xyz = np.stack([answers(inputs[:, k], rows_of(network, joint)[1:4]) for k, joint in enumerate((HEAD, TOE))], axis=1)
    xyz[:, 0, 1] += [0.1, 0.3, 9.0, 9.0]
    trust = np.array([[1.0, 0], [0.5, 0], [0, 0], [0, 0]])
    told = errors_mm(network, Readings(inputs, xyz, trust), [HEAD, TOE])
    np.testing.assert_allclose(told, [200.0, np.nan], rtol=1e-6)


def write_lifter(path):
    state = {k: v.numpy() for k, v in tiny().state_dict().items()}
    save_weights(path, state, {"network": "vnect_resnet18", "config": asdict(TINY), "scores": {"kept": 1}})
    return path


def test_the_command_writes_weights_whose_card_tells_what_was_done(tmp_path, capsys):
    write_people(tmp_path / "people")
    old, new = write_lifter(tmp_path / "old.safetensors"), tmp_path / "new.safetensors"
    words = ["--set", "data.coco=''", "--set", "loop.samples=8", "--set", "loop.batch=4", "--workers", "0"]
    words += ["--set", "lesson.augment.half=0", "--data", str(tmp_path), "--weights", str(old), "-o", str(new)]
    assert main([*words, "--joints", "left_hip,left_knee"]) == 0
    a, b = (load_weights(path, "vnect_resnet18") for path in (old, new))
    assert {name for name in a.tensors if not np.array_equal(a.tensors[name], b.tensors[name])} <= {
        "head.2.weight",
        "head.2.bias",
    }
    assert b.card["scores"] == {"kept": 1}
    assert b.card["rows_learnt_anew"]["joints"] == "left_hip,left_knee"
    assert main([*words, "--joints", "left_hop"]) == 2
    assert "left_hop" in capsys.readouterr().err


def test_a_card_that_describes_no_network_is_one_line(tmp_path, capsys):
    old = tmp_path / "old.safetensors"
    state = {k: v.numpy() for k, v in tiny().state_dict().items()}
    save_weights(old, state, {"network": "vnect_resnet18", "config": {**asdict(TINY), "depth": 3}})
    words = ["--data", str(tmp_path), "--weights", str(old), "-o", str(tmp_path / "new.safetensors"), "--joints", "left_hip"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "depth" in line
