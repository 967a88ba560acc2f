"""A calibration as OpenCV's FileStorage or ROS wrote it in the words of our camera files (apps.camera_choice)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posecore.errors import InputError

_NAMES = {  # ours: theirs, as OpenCV's samples, its users and ROS write them
    "K": ("camera_matrix", "cameraMatrix", "Camera_Matrix", "CameraMatrix", "K"),
    "distortion": ("distortion_coefficients", "dist_coeffs", "distCoeffs", "Distortion_Coefficients", "dist_coeff", "D"),
    "width": ("image_width", "image_Width", "imageWidth", "width"),
    "height": ("image_height", "image_Height", "imageHeight", "height"),
}
_PLAIN_MODELS = ("plumb_bob", "pinhole", "brown")  # k1, k2, p1, p2, k3


def as_plain_yaml(text: str) -> str:
    """The text without the first line and the types that only OpenCV's own reader knows."""
    return re.sub(r"!!opencv-[\w-]+", "", re.sub(r"\A%YAML[^\n]*", "", text))


def in_our_words(path: Path, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A calibration of OpenCV or ROS as one of ours; another one as it is. InputError for a model of lenses not known here."""
    matrices = {name: value["data"] for name, value in raw.items() if isinstance(value, Mapping) and "data" in value}
    if not matrices and not set(_NAMES["K"][:-1]) & set(raw):
        return raw
    model = str(raw.get("distortion_model", _PLAIN_MODELS[0]))
    if model not in _PLAIN_MODELS or raw.get("fisheye_model"):
        raise InputError(f"{path}: a fisheye or {model} lens; calibrate with OpenCV's plain model (k1, k2, p1, p2, k3)")
    known = {**raw, **matrices}
    found = {ours: known[name] for ours, names in _NAMES.items() for name in reversed(names) if name in known}
    if "K" not in found:
        raise InputError(
            f"{path}: holds {', '.join(map(str, matrices))} but no camera_matrix; "
            "write K: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] and, if known, distortion, width and height"
        )
    return found
