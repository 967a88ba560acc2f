"""Crops in which the lift follows somebody turn with the body and have room for all of it, at the looks and between them."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from apps.cuts import CutSettings
from apps.observe import Observer
from apps.observe_settings import DetectSettings, FollowSettings
from pose2d.tracker import Tracker
from posecore.camera import camera_to_image
from posecore.crop import UPRIGHT_RAD
from posecore.types import Crop, Detection2D, Frame
from tests.fakes import CAMERA, RATE_FPS, SIZE_WH, VNECT, Actor, World


@dataclass
class Leaner(Actor):
    """Somebody who leans more and more to the picture's right, from upright, about the pelvis."""

    lean_rps: float = 0.0

    def xyz_m(self, frame: int) -> np.ndarray:
        xyz, a = super().xyz_m(frame), self.lean_rps * frame / RATE_FPS
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        return (xyz - self.start_m) @ turn.T + self.start_m


@dataclass
class Watcher(World):
    """A world that writes down the crops in which it was asked, by frame."""

    asked: list[list[Crop]] = field(default_factory=list)

    def lift(self, rgb, crops, camera):
        self.asked.append(crops)
        return super().lift(rgb, crops, camera)


@pytest.mark.parametrize("lean_rps", [0.0, 0.9, -0.9])
def test_the_next_crop_turns_with_the_body_between_looks(lean_rps):
    """Each frame's crop has the sine of the lean that was seen a frame before; the detector looks but at the beginning."""
    frames, world = 40, Watcher([Leaner((0.0, 0.0, 4.0), lean_rps=lean_rps)])
    observer = Observer(world, world, Tracker(), CAMERA, DetectSettings(every_s=60.0), FollowSettings(), CutSettings())
    turned = {}
    for k in range(frames):
        world.asked.clear()
        observer.see(Frame(k, k / RATE_FPS, world.picture(k)))
        turned[k] = [crop.turn_rad for crops in world.asked for crop in crops]
    followed = range(world.looks[-1] + 1, frames)
    assert len(followed) > 30
    expected = [[UPRIGHT_RAD * np.sin(lean_rps * (k - 1) / RATE_FPS)] for k in followed]
    np.testing.assert_allclose([turned[k] for k in followed], expected, atol=0.02)


class CutOff(Watcher):
    """Its detector finds what is in the picture alone."""

    def detect(self, rgb):
        found = super().detect(rgb)
        inside = [((d.xy_px > -0.5) & (d.xy_px < np.array(SIZE_WH) - 0.5)).all(axis=1) for d in found]
        return [Detection2D(np.where(i[:, None], d.xy_px, np.nan), i * d.score) for d, i in zip(found, inside, strict=True)]


def test_who_is_cut_off_is_lifted_with_room_for_the_rest_from_the_first_frame_on():
    somebody = Actor((0.0, 0.5, 1.6))
    world = CutOff([somebody])
    observer = Observer(world, world, Tracker(), CAMERA, DetectSettings(every_s=60.0), FollowSettings(), CutSettings())
    observer.see(Frame(0, 0.0, world.picture(0)))
    true_px = camera_to_image(somebody.xyz_m(0), CAMERA)
    below = true_px[:, 1] > SIZE_WH[1]
    assert below[VNECT.indices(["left_knee", "left_ankle"])].all()
    assert not below[VNECT.indices(["left_shoulder", "left_elbow"])].any()
    ((first,), *_) = world.asked
    assert np.abs(first.to_crop(true_px[VNECT.indices(["head_top", "left_ankle", "right_ankle"])]) - 31.5).max() < 32
