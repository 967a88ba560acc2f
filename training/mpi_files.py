"""The files of MPI-INF-3DHP (Mehta et al. 2017) as published: annotations, calibration, pictures and masks. No labels yet.

Training set: S1..S8/Seq1..2 with annot.mat, camera.calibration and the folders imageSequence, FGmasks and ChairMasks, each of
them with video_N.avi or the pictures extracted from it. Test set: TS1..TS6 with annot_data.mat and imageSequence.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import InputError, MissingDependencyError
from training.coco import file_reader

# How ffmpeg may have been told to name the pictures of video_N.avi, number 1 first; the first pattern is the set's own advice.
PATTERNS = ("img_{camera}_{number:06d}", "video_{camera}/img_{number:06d}", "video_{camera}/frame_{number:06d}")
SUFFIXES = (".jpg", ".png")
OPEN_VIDEOS = 4  # kept open a process: a frame out of order costs decoding from the last key frame


@dataclass(frozen=True)
class Frames:
    """The pictures of one camera by index from 0: whether there is one, and `read(index)`, RGB uint8 (H, W, 3)."""

    has: Callable[[int], bool]
    read: Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Annotations:
    """One camera's labels: frame (F,) numbers from 0; xy_px (F, 28, 2); xyz_m and universal_m (F, 28, 3), camera axes."""

    frame: NDArray[np.int64]
    xy_px: NDArray[np.float64]
    xyz_m: NDArray[np.float64]
    universal_m: NDArray[np.float64]


def find_frames(folder: Path, camera: int) -> Frames | None:
    """The pictures of camera `camera` in a folder such as imageSequence, extracted ones first; None if there are none."""
    for pattern in PATTERNS:
        for suffix in SUFFIXES:
            name = (pattern + suffix).replace("{camera}", str(camera))
            present = {path.name for path in folder.glob(name.replace("{number:06d}", "*"))}
            if present:
                return _extracted(folder / name, present)
    video = folder / f"video_{camera}.avi"
    if not video.is_file():
        return None
    count = int(_open(str(video), os.getpid()).get(cv2.CAP_PROP_FRAME_COUNT))
    return Frames(lambda index: index < count, lambda index: _video_frame(video, index))


def _extracted(pattern: Path, present: set[str]) -> Frames:
    def path(index: int) -> Path:
        return Path(str(pattern).format(number=index + 1))

    return Frames(lambda index: path(index).name in present, lambda index: file_reader(path(index))())


@lru_cache(maxsize=OPEN_VIDEOS)
def _open(path: str, process: int) -> Any:
    """A video opened in this process; a worker must not share its parent's."""
    video = cv2.VideoCapture(path)
    if not video.isOpened():
        raise InputError(f"{path}: not a video that OpenCV can read")
    return video


def _video_frame(path: Path, index: int) -> NDArray[np.uint8]:
    video = _open(str(path), os.getpid())
    if int(video.get(cv2.CAP_PROP_POS_FRAMES)) != index:
        video.set(cv2.CAP_PROP_POS_FRAMES, index)
    done, bgr = video.read()
    if not done:
        raise InputError(f"{path}: frame {index} cannot be decoded; the file is damaged or cut short")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_annotations(path: Path) -> dict[int, Annotations]:
    """annot.mat by camera. InputError if it is missing or no such file."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise InputError(f"no {path}; expected MPI-INF-3DHP's folders S1..S8/Seq1..2 with annot.mat")
    try:
        raw = loadmat(path, variable_names=("frames", "cameras", "annot2", "annot3", "univ_annot3"))
        cells = [raw[name].ravel() for name in ("annot2", "annot3", "univ_annot3")]
        frames, cameras = raw["frames"].ravel().astype(np.int64), raw["cameras"].ravel()
        return {int(camera): _annotations(frames, *parts) for camera, *parts in zip(cameras, *cells, strict=True)}
    except (MatReadError, NotImplementedError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not an annotation file of MPI-INF-3DHP ({error})") from None


def _annotations(frames: NDArray[np.int64], xy: NDArray, xyz_mm: NDArray, universal_mm: NDArray) -> Annotations:
    rows = min(len(frames), len(xy))
    xyz, universal = (mm[:rows].reshape(rows, 28, 3) / 1000 for mm in (xyz_mm, universal_mm))
    return Annotations(frames[:rows], xy[:rows].reshape(rows, 28, 2).astype(np.float64), xyz, universal)


def read_calibration(path: Path) -> dict[int, Camera]:
    """camera.calibration ("Skeletool Camera Calibration File V1.0") by camera. InputError if it is none."""
    if not path.is_file():
        raise InputError(f"no {path}; expected MPI-INF-3DHP's camera.calibration beside annot.mat")
    cameras, name, size = {}, 0, (0, 0)
    try:
        for key, *values in (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()):
            if key == "name":
                name = int(values[0])
            elif key == "size":
                size = (int(float(values[0])), int(float(values[1])))
            elif key == "intrinsic":
                K = np.array(values, dtype=float).reshape(4, 4)[:3, :3]
                cameras[name] = Camera(K, size, source="MPI-INF-3DHP")
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} is not a camera calibration of MPI-INF-3DHP ({error})") from None
    return cameras


def read_test_annotations(path: Path) -> dict[str, NDArray]:
    """annot_data.mat (MATLAB 7.3): valid (N,) bool, xy_px (N, 17, 2), xyz_m and universal_m (N, 17, 3). InputError, or
    MissingDependencyError without h5py."""
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(f"MPI-INF-3DHP's test set needs `pip install h5py` (the extra `train`; {error})") from None
    try:
        with h5py.File(path) as stored:
            names = {"xy_px": "annot2", "xyz_m": "annot3", "universal_m": "univ_annot3"}
            out = {ours: np.asarray(stored[theirs], dtype=np.float64)[:, 0] for ours, theirs in names.items()}
            valid = np.asarray(stored["valid_frame"]).ravel() > 0
    except (OSError, KeyError) as error:
        raise InputError(f"{path} is not a test annotation file of MPI-INF-3DHP ({error})") from None
    return {"valid": valid, "xy_px": out["xy_px"], **{k: out[k] / 1000 for k in ("xyz_m", "universal_m")}}
