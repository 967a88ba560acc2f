"""A tiny film whose truth is known: stick people before a pinhole camera, and networks that read the truth off the frame.

Every frame carries its number as the grey value of its upper left corner, so that the fakes need no back door.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from apps.pipeline import Networks
from fitting.body import load_body
from fitting.kinematics import place, rest_pose
from posecore.camera import Camera, camera_from_fov, camera_to_image, image_to_ray, rotation_to_ray
from posecore.scale import DEFAULT_HEIGHT_M, person_scale
from posecore.skeleton import convert, load_skeleton
from posecore.types import Crop, Detection2D, Pose3D
from posecore.video import VideoWriter

SIZE_WH = (160, 120)
RATE_FPS = 25.0
GREY_STEP = 4  # per frame; survives compression
CAMERA = camera_from_fov(SIZE_WH, 54, "truth")
VNECT, OPENPOSE = load_skeleton("vnect21"), load_skeleton("openpose18")


@dataclass
class Actor:
    """Somebody of the default height who stands in the T-pose at start_m and drifts; hidden in some frames."""

    start_m: tuple[float, float, float]
    velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    frames: range = range(10_000)  # those in which he is there
    unseen: range = range(0)  # frames in which neither network sees him

    def xyz_m(self, frame: int) -> np.ndarray:
        pose = rest_pose(1)
        root = np.add(self.start_m, np.multiply(self.velocity_mps, frame / RATE_FPS))
        pose = type(pose)(root[None], pose.ball, pose.angle_rad)
        return place(pose, load_body().length * DEFAULT_HEIGHT_M).xyz_m[0]

    def is_seen(self, frame: int) -> bool:
        return frame in self.frames and frame not in self.unseen


@dataclass
class World:
    """Actors, the camera, and what the networks were asked."""

    actors: list[Actor]
    camera: Camera = CAMERA
    copies: int = 1  # detections per person
    looks: list[int] = field(default_factory=list)
    lifts: int = 0
    input_px: int = 64

    def write(self, path: Path, frames: int, scene_start: int = 10_000) -> Path:
        """The film; from scene_start on its background is another."""
        with VideoWriter(path, SIZE_WH, RATE_FPS) as writer:
            for k in range(frames):
                writer.write(self.picture(k, scene=int(k >= scene_start)), k / RATE_FPS)
        return path

    def picture(self, frame: int, scene: int = 0) -> np.ndarray:
        patches = np.random.default_rng(scene).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        rgb = patches.repeat(20, axis=0).repeat(20, axis=1)
        rgb[:16, :16] = GREY_STEP * frame
        return rgb

    def detect(self, rgb: np.ndarray) -> list[Detection2D]:
        frame = frame_of(rgb)
        self.looks.append(frame)
        found = []
        for actor in self.actors:
            if actor.is_seen(frame):
                xy_px = convert(camera_to_image(actor.xyz_m(frame), self.camera), VNECT, OPENPOSE)
                score = np.isfinite(xy_px).all(axis=1).astype(float)
                found += [Detection2D(xy_px + 0.3 * copy, score) for copy in range(self.copies)]
        return found

    def lift(self, rgb: np.ndarray, crops: list[Crop], camera: Camera) -> list[Pose3D]:
        frame = frame_of(rgb)
        self.lifts += len(crops)
        return [self._lift(frame, crop, camera) for crop in crops]

    def _lift(self, frame: int, crop: Crop, camera: Camera) -> Pose3D:
        """The actor in the middle of the crop; axes as a network gives them, turned as the lifter does."""
        for actor in self.actors:
            xyz_m = actor.xyz_m(frame)
            xy_px = camera_to_image(xyz_m, self.camera)
            centre_px = 0.5 * (xy_px.min(axis=0) + xy_px.max(axis=0))
            if actor.is_seen(frame) and np.abs(centre_px - crop.centre_px).max() < 0.25 * crop.side_px:
                turn = turn_of(crop.centre_px, camera) @ turn_of(crop.centre_px, self.camera).T
                local = (xyz_m - xyz_m[VNECT.root]) @ turn.T / person_scale(DEFAULT_HEIGHT_M)
                return Pose3D(xy_px, np.full(21, 0.9), local, np.full((21, 2), 0.03))
        return Pose3D(np.tile(crop.centre_px, (21, 1)), np.full(21, 0.01), np.zeros((21, 3)), np.ones((21, 2)))

    @property
    def networks(self) -> Networks:
        return Networks(self, self, {"pose2d": {"name": "fake", "sha256": "0"}})


def turn_of(centre_px: np.ndarray, camera: Camera) -> np.ndarray:
    return rotation_to_ray(image_to_ray(centre_px, camera))


def frame_of(rgb: np.ndarray) -> int:
    return round(float(rgb[4:12, 4:12].mean()) / GREY_STEP)
