"""Pictures to people: the room's front door."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.runtime import Read, Runner, load_into, make_runner
from pose2d.codec import DEFAULTS, DecodeSettings, decode
from pose2d.merge import best_first, merge_people
from pose2d.network import HEAT_CHANNELS, OpenPoseLight, PoseConfig, heat_of
from pose2d.second_look import LOOK, LookSettings, look_again
from pose2d.vgg import OpenPose2017, OpenPoseVgg19
from posecore.camera import scale_xy_px
from posecore.errors import ConfigError
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from posecore.types import Detection2D, Floats, expect_rgb
from posecore.weights import Weights, load_weights

DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "openpose_light-v10.safetensors"
MULTIPLE_PX = 32  # the trunk halves five times
HEIGHTS_PX = (368, 208)
NETWORKS = ("openpose_light", "openpose_vgg19", "openpose_2017")  # all of one stride and with the same maps


def make_network(weights: Weights) -> nn.Module:
    """The network, not yet trained, that the card of weights describes. WeightsError where it describes none."""
    name = weights.card["network"]
    return OpenPose2017() if name == "openpose_2017" else network_of(weights.config(PoseConfig(name=name)))


def network_of(config: PoseConfig) -> nn.Module:
    """A network, not yet trained, of these sizes. ConfigError for a name that none has."""
    kinds = {"openpose_light": OpenPoseLight, "openpose_vgg19": OpenPoseVgg19}
    if config.name not in kinds:
        raise ConfigError(f"no detector '{config.name}' to build; there are {', '.join(kinds)}")
    return kinds[config.name](config)


class PoseEstimator:
    """OpenPose-style detector on its default or given weights. WeightsError when they do not fit.

    heights_px: the sizes at which the network looks at a picture. The article's 368 px finds people of ordinary size, the
    second, cheap one those who fill the picture; a person found at both is kept once (`pose2d.merge`).
    look: how everybody found is looked at again at one size (`pose2d.second_look`); None for not at all: a little faster with
    many people, less exact.
    """

    def __init__(
        self,
        weights: Path | None = None,
        heights_px: tuple[int, ...] = HEIGHTS_PX,
        settings: DecodeSettings | None = None,
        backend: str = "torch",
        look: LookSettings | None = LOOK,
    ) -> None:
        loaded = load_weights(weights or DEFAULT_WEIGHTS, *NETWORKS)
        self.sha256 = loaded.sha256
        self.weights_name = loaded.path.stem
        self._heights_px = heights_px
        self._settings, self._look = settings or DecodeSettings(), look
        loaded.expect_skeleton("openpose18")
        network = load_into(make_network(loaded), loaded)
        head = (loaded.card.get("config") or {}).get("head", "squared")
        self._run = make_runner(network, last_maps(head), backend)

    def detect(self, rgb: NDArray[np.uint8]) -> list[Detection2D]:
        """All people in a picture, (H, W, 3) uint8, joints of openpose18 in its pixels, best first. InputError else."""
        return detect_people(self._run, rgb, self._heights_px, self._settings, self._look)

    def limb_heat(self, crops_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (B, S, S, 3) of single people, S a multiple of 8, to the heat maps (B, 12, S / 8, S / 8) of LIMB_JOINTS."""
        cells, more = crops_rgb.shape[1] // OpenPoseLight.stride, -crops_rgb.shape[1] % MULTIPLE_PX
        padded = np.pad(crops_rgb, ((0, 0), (0, more), (0, more), (0, 0)))  # as in maps_at
        return self._run(padded)[:, load_skeleton("openpose18").indices(LIMB_JOINTS), :cells, :cells]

    def maps(self, rgb: NDArray[np.uint8], height_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32], Floats]:
        """See `maps_at`."""
        return maps_at(self._run, rgb, height_px)


def detect_people(
    run: Runner,
    rgb: NDArray[np.uint8],
    heights_px: tuple[int, ...] = HEIGHTS_PX,
    settings: DecodeSettings = DEFAULTS,
    look: LookSettings | None = LOOK,
) -> list[Detection2D]:
    """The people that a network of which `run` gives `last_maps` finds in a picture, in its pixels, best first.

    InputError unless the picture is (H, W, 3) uint8.
    """
    expect_rgb("the detector's picture", rgb)
    people = []
    for height_px in heights_px:
        heat, paf, scale = maps_at(run, rgb, height_px)
        for p in decode(heat, paf, OpenPoseLight.stride, settings):
            people.append(Detection2D(scale_xy_px(p.xy_px, 1 / scale), p.score, p.skeleton, p.person_score))
    people = merge_people(people)
    return best_first(people) if look is None else look_again(run, rgb, people, settings, look)


def maps_at(run: Runner, rgb: NDArray[np.uint8], height_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32], Floats]:
    """Heat maps (19, h, w) and part affinity fields (38, h, w) of a picture resized to a height, and its factors (x, y)."""
    height, width = height_px, max(1, round(rgb.shape[1] * height_px / rgb.shape[0]))
    interpolation = cv2.INTER_AREA if height < rgb.shape[0] else cv2.INTER_LINEAR
    small = cv2.resize(rgb, (width, height), interpolation=interpolation)
    padded = np.pad(small, ((0, -height % MULTIPLE_PX), (0, -width % MULTIPLE_PX), (0, 0)))  # black at the right and below
    both = run(padded[None])[0][:, : -(-height // OpenPoseLight.stride), : -(-width // OpenPoseLight.stride)]
    # The width is rounded, so its factor is not quite the height's: at the right of a large picture that is a pixel.
    return both[:HEAT_CHANNELS], both[HEAT_CHANNELS:], np.array([width / rgb.shape[1], height / rgb.shape[0]])


def last_maps(head: str) -> Read:
    """What picks the last stages' heat, then their fields, in one tensor, from the output of a network of this head."""

    def read(output: tuple[list[Tensor], list[Tensor]]) -> Tensor:
        pafs, heats = output
        return torch.cat([heat_of(heats[-1], head), pafs[-1].float()], dim=1)

    return read
