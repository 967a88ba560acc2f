"""The lifter's losses. Every joint of every source can be masked; an unknown joint gives no loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lift3d.codec import GAUSSIAN_MASS, LOGIT_GAIN, READ_POWER
from lift3d.network50 import VNectMaps
from posecore.skeleton import load_skeleton

PARENT = list(load_skeleton("vnect21").parent)
NEAR = 0.03  # share of the true heat map's height above which a cell is near the joint: within 2.6 cells


@dataclass(frozen=True)
class LiftLossConfig:
    """Weights of the terms."""

    heat: float = 1.0  # cross-entropy over cells, nats
    place: float = 0.0  # L1 of the place around which the heat map lies near the joint, per cell
    squared: float = 0.0  # squared error of VNect's heat maps (Gaussians of height 1), a cell; never to start with
    location: float = 10.0  # L1 of the location maps under the true heat map, per metre
    read: float = 10.0  # L1 of the 3D as it is read: location maps averaged under the network's own heat map, per metre
    under_heat: bool = True  # location maps count under the true heat map (VNect); else in all cells alike
    scale: float = 0.2  # Laplace likelihood of the log-scale maps, of the error of the 3D as it is read
    intermediate: float = 0.3  # of the same losses at res4d and res5a (vnect_resnet50)
    bone: float = 5.0  # L1 of the parent-relative maps under the true heat map, per metre (vnect_resnet50)
    length: float = 5.0  # L1 of the bone-length maps under the true heat map, per metre (vnect_resnet50)


def lift_loss(maps: Tensor, target: dict[str, Tensor], config: LiftLossConfig = LiftLossConfig()) -> dict[str, Tensor]:
    """Loss terms of maps (B, 6, J, h, w).

    target: heat (B, J, h, w) summing to 1 or 0; heat_weight (B, J); xyz (B, J, 3) metres relative to the pelvis; xyz_weight
    (B, J). Returns `total` and its unweighted terms: `heat` (nats a joint), `location` and `read` (metres, L1 summed over x, y,
    z), `scale` (nats), and, where they have a weight, `place` (cells, L1 summed over x, y) and `squared` (a joint, summed over
    cells).
    """
    maps = maps.float()
    weight = _place(target, config.under_heat)[:, None]
    error = (maps[:, 1:4] - target["xyz"].permute(0, 2, 1)[..., None, None]).abs()
    terms = _heat_terms(maps[:, 0], target, config)
    terms["location"] = (error * weight).sum() / weight.sum().clamp(min=1e-6)
    terms |= _read_terms(maps, target)
    total = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
    return {"total": total, **{name: term.detach() for name, term in terms.items()}}


def _heat_terms(logits: Tensor, target: dict[str, Tensor], config: LiftLossConfig) -> dict[str, Tensor]:
    """Means over the known joints of heat logits (B, J, h, w)."""
    heat = target["heat"]
    known = target["heat_weight"] * (heat.flatten(2).sum(2) > 0)
    norm = known.sum().clamp(min=1)
    log_p = torch.log_softmax(LOGIT_GAIN * logits.flatten(2), dim=2)
    terms = {"heat": (-(heat.flatten(2) * log_p).sum(2) * known).sum() / norm}
    if config.place > 0:
        off = (_centre_near(log_p.exp().view_as(heat), heat) - _centre_near(heat, heat)).abs().sum(2)
        terms["place"] = (off * known).sum() / norm
    if config.squared > 0:
        off = GAUSSIAN_MASS * (log_p.exp() - heat.flatten(2))
        terms["squared"] = (off.square().sum(2) * known).sum() / norm
    return terms


def _centre_near(heat: Tensor, true: Tensor) -> Tensor:
    """(B, J, 2) centres of mass in cells, (x, y), of heat maps (B, J, h, w) among the cells near the true joint."""
    near = heat * (true > NEAR * true.amax((2, 3), keepdim=True))
    mass = near.sum((2, 3)).clamp(min=1e-9)
    x, y = (torch.arange(n, device=heat.device, dtype=heat.dtype) for n in (heat.shape[3], heat.shape[2]))
    return torch.stack([(near.sum(2) * x).sum(2) / mass, (near.sum(3) * y).sum(2) / mass], dim=2)


def _read_terms(maps: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Means over the known joints of the 3D and its scale as `lift3d.codec` reads them."""
    share = torch.softmax(READ_POWER * LOGIT_GAIN * maps[:, 0].flatten(2), dim=2)
    known = target["xyz_weight"] * (target["heat_weight"] > 0) * (target["heat"].flatten(2).sum(2) > 0)
    norm = known.sum().clamp(min=1e-6)
    error = ((maps[:, 1:4].flatten(3) * share[:, None]).sum(3) - target["xyz"].permute(0, 2, 1)).abs()
    log_b = (maps[:, 4:6].clamp(-6, 1).flatten(3) * share.detach()[:, None]).sum(3)
    off = torch.stack([error[:, :2].sum(1) / 2, error[:, 2]], 1).detach()
    return {
        "read": (error.sum(1) * known).sum() / norm,
        "scale": ((off * torch.exp(-log_b) + log_b).sum(1) * known).sum() / norm,
    }


def _place(target: dict[str, Tensor], under_heat: bool) -> Tensor:
    """(B, J, h, w): how much a cell teaches the location of a joint; sums to the trust in its 3D, 0 for joints outside."""
    heat = target["heat"]
    if not under_heat:
        heat = (heat.sum((2, 3), keepdim=True) > 0) * torch.ones_like(heat) / heat[0, 0].numel()
    return heat * target["xyz_weight"][..., None, None]


def vnect_loss(output: VNectMaps, target: dict[str, Tensor], config: LiftLossConfig = LiftLossConfig()) -> dict[str, Tensor]:
    """`lift_loss` of the published network with its intermediate, parent-relative and bone-length supervision; target as there.

    Adds the unweighted terms `bone` (metres, L1 summed over x, y, z) and `length` (metres), known where the joint and its
    parent are.
    """
    terms = lift_loss(output.maps, target, config)
    bone = target["xyz"] - target["xyz"][:, PARENT]
    known = target["xyz_weight"] * target["xyz_weight"][:, PARENT]
    weight = target["heat"] * known[..., None, None]
    norm = weight.sum().clamp(min=1e-6)
    delta = (output.delta.float() - bone.permute(0, 2, 1)[..., None, None]).abs().sum(1)
    length = (output.length.float() - bone.norm(dim=2)[..., None, None]).abs()
    bones, lengths = (delta * weight).sum() / norm, (length * weight).sum() / norm
    total = terms["total"] + config.bone * bones + config.length * lengths
    for maps in output.intermediate:
        total = total + config.intermediate * lift_loss(maps, target, config)["total"]
    return {**terms, "total": total, "bone": bones.detach(), "length": lengths.detach()}
