"""Pictures to people: the room's front door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.runtime import load_into, make_runner
from pose2d.codec import DecodeSettings, decode
from pose2d.merge import merge_people
from pose2d.network import HEAT_CHANNELS, OpenPoseLight, PoseConfig
from pose2d.vgg import OpenPose2017, OpenPoseVgg19
from posecore.camera import scale_xy_px
from posecore.types import Detection2D, Floats
from posecore.weights import load_weights

DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "openpose_light-v1.safetensors"
MULTIPLE_PX = 32  # the trunk halves five times


NETWORKS = ("openpose_light", "openpose_vgg19", "openpose_2017")  # all of one stride and with the same maps


def make_network(card: dict[str, Any]) -> nn.Module:
    """The network, not yet trained, that a weights card describes."""
    if card["network"] == "openpose_2017":
        return OpenPose2017()
    kind = OpenPoseVgg19 if card["network"] == "openpose_vgg19" else OpenPoseLight
    return kind(PoseConfig(**card["config"]))


class PoseEstimator:
    """OpenPose-style detector on its default or given weights. WeightsError when they do not fit.

    heights_px: the sizes at which the network looks at a picture. The article's 368 px finds people of ordinary size, the
    second, cheap one those who fill the picture; a person found at both is kept once (`pose2d.merge`).
    """

    def __init__(
        self,
        weights: Path | None = None,
        heights_px: tuple[int, ...] = (368, 208),
        settings: DecodeSettings | None = None,
        backend: str = "torch",
    ) -> None:
        loaded = load_weights(weights or DEFAULT_WEIGHTS, *NETWORKS)
        self.sha256 = loaded.sha256
        self.weights_name = loaded.path.stem
        self._heights_px = heights_px
        self._settings = settings or DecodeSettings()
        self._run = make_runner(load_into(make_network(loaded.card), loaded), _last_maps, backend)

    def detect(self, rgb: NDArray[np.uint8]) -> list[Detection2D]:
        """All people in a picture, joints of openpose18 in its pixels, best first."""
        return merge_people([person for height_px in self._heights_px for person in self._detect_at(rgb, height_px)])

    def _detect_at(self, rgb: NDArray[np.uint8], height_px: int) -> list[Detection2D]:
        heat, paf, scale = self.maps(rgb, height_px)
        people = decode(heat, paf, OpenPoseLight.stride, self._settings)
        return [Detection2D(scale_xy_px(p.xy_px, 1 / scale), p.score, p.skeleton, p.person_score) for p in people]

    def maps(self, rgb: NDArray[np.uint8], height_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32], Floats]:
        """Heat maps (19, h, w) and part affinity fields (38, h, w) of a picture resized to a height, and its factors (x, y)."""
        height, width = height_px, max(1, round(rgb.shape[1] * height_px / rgb.shape[0]))
        interpolation = cv2.INTER_AREA if height < rgb.shape[0] else cv2.INTER_LINEAR
        small = cv2.resize(rgb, (width, height), interpolation=interpolation)
        padded = np.pad(small, ((0, -height % MULTIPLE_PX), (0, -width % MULTIPLE_PX), (0, 0)))  # black at the right and below
        both = self._run(padded[None])[0][:, : -(-height // OpenPoseLight.stride), : -(-width // OpenPoseLight.stride)]
        # The width is rounded, so its factor is not quite the height's: at the right of a large picture that is a pixel.
        return both[:HEAT_CHANNELS], both[HEAT_CHANNELS:], np.array([width / rgb.shape[1], height / rgb.shape[0]])


def _last_maps(output: tuple[list[Tensor], list[Tensor]]) -> Tensor:
    """Heat maps, then fields, of the last stages in one tensor."""
    pafs, heats = output
    return torch.cat([heats[-1], pafs[-1]], dim=1)
