"""The data that pass between rooms, one plain dataclass per idea, checked when built. Units and frames: docs/conventions.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError

Floats = NDArray[np.float64]


def _expect(owner: str, name: str, array: NDArray, shape: tuple[int | None, ...]) -> None:
    """Raise InputError unless `array` has the shape (None = any length)."""
    if len(array.shape) != len(shape) or any(w not in (None, g) for g, w in zip(array.shape, shape, strict=True)):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise InputError(f"{owner}.{name}: expected shape {wanted}, got {array.shape}")


def expect_rgb(owner: str, rgb: NDArray[np.uint8]) -> None:
    """Raise InputError unless `rgb` is a picture: (H, W, 3) uint8 with at least a pixel."""
    if not isinstance(rgb, np.ndarray):
        raise InputError(f"{owner}: expected a picture (H, W, 3) of uint8, RGB, got {type(rgb).__name__}")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        raise InputError(f"{owner}: expected a picture (H, W, 3) of uint8, RGB, got {rgb.shape} of {rgb.dtype}")


@dataclass(frozen=True)
class Frame:
    """One picture of a clip: `index` from 0, `time_s` by the container's clock, `rgb` (H, W, 3) uint8."""

    index: int
    time_s: float
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Detection2D:
    """One person's joints in an image: xy_px (J, 2), NaN where not found; score (J,) in 0..1, 0 where not found.

    guess_px (J, 2), if given: where a joint most likely is when it was not found, for who needs whole people (`whole_xy_px`).
    """

    xy_px: Floats
    score: Floats
    skeleton: str = "openpose18"
    person_score: float = 1.0
    guess_px: Floats | None = None

    def __post_init__(self) -> None:
        _expect("Detection2D", "xy_px", self.xy_px, (len(self.score), 2))
        if self.guess_px is not None:
            _expect("Detection2D", "guess_px", self.guess_px, (len(self.score), 2))

    @property
    def whole_xy_px(self) -> Floats:
        """(J, 2) the joints found, and guesses, if there are any, for the others."""
        return self.xy_px if self.guess_px is None else np.where(np.isfinite(self.xy_px), self.xy_px, self.guess_px)

    @property
    def box_xyxy_px(self) -> Floats:
        """Tightest box (x0, y0, x1, y1) around the joints found; NaN if there are none."""
        found = self.xy_px[np.isfinite(self.xy_px).all(axis=1)]
        return np.concatenate([found.min(axis=0), found.max(axis=0)]) if len(found) else np.full(4, np.nan)


def rotation_2d(angle_rad: float) -> Floats:
    """(2, 2) rotation that takes x towards y: clockwise as an image is looked at."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s], [s, c]])


@dataclass(frozen=True)
class Crop:
    """A square window of an image: centre (x, y) and side in image pixels, resized to `size_px` pixels a side.

    turn_rad is the angle by which the window is turned clockwise, as the image is looked at (x to the right, y down).
    """

    centre_px: Floats
    side_px: float
    size_px: int
    turn_rad: float = 0.0

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return self.size_px / self.side_px

    @property
    def R_image_crop(self) -> Floats:
        """(2, 2) directions in the crop to directions in the image."""
        return rotation_2d(self.turn_rad)

    def to_image(self, xy_crop_px: Floats) -> Floats:
        """(..., 2) crop pixels to image pixels."""
        return (xy_crop_px - (self.size_px - 1) / 2) / self.scale @ self.R_image_crop.T + self.centre_px

    def to_crop(self, xy_px: Floats) -> Floats:
        """(..., 2) image pixels to crop pixels."""
        return (xy_px - self.centre_px) * self.scale @ self.R_image_crop + (self.size_px - 1) / 2


@dataclass(frozen=True)
class Pose3D:
    """One person lifted from one crop.

    xy_px (21, 2): joints in the image; score (21,): confidence in 0..1; xyz_m (21, 3): pelvis-relative, camera axes, in the
    height-normalised metres of the lift (knee-to-neck height 0.92 m); sigma_m (21, 2): standard deviation of xyz_m in the
    image plane and in depth, same unit. second: the same read at each joint's second-best place, NaN with score 0 where there
    is none.
    """

    xy_px: Floats
    score: Floats
    xyz_m: Floats
    sigma_m: Floats
    second: Pose3D | None = None

    def __post_init__(self) -> None:
        joints = len(self.score)
        for name, width in (("xy_px", 2), ("xyz_m", 3), ("sigma_m", 2)):
            _expect("Pose3D", name, getattr(self, name), (joints, width))


@dataclass(frozen=True)
class Track:
    """One person over the frames of a clip, as the networks saw it; T rows, not necessarily consecutive frames.

    frame (T,) int, increasing; time_s (T,); xy_px (T, 21, 2), score (T, 21), xyz_m (T, 21, 3), sigma_m (T, 21, 2) as in
    Pose3D; unknown values are NaN with score 0.
    """

    person: int
    frame: NDArray[np.int64]
    time_s: Floats
    xy_px: Floats
    score: Floats
    xyz_m: Floats
    sigma_m: Floats

    def __post_init__(self) -> None:
        rows = len(self.frame)
        _expect("Track", "time_s", self.time_s, (rows,))
        joints = self.score.shape[1] if self.score.ndim == 2 else -1
        _expect("Track", "score", self.score, (rows, joints))
        for name, width in (("xy_px", 2), ("xyz_m", 3), ("sigma_m", 2)):
            _expect("Track", name, getattr(self, name), (rows, joints, width))
        if rows > 1 and not (np.diff(self.frame) > 0).all():
            raise InputError("Track.frame: frames must increase")


class Source(IntEnum):
    """Where a joint of a fitted frame came from."""

    EMPTY = 0  # unknown: no number is given
    MEASURED = 1  # seen with confidence
    WEAK = 2  # seen with little confidence, or where body and motion do not follow
    OCCLUDED = 3  # hidden; placed by the body and the motion
    OUTSIDE = 4  # outside the picture; placed by the body and the motion
    FILLED = 5  # the whole person was missed in this frame; bridged between its neighbours


@dataclass(frozen=True)
class Motion:
    """One person's fitted motion over T consecutive input frames (rows without a person are NaN with source EMPTY).

    frame (T,) int; time_s (T,); xyz_m (T, 21, 3): joints in the camera frame, metres; quaternion_xyzw (T, 21, 4): rotation of
    the bone that ends in a joint relative to the bone that ends in its parent (the root's relative to the camera), so that
    R_j = R_parent q_j and x_j = x_parent + R_j rest_j bone_length_j with the T-pose directions rest_j of fitting.body;
    bone_length_m (21,): distance to the parent, 0 for the root; xy_px (T, 21, 2): the fitted joints projected; sigma_m
    (T, 21, 2): standard deviation in the image plane and in depth; source (T, 21): Source codes; report: figures and findings
    for people.
    """

    person: int
    frame: NDArray[np.int64]
    time_s: Floats
    xyz_m: Floats
    quaternion_xyzw: Floats
    bone_length_m: Floats
    xy_px: Floats
    sigma_m: Floats
    source: NDArray[np.uint8]
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, joints = len(self.frame), len(self.bone_length_m)
        _expect("Motion", "time_s", self.time_s, (rows,))
        for name, width in (("xyz_m", 3), ("quaternion_xyzw", 4), ("xy_px", 2), ("sigma_m", 2)):
            _expect("Motion", name, getattr(self, name), (rows, joints, width))
        _expect("Motion", "source", self.source, (rows, joints))
