"""The lifter's losses. Every joint of every source can be masked; an unknown joint gives no loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lift3d.codec import LOGIT_GAIN


@dataclass(frozen=True)
class LiftLossConfig:
    """Weights of the terms."""

    heat: float = 1.0  # cross-entropy over cells, nats
    location: float = 10.0  # L1 of the location maps under the true heat map, per metre
    scale: float = 0.2  # Laplace likelihood of the log-scale maps


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
