"""The lifter's losses. Every joint of every source can be masked; an unknown joint gives no loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lift3d.codec import LOGIT_GAIN
from lift3d.network50 import VNectMaps
from posecore.skeleton import load_skeleton

PARENT = list(load_skeleton("vnect21").parent)


@dataclass(frozen=True)
class LiftLossConfig:
    """Weights of the terms."""

    heat: float = 1.0  # cross-entropy over cells, nats
    location: float = 10.0  # L1 of the location maps under the true heat map, per metre
    scale: float = 0.2  # Laplace likelihood of the log-scale maps
    intermediate: float = 0.3  # of the same losses at res4d and res5a (vnect_resnet50)
    bone: float = 5.0  # L1 of the parent-relative maps under the true heat map, per metre (vnect_resnet50)


def lift_loss(maps: Tensor, target: dict[str, Tensor], config: LiftLossConfig = LiftLossConfig()) -> dict[str, Tensor]:
    """Loss terms of maps (B, 6, J, h, w).

    target: heat (B, J, h, w) summing to 1 or 0; heat_weight (B, J); xyz (B, J, 3) metres relative to the pelvis; xyz_weight
    (B, J). Returns `total` and its unweighted terms: `heat` (nats a joint), `location` (metres, L1 summed over x, y, z),
    `scale` (nats).
    """
    maps = maps.float()
    heat = target["heat"]
    log_p = torch.log_softmax(LOGIT_GAIN * maps[:, 0].flatten(2), dim=2)
    entropy = -(heat.flatten(2) * log_p).sum(2)
    known = target["heat_weight"] * (heat.flatten(2).sum(2) > 0)
    heat_term = (entropy * known).sum() / known.sum().clamp(min=1)

    weight = heat[:, None] * target["xyz_weight"][:, None, :, None, None]
    norm = weight.sum().clamp(min=1e-6)
    error = (maps[:, 1:4] - target["xyz"].permute(0, 2, 1)[..., None, None]).abs()
    location = (error * weight).sum() / norm

    log_b = maps[:, 4:6].clamp(-6, 1)
    off = torch.stack([error[:, :2].sum(1) / 2, error[:, 2]], 1).detach()
    scale = ((off * torch.exp(-log_b) + log_b) * weight).sum() / norm
    total = config.heat * heat_term + config.location * location + config.scale * scale
    return {"total": total, "heat": heat_term.detach(), "location": location.detach(), "scale": scale.detach()}


def vnect_loss(output: VNectMaps, target: dict[str, Tensor], config: LiftLossConfig = LiftLossConfig()) -> dict[str, Tensor]:
    """`lift_loss` of the published network with its intermediate and parent-relative supervision; target as there.

    A parent-relative map is known where the joint and its parent are.
    """
    terms = lift_loss(output.maps, target, config)
    early = [lift_loss(maps, target, config)["total"] for maps in output.intermediate]
    bone = target["xyz"] - target["xyz"][:, PARENT]
    known = target["xyz_weight"] * target["xyz_weight"][:, PARENT]
    weight = target["heat"][:, None] * known[:, None, :, None, None]
    error = (output.delta.float() - bone.permute(0, 2, 1)[..., None, None]).abs()
    bones = (error * weight).sum() / weight.sum().clamp(min=1e-6)
    total = terms["total"] + config.bone * bones
    for loss in early:
        total = total + config.intermediate * loss
    return {**terms, "total": total, "bone": bones.detach()}
