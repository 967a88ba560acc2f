"""The detector's loss: squared error of all stages, summed over the known cells, per image (Cao et al. 2019, equation 5).

Summed, not averaged: with a mean over cells the few that hold a joint hardly count and the maps stay at zero.
"""

from __future__ import annotations

from torch import Tensor


def pose_loss(pafs: list[Tensor], heats: list[Tensor], target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Loss terms of the stages' maps against target paf (B, 38, h, w), heat (B, 19, h, w) where their masks are true.

    target: paf, heat, paf_known, heat_known. Returns `total` and the last stages' `paf` and `heat`, all per image.
    """

    def squared(maps: Tensor, name: str) -> Tensor:
        return ((maps.float() - target[name]).square() * target[f"{name}_known"]).sum() / len(maps)

    paf = [squared(maps, "paf") for maps in pafs]
    heat = [squared(maps, "heat") for maps in heats]
    total = sum(paf[1:] + heat, start=paf[0])
    return {"total": total, "paf": paf[-1].detach(), "heat": heat[-1].detach()}
