import itertools

import numpy as np
import pytest
import torch
from torch import nn

from pose2d.loss import pose_loss
from pose2d.targets import encode, known_channels
from tests.people2d import crowd

CELLS = 38


def target(people=2, seed=0):
    """The targets of one picture of CELLS x CELLS cells, as tensors with a batch axis; one joint of the first is unlabelled."""
    xy_px, valid = crowd(people, (CELLS * 8, CELLS * 8), 200, seed), np.ones((people, 18), dtype=bool)
    valid[0, 4] = False
    box = np.concatenate([xy_px.min(axis=1), xy_px.max(axis=1)], axis=1)
    names = ("heat", "paf", "heat_known", "paf_known")
    maps = (*encode(xy_px, valid, (CELLS, CELLS), 8), *known_channels(box, valid, (CELLS, CELLS), 8))
    return {name: torch.from_numpy(m)[None] for name, m in zip(names, maps, strict=True)}


def maps_of(truth):
    """Random maps of two stages of fields and one of heat."""
    generator = torch.Generator().manual_seed(0)
    pafs = [torch.randn(truth["paf"].shape, generator=generator, requires_grad=True) for _ in range(2)]
    return pafs, [torch.randn(truth["heat"].shape, generator=generator, requires_grad=True)]


def test_the_loss_is_the_sum_of_squares_of_all_stages_over_the_known_cells():
    truth = target()
    pafs, heats = maps_of(truth)
    losses = pose_loss(pafs, heats, truth)
    wanted = 0.0
    for maps, name in ((pafs[0], "paf"), (pafs[1], "paf"), (heats[0], "heat")):
        known = truth[f"{name}_known"].numpy()
        wanted += np.square(maps.detach().numpy() - truth[name].numpy())[known].sum()
    assert losses["total"].item() == pytest.approx(wanted, rel=1e-5)
    assert losses["total"].item() > (losses["paf"] + losses["heat"]).item()


def test_what_is_unknown_gives_no_gradient_and_what_is_known_does():
    truth = target()
    pafs, heats = maps_of(truth)
    pose_loss(pafs, heats, truth)["total"].backward()
    for maps, name in ((pafs[0], "paf"), (pafs[1], "paf"), (heats[0], "heat")):
        known = truth[f"{name}_known"]
        assert not known.all()
        assert not maps.grad[~known].any()
        torch.testing.assert_close(maps.grad[known], 2 * (maps - truth[name])[known])


def test_the_loss_is_per_image():
    truth = target()
    pafs, heats = maps_of(truth)
    one = pose_loss(pafs, heats, truth)["total"]
    thrice = pose_loss(
        [p.expand(3, -1, -1, -1) for p in pafs],
        [h.expand(3, -1, -1, -1) for h in heats],
        {name: value.expand(3, -1, -1, -1) for name, value in truth.items()},
    )
    assert thrice["total"].item() == pytest.approx(one.item(), rel=1e-5)


def highest_peak_learnt(reduction):
    """The height at three joints after a short training, on a picture that shows each of them as a dot of its own colour."""
    torch.manual_seed(0)
    joints = target()["heat"][:, :-1]
    shown = [0, 7, 10]
    widths = [3, 8, 8, 8]
    hidden = [m for a, b in itertools.pairwise(widths) for m in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(*hidden, nn.Conv2d(8, 18, 3, padding=1))
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=5e-4)  # the article's decay
    for _ in range(300):
        optimiser.zero_grad()
        error = (network(joints[:, shown]) - joints).square()
        (error.sum() if reduction == "sum" else error.mean()).backward()
        optimiser.step()
    return network(joints[:, shown])[0, shown].amax().item()


def test_a_mean_over_the_cells_stalls_where_the_sum_learns():
    """With the mean, gradients are 4e-5 of the sum's: weight decay wins and the maps stay at zero, as pose_loss says."""
    assert highest_peak_learnt("sum") > 0.7
    assert highest_peak_learnt("mean") < 0.1
