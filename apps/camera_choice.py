"""Which camera a clip was taken with: from a file, from a field of view, from a focal length, or assumed and said so.

A camera file is YAML or JSON:

    K: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]   # pixels; or fx, fy, cx, cy one by one
    distortion: [k1, k2, p1, p2, k3]           # optional, OpenCV's order
    width: 1920                                # size of the calibrated picture; may be left out if it is the clip's
    height: 1080
    crop_offset_px: [4, 0]                     # only if the clip is a cut-out: where its upper left pixel lies in that picture

A clip that is the calibrated picture made larger or smaller is understood; one of other proportions is refused unless
crop_offset_px is given. A distortion that cannot be undone in the whole clip is refused, too: its polynomial was fitted near
the middle alone. The config.yaml of a result folder serves as well, and so does what OpenCV or ROS wrote (apps.camera_opencv).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from apps.camera_opencv import as_plain_yaml, in_our_words
from posecore.camera import (
    ASSUMED,
    DEFAULT_VERTICAL_FOV_DEG,
    Camera,
    camera_from_focal,
    camera_from_fov,
    image_to_ray,
    rotation_to_ray,
    scale_xy_px,
    undistorted_reach_px,
)
from posecore.config import suggestion
from posecore.errors import ConfigError, InputError
from posecore.types import Floats, Track

_KNOWN = {"K", "fx", "fy", "cx", "cy", "distortion", "width", "height", "crop_offset_px", "source", "vertical_fov_deg"}
_SEEN_SCORE = 0.1  # joints from which the centre of a crop is taken
_ASPECT_TOLERANCE = 0.005  # relative; encoders round sizes to multiples of 2 or 16
_ANOTHER_SIZE = 1.3  # cx, cy so many times the middle of the clip's picture, in both axes alike, speak for another size
_ALIKE = 0.05  # relative; the middle of a lens lies so near the middle of its picture


@dataclass(frozen=True)
class CameraSettings:
    """What is known of the camera; at most one of the three."""

    fov_deg: float | None = None  # vertical field of view in degrees; phones: 36-45 held wide, 60-69 held tall
    focal_px: float | None = None  # focal length in pixels of the clip as it is shown
    file: str | None = None  # camera file (YAML or JSON) from a calibration


def choose_camera(size_wh: tuple[int, int], settings: CameraSettings) -> Camera:
    """The camera of a clip of this size in pixels, with `source` saying where it came from. ConfigError, InputError."""
    given = [name for name in ("fov_deg", "focal_px", "file") if getattr(settings, name) is not None]
    if len(given) > 1:
        raise ConfigError(f"give only one of field of view, focal length and camera file, got {' and '.join(given)}")
    if settings.file is not None:
        return read_camera(Path(settings.file), size_wh)
    if settings.focal_px is not None:
        return camera_from_focal(size_wh, settings.focal_px, f"given focal length of {settings.focal_px:g} px")
    if settings.fov_deg is not None:
        return camera_from_fov(size_wh, settings.fov_deg, f"given vertical field of view of {settings.fov_deg:g} degrees")
    return camera_from_fov(size_wh, DEFAULT_VERTICAL_FOV_DEG, f"{ASSUMED} {DEFAULT_VERTICAL_FOV_DEG:g} degrees vertically")


def read_camera(path: Path, size_wh: tuple[int, int]) -> Camera:
    """Camera of a clip of this size from a calibration file (module docstring). InputError says what does not fit."""
    raw = _read_mapping(path)
    unknown = sorted(map(str, set(raw) - _KNOWN))
    if unknown:
        raise InputError(f"{path}: unknown entries {', '.join(unknown)}{suggestion(unknown[0], sorted(_KNOWN))}")
    K = _intrinsics(path, raw)
    distortion = _numbers(path, "distortion", raw.get("distortion", []))
    if ("width" in raw) != ("height" in raw):
        raise InputError(f"{path}: give both width and height of the calibrated picture, or neither")
    if "width" in raw:
        calibrated = _numbers(path, "width, height", [raw["width"], raw["height"]])
        if (calibrated < 1).any():
            raise InputError(f"{path}: width and height must be pixels of the calibrated picture, got {_size(calibrated)}")
        K = _for_clip(path, K, calibrated, size_wh, raw.get("crop_offset_px"))
    elif "crop_offset_px" in raw:
        raise InputError(f"{path}: crop_offset_px needs width and height of the calibrated picture")
    doubt = "" if "width" in raw else _doubt(path, K, size_wh)
    try:
        return _undistortable(Camera(K, size_wh, distortion, _source(path, raw) + doubt))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('camera: ')}") from None


def _doubt(path: Path, K: NDArray[np.float64], size_wh: tuple[int, int]) -> str:
    """Of a file that does not tell its picture's size: words for the source if cx, cy fit a larger or smaller picture than
    the clip's. InputError if they lie outside that; who means it gives the clip's own width and height."""
    clip_wh, centre_px = np.array(size_wh, dtype=np.float64), K[:2, 2]
    if (abs(centre_px - 0.5 * (clip_wh - 1)) >= 0.5 * clip_wh).any():
        raise InputError(
            f"{path}: cx, cy = {centre_px[0]:g}, {centre_px[1]:g} lie outside the clip's {_size(clip_wh)}; "
            "add width and height of the calibrated picture"
        )
    times = (centre_px + 0.5) / (0.5 * clip_wh)
    if abs(np.log(times)).min() < np.log(_ANOTHER_SIZE) or abs(times[0] / times[1] - 1) > _ALIKE:
        return ""
    return f", whose cx, cy fit a picture of about {_size(np.round(2 * centre_px + 1))}: if it was that, add width and height"


def _undistortable(camera: Camera) -> Camera:
    """The camera, if every pixel of the clip has its ray; else InputError: people beyond the fold would be put elsewhere."""
    reach_px = undistorted_reach_px(camera)
    if np.isfinite(reach_px):
        raise InputError(
            f"the distortion cannot be undone beyond {reach_px:.0f} px from cx, cy, and the clip of "
            f"{_size(np.array(camera.size_wh))} reaches farther; calibrate with views that fill its corners"
        )
    return camera


def _source(path: Path, raw: Mapping[str, Any]) -> str:
    """What the result says of the camera: a lens that was assumed stays so, whatever file hands it on."""
    told = str(raw.get("source", ""))
    return f"{told} (camera file {path.name})" if told.startswith(ASSUMED) else f"camera file {path.name}"


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(as_plain_yaml(path.read_text(encoding="utf-8")))  # JSON is YAML
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read the camera file ({getattr(error, 'strerror', None) or 'not text'})") from None
    except yaml.YAMLError:
        raise InputError(f"{path}: the camera file is neither YAML nor JSON") from None
    if isinstance(raw, Mapping) and isinstance(raw.get("camera"), Mapping):
        raw = raw["camera"]  # config.yaml of a result
    if not isinstance(raw, Mapping):
        raise InputError(f"{path}: expected a camera file with K or fx, fy, cx, cy")
    return dict(in_our_words(path, raw))


def _intrinsics(path: Path, raw: Mapping[str, Any]) -> NDArray[np.float64]:
    if "K" in raw:
        K = _numbers(path, "K", raw["K"])
        if K.size != 9 or abs(K.reshape(3, 3)[2] - [0, 0, 1]).max() > 1e-9:
            raise InputError(f"{path}: K must be 3 x 3 with 0, 0, 1 in its last row")
        return K.reshape(3, 3)
    missing = [name for name in ("fx", "cx", "cy") if name not in raw]
    if missing:
        raise InputError(f"{path}: no K and no {', '.join(missing)}")
    fx, fy, cx, cy = _numbers(path, "fx, fy, cx, cy", [raw["fx"], raw.get("fy", raw["fx"]), raw["cx"], raw["cy"]])
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _for_clip(path: Path, K: NDArray, calibrated_wh: NDArray, size_wh: tuple[int, int], offset_px: Any) -> NDArray[np.float64]:
    """K of the calibrated picture as K of the clip: cut out at offset_px, or scaled."""
    K, clip_wh = K.copy(), np.array(size_wh, dtype=np.float64)
    if offset_px is not None:
        offset = _numbers(path, "crop_offset_px", offset_px)
        if offset.shape != (2,) or (offset < 0).any() or (offset + clip_wh > calibrated_wh + 0.5).any():
            raise InputError(f"{path}: a clip of {_size(clip_wh)} at crop_offset_px {offset_px} leaves {_size(calibrated_wh)}")
        K[:2, 2] -= offset
        return K
    scale = clip_wh / calibrated_wh
    if abs(scale[0] / scale[1] - 1) > _ASPECT_TOLERANCE:
        raise InputError(
            f"{path}: calibrated for {_size(calibrated_wh)} but the clip is {_size(clip_wh)}, which is no plain scaling; "
            "if the clip is a cut-out, add crop_offset_px: [x, y] to the file"
        )
    K[:2, :2] *= scale[:, None]
    K[:2, 2] = scale_xy_px(K[:2, 2], scale)
    return K


def _numbers(path: Path, name: str, value: Any) -> NDArray[np.float64]:
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: {name} must be numbers, got {value}")
    return numbers


def _size(wh: NDArray) -> str:
    return f"{wh[0]:g} x {wh[1]:g}"


def turn_to_camera(track: Track, old: Camera, new: Camera) -> Track:
    """A track lifted under one camera as it would have been under another: the crops' axes are turned another way.

    The centre of a crop is taken as the centre of the joints seen in it (docs/conventions.md, "Axes of the lift").
    """
    if np.array_equal(old.K_px, new.K_px) and np.array_equal(old.distortion, new.distortion):
        return track
    xyz_m = track.xyz_m.copy()
    for row, (xy_px, score) in enumerate(zip(track.xy_px, track.score, strict=True)):
        seen = xy_px[(score >= _SEEN_SCORE) & np.isfinite(xy_px).all(axis=1)]
        if len(seen):
            xyz_m[row] = xyz_m[row] @ _turn(0.5 * (seen.min(axis=0) + seen.max(axis=0)), old, new).T
    return replace(track, xyz_m=xyz_m)


def _turn(centre_px: Floats, old: Camera, new: Camera) -> Floats:
    """(3, 3) R_new_old of what was lifted from a crop at centre_px."""
    return rotation_to_ray(image_to_ray(centre_px, new)) @ rotation_to_ray(image_to_ray(centre_px, old)).T
