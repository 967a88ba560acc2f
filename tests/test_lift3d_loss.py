"""The lifter's losses: what each term costs, where it teaches, and what stays unknown."""

import numpy as np
import pytest
import torch

from lift3d import codec
from lift3d.loss import NEAR, LiftLossConfig, lift_loss, vnect_loss
from lift3d.network50 import VNectMaps
from posecore.skeleton import load_skeleton

CELLS = 32


def perfect_logits(heat):
    """Logits whose softmax is the target itself."""
    return (np.log(heat + 1e-12) / codec.LOGIT_GAIN).astype(np.float64)


def random_target(seed=0):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(30, 220, (2, 21, 2))
    heat = np.stack([codec.encode_heat(p, CELLS) for p in xy])
    return {
        "heat": torch.from_numpy(heat),
        "heat_weight": torch.ones(2, 21),
        "xyz": torch.from_numpy(rng.normal(size=(2, 21, 3)).astype(np.float32)),
        "xyz_weight": torch.ones(2, 21),
    }


def test_unknown_joints_give_no_gradient():
    target = random_target()
    target["heat_weight"][:, 5] = 0
    target["xyz_weight"][:, 7] = 0
    maps = torch.randn(2, 6, 21, CELLS, CELLS, requires_grad=True)
    lift_loss(maps, target)["total"].backward()
    assert maps.grad is not None
    assert maps.grad[:, 0, 5].abs().max() == 0
    assert maps.grad[:, 1:, 7].abs().max() == 0
    assert maps.grad[:, 0, 7].abs().max() > 0
    assert maps.grad[:, 1:, 5].abs().max() > 0


def test_a_perfect_answer_has_the_least_loss():
    target = random_target(1)
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    maps[:, 0] = torch.from_numpy(perfect_logits(target["heat"].numpy()))
    maps[:, 1:4] = target["xyz"].permute(0, 2, 1)[..., None, None]
    terms = lift_loss(maps, target)
    entropy = np.log(2 * np.pi * np.e)  # of the target itself: a Gaussian of one cell
    assert float(terms["heat"]) == pytest.approx(entropy, abs=0.01)
    assert float(terms["location"]) == pytest.approx(0, abs=1e-6)


def published_maps(target, length_off=0.0):
    """What the published network should say, and its early maps saying nothing."""
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    maps[:, 0] = torch.from_numpy(perfect_logits(target["heat"].numpy()))
    maps[:, 1:4] = target["xyz"].permute(0, 2, 1)[..., None, None]
    bone = target["xyz"] - target["xyz"][:, list(load_skeleton("vnect21").parent)]
    delta = bone.permute(0, 2, 1)[..., None, None].expand(-1, -1, -1, CELLS, CELLS).clone()
    return VNectMaps(
        maps, delta, delta.norm(dim=1) + length_off, [torch.zeros_like(maps, requires_grad=True) for _ in range(2)]
    )


def test_bones_are_learnt_only_where_both_ends_are_known():
    target = random_target(3)
    target["xyz_weight"][:, 3] = 0  # the right elbow: parent of the wrist, child of the shoulder
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    delta = torch.zeros(2, 3, 21, CELLS, CELLS, requires_grad=True)
    length = torch.zeros(2, 21, CELLS, CELLS, requires_grad=True)
    vnect_loss(VNectMaps(maps, delta, length, []), target)["total"].backward()
    for grad in (delta.grad, length.grad[:, None]):
        assert grad[:, :, [3, 4]].abs().max() == 0
        assert grad[:, :, 6].abs().max() > 0


def test_right_bones_cost_nothing_and_a_length_off_by_a_decimetre_is_measured():
    target = random_target(4)
    right, off = (vnect_loss(published_maps(target, by), target) for by in (0.0, 0.1))
    assert float(right["bone"]) == pytest.approx(0, abs=1e-6)
    assert float(right["length"]) == pytest.approx(0, abs=1e-6)
    assert float(off["length"]) == pytest.approx(0.1, abs=1e-6)
    assert float((off["total"] - right["total"]).detach()) == pytest.approx(LiftLossConfig().length * 0.1, abs=1e-4)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_intermediate_maps_are_supervised_by_their_weight(weight):
    target = random_target(5)
    output, config = published_maps(target), LiftLossConfig(intermediate=weight)
    total = vnect_loss(output, target, config)["total"]
    plain = vnect_loss(VNectMaps(output.maps, output.delta, output.length, []), target, config)["total"]
    early = sum(lift_loss(maps, target, config)["total"] for maps in output.intermediate)
    torch.testing.assert_close(total, plain + weight * early)
    total.backward()
    assert all((maps.grad.abs().max() > 0) == (weight > 0) for maps in output.intermediate)


def test_locations_are_taught_at_the_joint_or_everywhere():
    target = random_target(6)
    joint = np.unravel_index(target["heat"][0, 2].argmax(), (CELLS, CELLS))
    far = ((joint[0] + 16) % CELLS, (joint[1] + 16) % CELLS)
    shares = {}
    for under_heat in (True, False):
        maps = torch.zeros(2, 6, 21, CELLS, CELLS, requires_grad=True)
        lift_loss(maps, target, LiftLossConfig(heat=0, scale=0, read=0, under_heat=under_heat))["total"].backward()
        grad = maps.grad[0, 1, 2].abs()
        shares[under_heat] = float(grad[far] / grad[joint])
    assert shares[True] < 1e-6
    assert shares[False] == pytest.approx(1)


def test_the_read_term_is_the_error_of_what_the_codec_reads():
    target = random_target(8)
    maps = torch.from_numpy(np.random.default_rng(8).normal(scale=0.3, size=(2, 6, 21, CELLS, CELLS)))
    pelvis = load_skeleton("vnect21").root
    errors = []
    for one, truth in zip(maps.numpy(), target["xyz"].numpy(), strict=True):
        origin = codec.read_mean(one[1:4], codec.softmax_heat(one[0]))[pelvis]
        errors.append(np.abs(codec.decode(one, pelvis)[2] + origin - truth).sum(axis=1).mean())
    assert float(lift_loss(maps, target)["read"]) == pytest.approx(np.mean(errors), rel=1e-5)


def test_the_read_term_draws_the_heat_to_where_the_location_is_right():
    target = random_target(9)
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    maps[:, 1:4] = 1.0
    maps[:, 1:4, :, 5, 9] = target["xyz"].permute(0, 2, 1)
    maps.requires_grad_()
    lift_loss(maps, target, LiftLossConfig(heat=0, location=0, scale=0))["total"].backward()
    assert bool((maps.grad[:, 0].flatten(2).argmin(dim=2) == 5 * CELLS + 9).all())


def test_location_loss_is_the_same_for_a_constant_error_wherever_it_counts():
    target = random_target(7)
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    maps[:, 1:4] = target["xyz"].permute(0, 2, 1)[..., None, None] + 0.02
    for under_heat in (True, False):
        assert float(lift_loss(maps, target, LiftLossConfig(under_heat=under_heat))["location"]) == pytest.approx(
            0.06, rel=1e-4
        )


def test_softmax_maps_turn_into_vnects_gaussians_of_height_one():
    xy = np.array([[cell * 8 + 3.5, 100 + 3.5 - 4] for cell in (10, 20)])  # in the middle of their cells
    logits = perfect_logits(codec.encode_heat(xy, CELLS))
    heat = codec.vnect_heat(logits)
    y, x = np.mgrid[0:CELLS, 0:CELLS]
    for joint, (cx, cy) in enumerate(codec.to_cells(xy)):
        np.testing.assert_allclose(heat[joint], np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2)), atol=1e-6)


def test_squared_error_of_the_gaussians_is_nothing_for_the_truth_and_the_gaussians_power_for_flat_maps():
    target = random_target(8)
    config = LiftLossConfig(squared=1.0)
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    flat = float(lift_loss(maps, target, config)["squared"])
    assert flat == pytest.approx(np.pi, rel=0.02)  # the integral of exp(-r^2), the flat map itself being all but nothing
    maps[:, 0] = torch.from_numpy(perfect_logits(target["heat"].numpy()))
    assert float(lift_loss(maps, target, config)["squared"]) == pytest.approx(0, abs=1e-6)
    assert "squared" not in lift_loss(maps, target)


def test_place_is_how_far_the_heat_lies_from_the_joint_whatever_lies_elsewhere():
    target = random_target(9)
    shift = np.array([4.0, -2.0])  # half a cell and a quarter
    xy = np.random.default_rng(9).uniform(30, 220, (2, 21, 2))
    target["heat"] = torch.from_numpy(np.stack([codec.encode_heat(p, CELLS) for p in xy]))
    heat = np.stack([codec.encode_heat(p + shift, CELLS) for p in xy])
    heat[:, :, 0, 0] += 0.5  # another peak, far from most joints; it has no say
    near = np.linalg.norm(codec.to_cells(xy), axis=2) < 5
    target["heat_weight"][torch.from_numpy(near)] = 0
    maps = torch.zeros(2, 6, 21, CELLS, CELLS)
    maps[:, 0] = torch.from_numpy(perfect_logits(heat))
    config = LiftLossConfig(place=1.0)
    # a Gaussian cut off where its height is h moves by its variance there, 1 + h ln(h) / (1 - h), of the way
    cut = 1 + NEAR * np.log(NEAR) / (1 - NEAR)
    assert float(lift_loss(maps, target, config)["place"]) == pytest.approx(0.75 * cut, rel=0.02)
    maps[:, 0] = torch.from_numpy(perfect_logits(target["heat"].numpy()))
    assert float(lift_loss(maps, target, config)["place"]) == pytest.approx(0, abs=1e-4)
    assert "place" not in lift_loss(maps, target)
