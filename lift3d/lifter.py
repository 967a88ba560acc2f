"""Crops of people to 3D poses: the room's front door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from backbones.runtime import load_into, make_runner
from lift3d.codec import Joints, add_opinion, decode_twice, mirror_maps
from lift3d.network import STANDS_ON, LiftConfig, VNectResNet18
from lift3d.network50 import VNectResNet50
from posecore.camera import Camera, image_to_ray, rotation_to_ray
from posecore.crop import cut_crop
from posecore.errors import WeightsError
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from posecore.types import Crop, Pose3D, expect_rgb
from posecore.weights import Weights, load_weights

DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "vnect_lite0-v17.safetensors"
NETWORKS = tuple(STANDS_ON)
Opinion = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # crops (B, S, S, 3) to LIMB_JOINTS' heat (B, 12, S / 8, S / 8)


def make_network(config: LiftConfig) -> nn.Module:
    """The network of this name and size, not yet trained."""
    return VNectResNet50(config) if config.name == "vnect_resnet50" else VNectResNet18(config)


def _sigma_gain(loaded: Weights) -> NDArray[np.float64]:
    """(2,) factors on error bars in the image plane and in depth; 1 where the card tells none."""
    told = loaded.card.get("sigma_gain", [1.0, 1.0])
    numbers = isinstance(told, list) and all(isinstance(gain, int | float) and 0 < gain < np.inf for gain in told)
    if not numbers or len(told) != 2:
        card = loaded.path.with_suffix(".yaml").name
        raise WeightsError(f"{card}: sigma_gain must be two positive numbers, in the image plane and in depth, got {told!r}")
    return np.array(told, dtype=np.float64)


class Lifter:
    """VNect-style lifter on its default or given weights. WeightsError when they do not fit.

    `input_px` is the side of the crops it wants, where none is given what its weights' card says; `posecore.crop` says where
    to cut, and cuts. With `mirror` every crop is seen twice, once in the mirror, and the answers are averaged: a little
    more accurate, left and right alike, twice the time.
    `opinion`: another network's heat maps of the same crops (pose2d.estimator.PoseEstimator.limb_heat) have a say in where the
    limbs are; two networks trained apart seldom err alike.
    """

    def __init__(
        self,
        weights: Path | None = None,
        backend: str = "torch",
        mirror: bool = True,
        opinion: Opinion | None = None,
        input_px: int | None = None,
    ) -> None:
        loaded = load_weights(weights or DEFAULT_WEIGHTS, *NETWORKS)
        loaded.expect_skeleton("vnect21")
        config = loaded.config(LiftConfig(name=loaded.card["network"])).settled()
        self.input_px = input_px or config.input_px
        self.sha256 = loaded.sha256
        self.weights_name = loaded.path.stem
        # The network's own error bars, stretched to what held-out data showed (the card says how it was measured).
        self.sigma_gain = _sigma_gain(loaded)
        self._run = make_runner(load_into(make_network(config), loaded), lambda maps: maps, backend)
        self._skeleton = load_skeleton("vnect21")
        self._mirror, self._opinion = mirror, opinion

    def lift(self, rgb: NDArray[np.uint8], crops: list[Crop], camera: Camera) -> list[Pose3D]:
        """One pose per crop of a picture; joints in image pixels, 3D in true camera axes (docs/conventions.md).

        InputError unless the picture is (H, W, 3) uint8.
        """
        expect_rgb("the lifter's picture", rgb)
        if not crops:
            return []
        maps = self.maps(np.stack([cut_crop(rgb, crop) for crop in crops]))
        return [self._pose(m, crop, camera) for m, crop in zip(maps, crops, strict=True)]

    def maps(self, crops_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, S, S, 3) uint8 crops to maps (B, 6, 21, S / 8, S / 8)."""
        maps = self._own_maps(crops_rgb)
        if self._opinion is not None:
            limbs = self._skeleton.indices(LIMB_JOINTS)
            maps[:, 0, limbs] = add_opinion(maps[:, 0, limbs], self._opinion(crops_rgb))
        return maps

    def _own_maps(self, crops_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's, without anybody else's opinion."""
        if not self._mirror:
            return np.array(self._run(crops_rgb))
        plain, mirrored = np.split(self._run(np.concatenate([crops_rgb, crops_rgb[:, :, ::-1]])), 2)
        return (plain + mirror_maps(mirrored, self._skeleton.mirror)) / 2

    def _pose(self, maps: NDArray[np.float32], crop: Crop, camera: Camera) -> Pose3D:
        first, second = decode_twice(maps, self._skeleton.root)
        R_camera_crop = rotation_to_ray(image_to_ray(crop.centre_px, camera))
        R_camera_crop[:, :2] = R_camera_crop[:, :2] @ crop.R_image_crop
        other = self._in_camera(second, crop, R_camera_crop)
        return replace(self._in_camera(first, crop, R_camera_crop), second=other)

    def _in_camera(self, joints: Joints, crop: Crop, R_camera_crop: NDArray[np.float64]) -> Pose3D:
        xy_crop, score, xyz_crop, sigma = joints
        return Pose3D(crop.to_image(xy_crop), score, xyz_crop @ R_camera_crop.T, sigma * self.sigma_gain)
