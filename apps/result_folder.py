"""A clip's result folder, read whole: people, times, camera and the world they share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import escape as glob_escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera, world_to_camera
from posecore.errors import InputError
from posecore.results import (
    CONFIG,
    MOTIONS,
    OVERLAY,
    TRACKS,
    UNFINISHED,
    Joints2D,
    Joints3D,
    read_config,
    stack_motions,
    stack_tracks,
)
from posecore.stages import read_motions, read_tracks
from posecore.types import Motion, Track
from posecore.world import World, estimate_world

Floats = NDArray[np.float64]
REPORT, ANGLES = "report.html", "joint_angles.csv"
SCENES_TOLD = 4  # of a clip with more cuts the rest are counted
ENDINGS = (".bvh", ".glb", ".trc", ".c3d", ".npz", "_2d.json")  # of motion files, behind the clip's name and the person


@dataclass(frozen=True)
class Result:
    """folder; motions: one Motion per person; tracks: what the networks saw; time_s (F,) of all frames; the clip's camera;
    cuts: first frames of new scenes, behind each of which another camera stands and all people have new numbers."""

    folder: Path
    motions: list[Motion]
    tracks: list[Track]
    time_s: Floats
    camera: Camera
    config: dict[str, Any]
    cuts: tuple[int, ...] = ()

    @cached_property
    def worlds(self) -> tuple[World, ...]:
        """One per scene, shared by its people and estimated from their feet."""
        scenes = [self.scene_at(int(motion.frame[0])) for motion in self.motions]
        return tuple(
            estimate_world([m for m, scene in zip(self.motions, scenes, strict=True) if scene == number])
            for number in range(len(self.cuts) + 1)
        )

    @property
    def world(self) -> World:
        """The world of the first scene; a clip without cuts has no other."""
        return self.worlds[0]

    def scene_at(self, frame: int) -> int:
        """Which of the worlds a frame belongs to."""
        return int(np.searchsorted(self.cuts, frame, side="right"))

    def in_scenes(self, xyz_m: Floats, T_out_camera: Sequence[Floats]) -> Floats:
        """(..., F, J, 3) points of the camera frame on all frames, each by the (4, 4) transform of its frame's scene."""
        starts = [0, *self.cuts, len(self.time_s)]
        parts = [xyz_m[..., a:b, :, :] for a, b in pairwise(starts)]
        return np.concatenate([world_to_camera(part, T) for part, T in zip(parts, T_out_camera, strict=True)], axis=-3)

    @cached_property
    def xyz_world_m(self) -> Floats:
        """(P, F, 21, 3) all persons' joints on all frames, each in the world of its scene."""
        return self.in_scenes(self.joints.xyz_m, [world.T_world_camera for world in self.worlds])

    @property
    def gravity(self) -> str:
        """Where gravity came from, in words; scene by scene where there are cuts."""
        if len(self.worlds) == 1:
            return self.world.source
        told = [f"scene {number}: {world.source}" for number, world in enumerate(self.worlds[:SCENES_TOLD], 1)]
        more = len(self.worlds) - len(told)
        return "; ".join([*told, *([f"and {more} scenes more, each by itself"] if more else [])])

    @cached_property
    def joints(self) -> Joints3D:
        """All persons on all frames of the clip."""
        return stack_motions(self.time_s, self.motions)

    @cached_property
    def joints_2d(self) -> Joints2D:
        """The fitted persons' joints as the network saw them, on all frames of the clip; tracks.npz keeps everybody."""
        fitted = {motion.person for motion in self.motions}
        return stack_tracks(self.time_s, [track for track in self.tracks if track.person in fitted])

    @property
    def name(self) -> str:
        """The clip's name, for titles and file names."""
        return name_of(self.folder)

    @property
    def video(self) -> Path | None:
        """A film to show beside the skeletons, if the folder has one."""
        return self.folder / OVERLAY if (self.folder / OVERLAY).is_file() else None


def load_result(folder: str | Path) -> Result:
    """Read a folder that video3d wrote. InputError, in one line, if it is not one or is damaged."""
    folder = existing_folder(Path(folder))
    if is_unfinished(folder):
        raise InputError(f"{folder}: its run was interrupted; end it with: python apps/refit.py {folder}")
    if not (folder / MOTIONS).is_file():
        raise InputError(f"{folder}: not a result folder ({MOTIONS} is missing); make one with: video3d clip.mp4 -o {folder}")
    clip, tracks = read_tracks(folder / TRACKS)
    config = read_config(folder / CONFIG)
    camera = camera_from_dict(config.get("camera"))
    return Result(folder, read_motions(folder / MOTIONS), tracks, clip.time_s, camera, config, clip.cuts)


def existing_folder(folder: Path) -> Path:
    """The folder, if it is one. InputError else: of a clip, or of a file in its result, it says which folder to give."""
    if folder.is_dir():
        return folder
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; give the result folder of a clip, as in clip_pose3d")
    if (folder.parent / CONFIG).is_file():
        raise InputError(f"{folder}: this is a file; give the folder that it lies in, {folder.parent}")
    raise InputError(f"{folder}: this is a file; give its result folder, as in {folder.with_name(f'{folder.stem}_pose3d')}")


def check_writable(folder: Path) -> None:
    """InputError unless files can be written into an existing folder: told before the work, not after it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it, or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: this folder cannot be written to; allow it, or choose another")


def is_unfinished(folder: Path) -> bool:
    """Whether a run into this folder was interrupted behind the networks, so that apps.refit can end it."""
    return (folder / UNFINISHED).is_file() and not (folder / CONFIG).is_file()


def name_of(folder: Path) -> str:
    """The name of the clip whose result a folder holds."""
    return folder.resolve().name.removesuffix("_pose3d") or "clip"


def older_files(folder: Path) -> list[Path]:
    """Motion files and report in a result folder that were written before its fit: they show another one."""
    fitted_ns = (folder / MOTIONS).stat().st_mtime_ns
    named = (path for ending in ENDINGS for path in folder.glob(f"{glob_escape(name_of(folder))}*{ending}"))
    written = (p for p in (folder / REPORT, folder / ANGLES, *named) if p.is_file() and p.name not in (MOTIONS, TRACKS))
    return sorted(p for p in written if p.stat().st_mtime_ns < fitted_ns)


def camera_from_dict(values: Any) -> Camera:
    """The camera as posecore.results.camera_to_dict wrote it. InputError if a part is missing."""
    try:
        size_wh = (int(values["width"]), int(values["height"]))
        K_px, distortion = np.array(values["K"], dtype=np.float64), np.array(values["distortion"], dtype=np.float64)
        return Camera(K_px, size_wh, distortion, str(values.get("source", "given")))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{CONFIG}: its camera cannot be read ({error}); expected width, height, K and distortion") from None
