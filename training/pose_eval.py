"""The detector's accuracy on photos with one labelled person each, cheap enough to run while it trains.

COCO's average precision on fully labelled pictures is `training.coco_eval`'s.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from backbones.runtime import to_input
from pose2d.codec import decode
from pose2d.network import OpenPoseLight
from posecore.camera import scale_xy_px
from posecore.pck import correct_limb_joints
from posecore.skeleton import load_skeleton
from training.samples import Sample, to_openpose18

OPENPOSE = load_skeleton("openpose18")
FOUND_SHARE = 0.5  # a person counts as found when this share of the labelled limb joints is right in one detection


def detect_in(network: nn.Module, rgb: NDArray[np.uint8], side_px: int) -> list[NDArray[np.float64]]:
    """Joints (18, 2) of the people in a picture resized to fit a black square."""
    scale = side_px / max(rgb.shape[:2])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((side_px, side_px, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small[:side_px, :side_px]
    with torch.autocast("cpu", torch.bfloat16):
        pafs, heats = network(to_input(torch.from_numpy(canvas[None])))
    heat, paf = heats[-1][0].float().numpy(), pafs[-1][0].float().numpy()
    return [scale_xy_px(p.xy_px, 1 / scale) for p in decode(heat, paf, OpenPoseLight.stride)]


def evaluate_pose(network: nn.Module, samples: list[Sample], side_px: int = 320) -> dict[str, float]:
    """Per source: `pck` (PCK@0.2 torso of the 12 limb joints; undetected counts 0), `found` and people per picture."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for sample in samples:
        label, trust = to_openpose18(sample.people[0])
        people = detect_in(network, sample.read(), side_px)
        right = [correct_limb_joints(p, label, trust > 0, OPENPOSE) for p in people]
        if not np.isfinite(correct_limb_joints(label, label, trust > 0, OPENPOSE)).any():
            continue
        best = max((float(np.nanmean(r)) for r in right), default=0.0)
        rows.setdefault(sample.source, []).append((best, float(best >= FOUND_SHARE), len(people)))
    names = ("pck", "found", "people")
    means = {source: np.mean(values, axis=0) for source, values in sorted(rows.items())}
    return {f"{source}_{n}": float(v) for source, mean in means.items() for n, v in zip(names, mean, strict=True)}
