"""Which parameters a training moves, and how fast: the trunk's share of the rate, frozen blocks, resuming."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lift3d.network import LiftConfig, VNectResNet18
from lift3d.network50 import VNectResNet50
from pose2d.network import OpenPoseLight, PoseConfig
from pose2d.vgg import OpenPoseVgg19
from posecore.errors import ConfigError, InputError
from training.loop import LoopConfig, Trainer, is_feature, make_optimizer
from training.shared import SharedNetwork
from training.stream import batches


class CropTask:
    """Push the maps of random crops towards zero; only the optimizer's doings matter."""

    def batches(self, config, seen):
        def make(i, rng):
            return {"image": rng.normal(size=(3, 32, 32)).astype(np.float32)}

        return batches(make, config.batch, config.seed, seen, config.samples, workers=0)

    def loss(self, network, batch):
        return {"total": network(batch["image"]).square().mean()}

    def evaluate(self, network):
        return {"mean": float(network(torch.zeros(1, 3, 32, 32)).mean())}


FROZEN = LoopConfig(samples=8, batch=2, learning_rate=0.01, trunk_rate=0.25, freeze_blocks=3, warmup_steps=1, threads=1)


def lite_trainer(folder, **changes):
    torch.manual_seed(3)
    network = VNectResNet18(LiftConfig(name="vnect_lite0", channels=8))
    return Trainer(CropTask(), network, replace(FROZEN, **changes), folder)


def rates(trainer):
    """Learning rate of every trained parameter by name."""
    names = {id(p): name for name, p in trainer.network.named_parameters()}
    return {names[id(p)]: group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}


def test_the_trunk_has_its_own_share_of_the_rate_and_frozen_blocks_have_none(tmp_path):
    trainer = lite_trainer(tmp_path)
    trainer._one_step(next(CropTask().batches(FROZEN, 0)))
    by_name = rates(trainer)
    for name, rate in by_name.items():
        assert rate == pytest.approx(0.01 * (0.25 if ".backbone." in name else 1.0)), name
    trained = {name.removeprefix("trunk.backbone.") for name in by_name}
    assert not any(name.startswith(("stem.", "blocks.0.", "blocks.1.", "blocks.2.")) for name in trained)
    assert any(name.startswith("blocks.3.") for name in trained)
    assert len(by_name) == sum(p.requires_grad for p in trainer.network.parameters())


def test_frozen_blocks_stay_put_through_training_averaging_and_resuming(tmp_path):
    start = {k: v.clone() for k, v in lite_trainer(tmp_path / "other").network.state_dict().items()}
    lite_trainer(tmp_path / "run", samples=4).run(lambda line: None)
    trainer = lite_trainer(tmp_path / "run")
    assert trainer.seen == 4
    trainer.run(lambda line: None)
    for state in (trainer.network.state_dict(), trainer.ema.state):
        same = {k for k, v in start.items() if torch.equal(state[k], v)}
        frozen = {
            k for k in start if k.removeprefix("trunk.backbone.").startswith(("stem.", "blocks.0.", "blocks.1.", "blocks.2."))
        }
        assert frozen <= same
        assert "trunk.backbone.blocks.3.expand.0.weight" not in same
        assert "trunk.backbone.blocks.3.expand.1.running_mean" not in same


def test_a_resumed_run_takes_todays_rates(tmp_path):
    lite_trainer(tmp_path, samples=4).run(lambda line: None)
    trainer = lite_trainer(tmp_path, trunk_rate=0.5, weight_decay=0.3)
    assert {g["share"] for g in trainer.optimizer.param_groups} == {0.5, 1.0}
    assert {g["weight_decay"] for g in trainer.optimizer.param_groups} == {0.3, 0.0}


def test_a_run_resumed_with_other_frozen_blocks_is_one_clear_line(tmp_path):
    lite_trainer(tmp_path, samples=4).run(lambda line: None)
    with pytest.raises(InputError, match="frozen blocks") as error:
        lite_trainer(tmp_path, freeze_blocks=5)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("network", "features"),
    [
        (lambda: VNectResNet18(LiftConfig(width=8, channels=16)), "trunk.resnet."),
        (lambda: VNectResNet18(LiftConfig(name="vnect_lite0", channels=8)), "trunk.backbone."),
        (VNectResNet50, "trunk."),
        (lambda: OpenPoseLight(PoseConfig(width=8, channels=16)), "trunk.resnet."),
        (lambda: OpenPoseVgg19(PoseConfig("openpose_vgg19", channels=16, blocks=1, block_width=8)), "trunk.vgg."),
        (lambda: SharedNetwork(LiftConfig(width=8, channels=16), PoseConfig(width=8, channels=16)), "lifter.trunk.resnet."),
    ],
    ids=["resnet18", "lite0", "resnet50", "detector", "vgg19", "shared"],
)
def test_every_network_s_features_take_the_trunk_s_share_and_nothing_else_does(network, features):
    with torch.device("meta"):
        made = network()
    optimizer = make_optimizer(made, LoopConfig(trunk_rate=0.25, weight_decay=0.3))
    shares = {id(p): (g["share"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    named = dict(made.named_parameters())
    assert len(shares) == len(named)
    for name, p in named.items():
        assert shares[id(p)] == (0.25 if name.startswith(features) else 1.0, 0.3 if p.ndim > 1 else 0.0), name


@pytest.mark.parametrize(
    ("network", "settings", "expected"),
    [
        (nn.Linear(1, 1), {"trunk_rate": 0.5}, r"loop\.trunk_rate=0\.5"),
        (VNectResNet18(LiftConfig(width=8, channels=16)), {"freeze_blocks": 3}, r"loop\.freeze_blocks=3"),
    ],
    ids=["no trunk", "nothing to freeze"],
)
def test_what_would_change_nothing_is_one_clear_line(tmp_path, network, settings, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        Trainer(CropTask(), network, LoopConfig(**settings), tmp_path)
    assert "\n" not in str(error.value)


def in_two_groups(trainer):
    """The trainer as it was when only EfficientNet's features had groups of their own."""
    trained = list(trainer.network.parameters())
    groups = [{"params": [p for p in trained if (p.ndim > 1) == big], "weight_decay": d, "share": 1.0} for big, d in DECAYS]
    trainer.optimizer = torch.optim.AdamW(groups, lr=0.01)
    return trainer


DECAYS = ((True, 0.02), (False, 0.0))


def resnet_trainer(folder, **changes):
    torch.manual_seed(3)
    network = VNectResNet18(LiftConfig(width=8, channels=8))
    return Trainer(CropTask(), network, replace(FROZEN, freeze_blocks=0, **changes), folder)


def test_a_run_of_before_goes_on_with_every_parameter_s_own_state(tmp_path):
    before = in_two_groups(resnet_trainer(tmp_path, samples=4))
    before.run(lambda line: None)
    after = resnet_trainer(tmp_path)
    assert (before.step, after.step) == (2, 2)
    for (name, old), new in zip(before.network.named_parameters(), after.network.parameters(), strict=True):
        for key, value in before.optimizer.state[old].items():
            torch.testing.assert_close(after.optimizer.state[new][key], value, rtol=0, atol=0, msg=f"{name} {key}")
    after._one_step(next(CropTask().batches(FROZEN, 4)))
    shares = {name: rate / 0.01 for name, rate in rates(after).items()}
    assert {name: share / max(shares.values()) for name, share in shares.items()} == {
        name: pytest.approx(0.25 if is_feature(name) else 1.0) for name in shares
    }
