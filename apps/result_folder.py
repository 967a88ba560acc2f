"""A clip's result folder, read whole: people, times, camera and the world they share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import InputError
from posecore.results import CONFIG, MOTIONS, OVERLAY, TRACKS, Joints2D, Joints3D, read_config, stack_motions, stack_tracks
from posecore.stages import read_motions, read_tracks
from posecore.types import Motion, Track
from posecore.world import World, estimate_world

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """folder; motions: one Motion per person; tracks: what the networks saw; time_s (F,) of all frames; the clip's camera."""

    folder: Path
    motions: list[Motion]
    tracks: list[Track]
    time_s: Floats
    camera: Camera
    config: dict[str, Any]

    @cached_property
    def world(self) -> World:
        """The world the people share, estimated from their feet."""
        return estimate_world(self.motions)

    @cached_property
    def joints(self) -> Joints3D:
        """All persons on all frames of the clip."""
        return stack_motions(self.time_s, self.motions)

    @cached_property
    def joints_2d(self) -> Joints2D:
        """The joints as the network saw them, on all frames of the clip."""
        return stack_tracks(self.time_s, self.tracks)

    @property
    def name(self) -> str:
        """The clip's name, for titles and file names."""
        return self.folder.resolve().name.removesuffix("_pose3d") or "clip"

    @property
    def video(self) -> Path | None:
        """A film to show beside the skeletons, if the folder has one."""
        return self.folder / OVERLAY if (self.folder / OVERLAY).is_file() else None


def load_result(folder: str | Path) -> Result:
    """Read a folder that video3d wrote. InputError, in one line, if it is not one or is damaged."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the result folder of a clip, as in clip_pose3d")
    if not (folder / MOTIONS).is_file():
        raise InputError(f"{folder}: not a result folder ({MOTIONS} is missing); make one with: video3d clip.mp4 -o {folder}")
    clip, tracks = read_tracks(folder / TRACKS)
    config = read_config(folder / CONFIG)
    return Result(folder, read_motions(folder / MOTIONS), tracks, clip.time_s, camera_from_dict(config.get("camera")), config)


def camera_from_dict(values: Any) -> Camera:
    """The camera as posecore.results.camera_to_dict wrote it. InputError if a part is missing."""
    try:
        size_wh = (int(values["width"]), int(values["height"]))
        K_px, distortion = np.array(values["K"], dtype=np.float64), np.array(values["distortion"], dtype=np.float64)
        return Camera(K_px, size_wh, distortion, str(values.get("source", "given")))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{CONFIG}: its camera cannot be read ({error}); expected width, height, K and distortion") from None
