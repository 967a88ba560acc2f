"""What heat maps may be (squared, binary, spatial) and which empty cells may count: laws and slow twins."""

import math

import numpy as np
import pytest
import torch

from pose2d.codec import decode
from pose2d.loss import LEAST, PoseLossConfig, pose_loss
from pose2d.network import HEADS, SPATIAL_GAIN, OpenPoseLight, PoseConfig, heat_of
from posecore.errors import ConfigError
from tests.people2d import crowd
from tests.test_pose2d_loss import CELLS, maps_of, target


def logit(p):
    return np.log(p) - np.log1p(-p)


def perfect_maps(heat, head):
    """What a network of this head that knows everything says about heat (B, 19, h, w)."""
    heat = heat.double().numpy()
    if head == "binary":
        return torch.from_numpy(logit(np.clip(heat, 1e-12, 1 - 1e-12)))
    if head == "spatial":
        share = heat / np.maximum(heat.sum(axis=(2, 3), keepdims=True), 1e-9)
        return torch.from_numpy(
            (np.log(np.maximum(share, 1e-30)) + 40.0 * (share.sum(axis=(2, 3), keepdims=True) > 0)) / SPATIAL_GAIN
        )
    return torch.from_numpy(heat)


def slow_binary(maps, heat, known):
    """Cell by cell: the divergence of two coins."""
    total = 0.0
    for m, t, k in zip(maps.ravel(), heat.ravel(), known.ravel(), strict=True):
        if k:
            p = 1 / (1 + math.exp(-m))
            total += (t * math.log(t / p) if t > 0 else 0) + ((1 - t) * math.log((1 - t) / (1 - p)) if t < 1 else 0)
    return total


def slow_spatial(maps, heat, known):
    """Joint by joint: the divergence of two lists of places, the last of which is nowhere."""
    total = 0.0
    for joint in range(18):
        cells = [tuple(c) for c in np.argwhere(known[joint])]
        weights = [math.exp(SPATIAL_GAIN * maps[joint][c]) for c in cells] + [1.0]
        heats = [float(heat[joint][c]) for c in cells]
        heats.append(0.0 if sum(heats) > 0 else 1.0)
        for w, t in zip(weights, heats, strict=True):
            share = t / sum(heats)
            total += share * math.log(share / (w / sum(weights))) if share > 0 else 0
    return total


@pytest.mark.parametrize(("head", "slow"), [("binary", slow_binary), ("spatial", slow_spatial)])
def test_cross_entropies_equal_their_slow_twins(head, slow):
    truth = target()
    truth["heat_known"][0, 3] = False  # a joint of which nothing is known
    truth["heat"][0, 6] = 0  # and one that nobody has
    _, heats = maps_of(truth)
    found = pose_loss([truth["paf"]], heats, truth, head)["heat"].item()
    wanted = slow(heats[0].detach()[0].double().numpy(), truth["heat"][0].double().numpy(), truth["heat_known"][0].numpy())
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_the_truth_has_no_loss_and_comes_back_as_people(head):
    truth = target()
    maps = perfect_maps(truth["heat"], head)
    assert pose_loss([truth["paf"]], [maps.float()], truth, head)["total"].item() == pytest.approx(0, abs=2e-3)
    xy_px = crowd(2, (CELLS * 8, CELLS * 8), 200, 0)
    xy_px[0, 4] = np.nan
    heat = heat_of(maps.float(), head)[0].numpy()
    assert 0 <= heat.min() <= heat.max() <= 1
    people = sorted(decode(heat, truth["paf"][0].numpy(), 8), key=lambda p: np.nanmean(p.xy_px[:, 0]))
    for person, wanted in zip(people, xy_px, strict=True):
        np.testing.assert_allclose(person.xy_px, wanted, atol=0.1)


@pytest.mark.parametrize("head", HEADS)
def test_what_is_unknown_gives_no_gradient_under_any_head(head):
    truth = target()
    pafs, heats = maps_of(truth)
    pose_loss(pafs, heats, truth, head)["total"].backward()
    known = truth["heat_known"].clone()
    assert not heats[0].grad[~known].any()
    assert heats[0].grad[known].abs().max() > 0


def test_a_joint_nobody_has_is_cold_under_the_spatial_head():
    heat = torch.zeros(1, 19, 6, 6)
    cold = heat_of(torch.full_like(heat, -1.0), "spatial")
    assert cold[:, :-1].max() < 0.02
    warm = torch.full_like(heat, -1.0)
    warm[0, 0, 2, 2] = 1.0
    assert heat_of(warm, "spatial")[0, 0, 2, 2] > 0.98
    assert heat_of(warm, "spatial")[0, 18, 2, 2] < 0.02  # no background there


def chosen_cells(maps, truth, name, config, head="squared"):
    """Which cells of a map have a gradient."""
    leaf = maps.clone().requires_grad_()
    pafs, heats = ([leaf], [truth["heat"]]) if name == "paf" else ([truth["paf"]], [leaf])
    torch.manual_seed(0)
    pose_loss(pafs, heats, truth, head, config)["total"].backward()
    return leaf.grad[0] != 0


def empty_and_full(truth, name):
    full = truth[name][0] != 0
    if name == "heat":
        full[-1] = truth["heat"][0, -1] < 1
    known = truth[f"{name}_known"][0]
    return ~full & known, full & known


@pytest.mark.parametrize("name", ["heat", "paf"])
@pytest.mark.parametrize("head", ["squared", "binary"])
def test_negatives_are_so_many_and_the_hard_ones_the_worst(name, head):
    truth = target()
    maps = truth[name] + 3 * torch.rand(truth[name].shape, generator=torch.Generator().manual_seed(1))
    empty, full = empty_and_full(truth, name)
    hard = chosen_cells(maps, truth, name, PoseLossConfig(hard_negatives=2.0), head)
    assert hard[full].all()
    assert hard[empty].sum() == 2 * full.sum()
    assert not hard[~(empty | full)].any()
    if head == "squared" or name == "paf":
        error = (maps - truth[name])[0].square()
        assert error[empty & hard].min() >= error[empty & ~hard].max()
    drawn = chosen_cells(maps, truth, name, PoseLossConfig(random_negatives=2.0), head)
    assert drawn[empty].sum() == 2 * full.sum()
    by_chance = float(2 * full.sum()) ** 2 / float(empty.sum())
    assert 0.5 * by_chance < (drawn & hard & empty).sum() < 2 * by_chance
    both = chosen_cells(maps, truth, name, PoseLossConfig(2.0, 1.0), head)
    assert both[empty].sum() == 3 * full.sum()
    assert both[hard].all()


def test_more_negatives_than_there_are_is_all_of_them():
    truth = target()
    pafs, heats = maps_of(truth)
    every = pose_loss(pafs, heats, truth)["total"]
    for config in (PoseLossConfig(hard_negatives=1e6), PoseLossConfig(random_negatives=1e6), PoseLossConfig(1.0, 1e6)):
        assert pose_loss(pafs, heats, truth, config=config)["total"].item() == pytest.approx(every.item(), rel=1e-6)


def test_an_empty_picture_still_teaches_what_is_nothing():
    truth = {k: torch.zeros_like(v) for k, v in target().items()} | {k: v | True for k, v in target().items() if "known" in k}
    truth["heat"][:, -1] = 1
    maps = torch.rand(truth["heat"].shape)
    assert chosen_cells(maps, truth, "heat", PoseLossConfig(hard_negatives=1.5)).sum() == 1.5 * LEAST


def test_what_makes_no_sense_is_refused():
    truth = target()
    pafs, heats = maps_of(truth)
    with pytest.raises(ConfigError, match="spatial"):
        pose_loss(pafs, heats, truth, "spatial", PoseLossConfig(hard_negatives=1.0))
    with pytest.raises(ConfigError, match="binary"):
        PoseConfig(head="sigmoid")


@pytest.mark.parametrize("head", HEADS)
def test_a_network_of_any_head_gives_heat(head):
    config = PoseConfig(width=8, channels=16, block_width=8, head=head)
    with torch.inference_mode():
        _, heats = OpenPoseLight(config).eval()(torch.zeros(1, 3, 64, 64))
        heat = heat_of(heats[-1], config.head)
    assert heat.shape == (1, 19, 8, 8)
    assert head == "squared" or 0 <= heat.min() <= heat.max() <= 1
