"""The detector's loss: all stages, summed over the known cells, per image (Cao et al. 2019, equation 5).

Summed, not averaged: with a mean over cells the few that hold a joint hardly count and the maps stay at zero. Fields are taught
by a squared error; heat maps by what the network's `head` says they are (pose2d.network.HEADS, compared in docs/heads.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pose2d.network import spatial_logits
from posecore.errors import ConfigError

LEAST = 100  # cells of a picture taken for full when fewer are, so that an empty picture still teaches what is nothing


@dataclass(frozen=True)
class PoseLossConfig:
    """Which empty cells count, per picture and kind of map, in multiples of its full ones; both 0: all of them."""

    hard_negatives: float = 0.0  # this many times the full cells, the worst of the empty ones
    random_negatives: float = 0.0  # this many times the full cells, drawn from the other empty ones


def pose_loss(
    pafs: list[Tensor],
    heats: list[Tensor],
    target: dict[str, Tensor],
    head: str = "squared",
    config: PoseLossConfig = PoseLossConfig(),
) -> dict[str, Tensor]:
    """Loss terms of the stages' maps against target paf (B, 38, h, w), heat (B, 19, h, w) where their masks are true.

    target: paf, heat, paf_known, heat_known. Returns `total` and the last stages' `paf` and `heat`, all per image. ConfigError
    for negatives chosen by cell under a head that has no single cells.
    """
    paf = [_of_cells(squared(m, target["paf"]), target["paf"] != 0, target["paf_known"], config) for m in pafs]
    heat = [heat_loss(maps, target, head, config) for maps in heats]
    total = sum(paf[1:] + heat, start=paf[0])
    return {"total": total, "paf": paf[-1].detach(), "heat": heat[-1].detach()}


def squared(maps: Tensor, target: Tensor) -> Tensor:
    """Squared error of every cell."""
    return (maps.float() - target).square()


def binary(maps: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every cell on its own, less the target's entropy, so that the truth has loss 0."""
    error = functional.binary_cross_entropy_with_logits(maps.float(), target, reduction="none")
    return error + torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target)


def spatial(maps: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """(B,) Kullback-Leibler divergence over the known cells of each joint and the place `nowhere`, summed over the joints.

    The target is the joint's heat over its sum, whatever the number of people; nowhere, where nobody's joint is known to be.
    """
    logits = spatial_logits(maps)[:, :-1].masked_fill(~_with_nowhere(known[:, :-1]), -torch.inf)
    heat = (target * known)[:, :-1].flatten(2)
    total = heat.sum(dim=2, keepdim=True)
    wanted = torch.cat([heat / total.clamp(min=1e-9), (total == 0).float()], dim=2)
    log_share = logits.log_softmax(dim=2).masked_fill(wanted == 0, 0.0)
    return (torch.xlogy(wanted, wanted) - wanted * log_share).sum(dim=(1, 2))


def _with_nowhere(known: Tensor) -> Tensor:
    """(B, C, h, w) masks to (B, C, h w + 1): nowhere is always a possible place."""
    flat = known.flatten(2)
    return torch.cat([flat, torch.ones_like(flat[..., :1])], dim=2)


def heat_loss(maps: Tensor, target: dict[str, Tensor], head: str, config: PoseLossConfig = PoseLossConfig()) -> Tensor:
    """Loss of one stage's heat maps (B, 19, h, w) under a head, per image; target and errors as for `pose_loss`."""
    heat, known = target["heat"], target["heat_known"]
    if head == "spatial":
        if config.hard_negatives or config.random_negatives:
            raise ConfigError(
                "the spatial head has one distribution a joint and no empty cells to choose; set both negatives to 0"
            )
        return spatial(maps, heat, known).mean()
    error = squared(maps, heat) if head == "squared" else binary(maps, heat)
    full = torch.cat([heat[:, :-1] > 0, heat[:, -1:] < 1], dim=1)  # the background is empty where it is whole
    return _of_cells(error, full, known, config)


def _of_cells(error: Tensor, full: Tensor, known: Tensor, config: PoseLossConfig) -> Tensor:
    """Sum over the cells (B, C, h, w) that count, per image."""
    if not config.hard_negatives and not config.random_negatives:
        return (error * known).sum() / len(error)
    flat, full, empty = error.flatten(1), (full & known).flatten(1), (~full & known).flatten(1)
    unit = full.sum(dim=1, keepdim=True).clamp(min=LEAST)
    hard = _highest(flat.detach(), empty, config.hard_negatives * unit)
    drawn = _highest(torch.rand_like(flat), empty & ~hard, config.random_negatives * unit)
    return (flat * (full | hard | drawn)).sum() / len(error)


def _highest(value: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """(B, N) flags of the (B, 1) `count` highest values of each row among the flagged ones."""
    order = value.masked_fill(~among, -torch.inf).argsort(dim=1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    return (rank < count) & among
