import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from backbones.runtime import OpenVinoRunner, TorchRunner, load_into, make_runner
from lift3d.network import LiftConfig, VNectResNet18
from pose2d.network import OpenPoseLight, PoseConfig
from posecore.errors import ConfigError, WeightsError
from posecore.weights import load_weights, save_weights
from training.loop import Ema, LoopConfig, Trainer, rate_at
from training.shared import SharedNetwork, split_shared
from training.stream import batches

SMALL_LIFT = LiftConfig(width=8, channels=16)
SMALL_POSE = PoseConfig(width=8, channels=16, block_width=8)


class LineTask:
    """Fit y = 3x - 1 from noisy points."""

    def make(self, i, rng):
        x = rng.normal(size=1).astype(np.float32)
        return {"x": x, "y": 3 * x - 1}

    def batches(self, config, seen):
        return batches(self.make, config.batch, config.seed, seen, config.samples, workers=0)

    def loss(self, network, batch):
        return {"total": (network(batch["x"]) - batch["y"]).square().mean()}

    def evaluate(self, network):
        return {"slope": float(network.weight.detach())}


CONFIG = LoopConfig(samples=160, batch=8, learning_rate=0.05, warmup_steps=2, ema_decay=0.5, threads=1, log_every_s=0.0)


def train(folder, samples=160):
    torch.manual_seed(0)
    trainer = Trainer(LineTask(), nn.Linear(1, 1), replace(CONFIG, samples=samples), folder)
    figures = trainer.run(lambda line: None)
    return trainer, figures


def test_learns_and_writes_log_and_curves(tmp_path):
    _, figures = train(tmp_path, samples=3200)
    assert figures["slope"] == pytest.approx(3, abs=0.05)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[0]["total"] > rows[-2]["total"]
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_short_run_without_anything_to_measure_on_ends_in_order(tmp_path):
    task = LineTask()
    task.evaluate = lambda network: {}
    trainer = Trainer(task, nn.Linear(1, 1), replace(CONFIG, log_every_s=1e9), tmp_path)
    assert trainer.run(lambda line: None) == {}
    assert trainer.step == 20
    assert not (tmp_path / "curves.png").exists()


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole, _ = train(tmp_path / "whole")
    part = Trainer(LineTask(), nn.Linear(1, 1), CONFIG, tmp_path / "part")
    torch.manual_seed(0)
    part.network.load_state_dict(nn.Linear(1, 1).state_dict())
    part.ema = Ema(part.network, CONFIG.ema_decay)
    for batch, _ in zip(LineTask().batches(CONFIG, 0), range(7), strict=False):
        part._one_step(batch)
    part.save()
    rest, _ = train(tmp_path / "part")
    for key, value in whole.ema.state.items():
        torch.testing.assert_close(rest.ema.state[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("batch", [2, 4, 8, 16, 40])
def test_a_run_that_goes_on_with_another_batch_sees_all_its_samples_and_ends_its_rate_there(tmp_path, batch):
    train(tmp_path, samples=80)
    trainer = Trainer(LineTask(), nn.Linear(1, 1), replace(CONFIG, batch=batch), tmp_path)
    rates = [trainer.progress]
    trainer.run(lambda line: rates.append(trainer.progress))
    assert trainer.seen == CONFIG.samples
    assert trainer.step == 10 + 80 // batch
    assert rates == sorted(rates)
    assert rates[-1] == trainer.progress == 1


def test_the_rate_falls_by_the_steps_after_the_warm_up(tmp_path):
    trainer = Trainer(LineTask(), nn.Linear(1, 1), CONFIG, tmp_path)
    for step, batch in enumerate(LineTask().batches(CONFIG, 0)):
        trainer._one_step(batch)
        expected = CONFIG.learning_rate * rate_at(step, max(0.0, (step - 2) / 18), CONFIG)  # 20 steps, 2 of warm-up
        assert trainer.optimizer.param_groups[0]["lr"] == expected


@pytest.mark.parametrize("every", [40, 104])
def test_the_figures_are_those_of_the_weights_a_run_ends_with_and_each_step_is_measured_once(tmp_path, every):
    torch.manual_seed(0)
    config = replace(CONFIG, evaluate_every=every)  # 160 samples: the last measuring is at the end, or 56 before it
    trainer = Trainer(LineTask(), nn.Linear(1, 1), config, tmp_path)
    figures = trainer.run(lambda line: None)
    assert figures["slope"] == float(trainer.ema.state["weight"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    seen = [row["seen"] for row in rows if "val_slope" in row]
    assert seen == ([40, 80, 120, 160] if every == 40 else [104, 160])


def test_average_of_constant_weights_is_themselves():
    network = nn.Linear(2, 2)
    ema = Ema(network, 0.9)
    for step in range(5):
        ema.update(network, step)
    torch.testing.assert_close(ema.state["weight"], network.weight.detach())


def test_rate_rises_then_falls_to_its_share():
    config = LoopConfig(warmup_steps=10, final_share=0.1)
    rates = [rate_at(s, (s - 10) / 90, config) for s in range(101)]
    assert rates[9] == 1
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0.1)


def test_a_time_limit_ends_a_run_and_takes_the_rate_down_with_the_clock(tmp_path, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr("training.loop.time.monotonic", lambda: float(next(clock)))
    config = replace(CONFIG, samples=80_000, time_limit_s=60.0)
    trainer = Trainer(LineTask(), nn.Linear(1, 1), config, tmp_path)
    trainer.run(lambda line: None)
    assert trainer.step == 60  # one second each by this clock, of 10,000
    assert trainer.progress >= 1
    assert trainer.optimizer.param_groups[0]["lr"] < 0.1 * CONFIG.learning_rate
    again = Trainer(LineTask(), nn.Linear(1, 1), config, tmp_path)
    again.run(lambda line: None)
    assert again.step == trainer.step  # its time was spent


def test_a_time_limit_is_refused_to_several_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("training.loop.place", lambda: (0, 2))
    with pytest.raises(ConfigError, match=r"set loop\.samples"):
        Trainer(LineTask(), nn.Linear(1, 1), replace(CONFIG, time_limit_s=60.0), tmp_path)


def test_examples_do_not_depend_on_where_a_run_starts():
    late = next(iter(batches(LineTask().make, 8, 1, 16, 64, workers=0)))
    whole = list(batches(LineTask().make, 8, 1, 0, 64, workers=0))
    torch.testing.assert_close(late["x"], whole[2]["x"])


def test_split_networks_answer_as_the_shared_one():
    torch.manual_seed(1)
    shared = SharedNetwork(SMALL_LIFT, SMALL_POSE).eval()
    lift_state, pose_state = split_shared(shared.state_dict())
    lifter, detector = VNectResNet18(SMALL_LIFT).eval(), OpenPoseLight(SMALL_POSE).eval()
    lifter.load_state_dict(lift_state)
    detector.load_state_dict(pose_state)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps, pafs, heats = shared(image)
        torch.testing.assert_close(lifter(image), maps)
        alone_pafs, alone_heats = detector(image)
    for a, b in zip([*pafs, *heats], [*alone_pafs, *alone_heats], strict=True):
        torch.testing.assert_close(a, b)


def test_weights_come_back_and_damage_is_noticed(tmp_path):
    network = VNectResNet18(SMALL_LIFT)
    path = tmp_path / "small.safetensors"
    save_weights(path, {k: v.numpy() for k, v in network.state_dict().items()}, {"network": "vnect_resnet18"})
    loaded = load_weights(path, "vnect_resnet18")
    again = load_into(VNectResNet18(SMALL_LIFT), loaded)
    for key, value in again.state_dict().items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, network.state_dict()[key], rtol=1e-3, atol=1e-6)  # float16 keeps 11 bits
    with pytest.raises(WeightsError, match="openpose_light"):
        load_weights(path, "openpose_light")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path, "vnect_resnet18")
    with pytest.raises(WeightsError, match="missing"):
        load_weights(tmp_path / "none.safetensors", "vnect_resnet18")


@pytest.mark.parametrize("kind", [TorchRunner, OpenVinoRunner])
def test_runners_give_the_networks_answer_in_numpy(kind):
    if kind is OpenVinoRunner:
        pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    network = VNectResNet18(SMALL_LIFT).eval()
    rgb = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    got = kind(network, lambda maps: maps)(rgb)
    with torch.inference_mode():
        plain = network(torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255 - 0.5).numpy()
    # bfloat16 has 8 bits; the maps' own size sets the scale of what it may lose over the layers
    np.testing.assert_allclose(got, plain, atol=0.05 * np.abs(plain).max())


def test_an_unknown_backend_is_refused():
    with pytest.raises(ConfigError, match="openvino"):
        make_runner(nn.Identity(), lambda x: x, "tensorrt")
