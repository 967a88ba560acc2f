"""A clip to a result folder, stage by stage: observe (networks), fit, write tables and overlay. No frame is ever kept."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from apps.camera_choice import choose_camera, turn_to_camera
from apps.observe import Detector, Lifter, Observer
from apps.overlay import Overlay
from apps.progress import Progress
from apps.revise import revise
from apps.settings import Settings
from posecore import results, stages
from posecore.camera import Camera
from posecore.config import to_dict
from posecore.errors import InputError
from posecore.scale import stature, stature_in_words
from posecore.stages import Clip
from posecore.types import Frame, Motion, Pose3D, Track
from posecore.video import VideoReader, VideoWriter

_LIBRARIES = ("numpy", "scipy", "opencv-python", "av", "torch", "filterpy")


@dataclass(frozen=True)
class Networks:
    """Detector and lift, and what config.yaml says of their weights."""

    detector: Detector
    lifter: Lifter
    weights: dict[str, Any] = field(default_factory=dict)


class Watcher(Protocol):
    """Who looks on while the networks work (apps.viewer_live.RunView)."""

    def see(self, frame: Frame, poses: Mapping[int, Pose3D], share: float, scene: int) -> None:
        """A frame, the poses lifted from it by the tracker's number, the share 0..1 of the clip that is done, and how many cuts
        lie before."""

    def close(self) -> None:
        """The networks have done."""


@dataclass(frozen=True)
class Observed:
    """What the networks saw of a clip, the first stage's result. clip_path: None if nobody knows where the clip was."""

    clip_path: Path | None
    clip: Clip
    tracks: tuple[Track, ...]
    weights: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What a run found: folder written, persons' numbers, count of frames, where the camera came from, the stature that people
    count with in words, warnings."""

    folder: Path
    persons: tuple[int, ...]
    frames: int
    camera: str
    stature: str
    warnings: tuple[str, ...]

    def line(self) -> str:
        """One line for the user."""
        people = _count(len(self.persons), "person", "people")
        frames, noted = _count(self.frames, "frame", "frames"), _count(len(self.warnings), "warning", "warnings")
        return f"{self.folder}: {people} in {frames}, {noted}; camera: {self.camera}; stature: {self.stature}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def load_networks(settings: Settings) -> Networks:
    """The networks on their weights. WeightsError if those are missing or damaged."""
    from lift3d.lifter import Lifter as VNectLifter
    from pose2d.estimator import PoseEstimator
    from pose2d.second_look import LOOK

    paths = [None if name is None else Path(name) for name in (settings.weights.pose2d, settings.weights.lift3d)]
    look = LOOK if settings.weights.detect_again else None
    detector = PoseEstimator(paths[0], settings.weights.detect_heights_px, settings.decode, settings.weights.backend, look)
    opinion = detector.limb_heat if settings.weights.second_opinion else None
    lifter = VNectLifter(paths[1], settings.weights.backend, settings.weights.mirror, opinion, settings.weights.crop_px)
    weights = {
        "pose2d": {"name": detector.weights_name, "sha256": detector.sha256},
        "lift3d": {"name": lifter.weights_name, "sha256": lifter.sha256},
    }
    return Networks(detector, lifter, weights)


def run_clip(
    path: Path,
    folder: Path,
    settings: Settings,
    quiet: bool = False,
    networks: Networks | None = None,
    watch: Callable[[Camera], Watcher | None] | None = None,
) -> Summary:
    """Lift a clip into a result folder; `watch` is asked for an onlooker once the camera is known and the networks are loaded.

    PoseError for what a user can mend; nothing has been written then. What is interrupted behind the networks, apps.refit ends.
    """
    reader = VideoReader(path)
    check_folder(folder, path)
    camera = choose_camera(reader.size_wh, settings.camera)
    networks = networks or load_networks(settings)
    observed = observe(reader, networks, camera, settings, quiet, watch(camera) if watch else None)
    folder.mkdir(parents=True, exist_ok=True)
    keep(observed, camera, folder, settings)
    return finish(observed, camera, folder, settings, quiet)


def observe(
    reader: VideoReader, networks: Networks, camera: Camera, settings: Settings, quiet: bool, watcher: Watcher | None = None
) -> Observed:
    """First stage: every frame once through detector, tracker and lift."""
    from pose2d.tracker import Tracker

    observer = Observer(
        networks.detector,
        networks.lifter,
        Tracker(settings.tracker),
        camera,
        settings.detect,
        settings.follow,
        settings.cuts,
    )
    progress = Progress("lifting", reader.expected_count, quiet)
    try:
        for frame in reader:
            observer.see(frame)
            progress.step()
            if watcher is not None:
                share = min(1.0, progress.done / (reader.expected_count or np.inf))
                watcher.see(frame, observer.latest(), share, observer.scene)
    finally:
        progress.close()
        if watcher is not None:
            watcher.close()
    tracks, warnings = observer.tracks()
    clip = observer.clip()
    tracks, thoughts = revise(tracks, observer.looks(), clip, settings.clothes, settings.relink, settings.revise)
    return Observed(reader.path, clip, tuple(tracks), networks.weights, (*reader.warnings, *warnings, *thoughts))


def keep(observed: Observed, camera: Camera, folder: Path, settings: Settings) -> None:
    """Store what the networks saw in an existing folder; an older result in it is none any more."""
    with results.whole_result(folder, results.UNFINISHED) as new:
        stages.write_tracks(new / results.TRACKS, observed.clip, observed.tracks)
        results.write_config(new / results.UNFINISHED, describe(observed, camera, folder, settings, observed.warnings))


def finish(observed: Observed, camera: Camera, folder: Path, settings: Settings, quiet: bool) -> Summary:
    """The stages behind the networks: fit the people wanted, write everything else into a folder that keeps what they saw.

    The older result, if there is one, stays whole until the new one is; config.yaml vouches for the other files.
    """
    clip = observed.clip
    wanted, notes = select(observed.tracks, settings.people.people, settings.people.person)
    film, missing = _film(observed.clip_path, folder, settings)
    motions = fit(clip, [turn_to_camera(track, clip.camera, camera) for track in wanted], camera, settings)
    warnings = (*observed.warnings, *notes, *missing)
    with results.whole_result(folder) as new:
        stages.write_motions(new / results.MOTIONS, motions)
        results.write_joints3d(new / results.JOINTS_3D, results.stack_motions(clip.time_s, motions))
        results.write_joints2d(new / results.JOINTS_2D, results.stack_tracks(clip.time_s, wanted))
        results.write_config(new / results.CONFIG, describe(observed, camera, folder, settings, warnings))
        if film is not None:
            write_overlay(new / results.OVERLAY, film, motions, quiet)
        elif not settings.output.overlay:
            (folder / results.OVERLAY).unlink(missing_ok=True)  # an older run's would not fit the new tables
    height = stature_in_words(*stature(settings.people.height_m))
    return Summary(folder, tuple(m.person for m in motions), len(clip.time_s), camera.source, height, warnings)


def _film(clip_path: Path | None, folder: Path, settings: Settings) -> tuple[Path | None, list[str]]:
    """The clip to draw on, if an overlay is wanted, and a warning where the clip is gone: what cannot be drawn anew stays."""
    if not settings.output.overlay or (clip_path is not None and clip_path.is_file()):
        return clip_path if settings.output.overlay else None, []
    which = "the clip" if clip_path is None else f"the clip {os.path.relpath(clip_path, folder)}"
    old = f"; {results.OVERLAY} still shows the fit before" if (folder / results.OVERLAY).is_file() else ""
    return None, [f"{which} is gone, so there is no new overlay{old}"]


def fit(clip: Clip, tracks: Sequence[Track], camera: Camera, settings: Settings) -> list[Motion]:
    """Second stage: one motion per track, from its first frame to its last."""
    from fitting.solve import fit_clip

    motions = []
    for track in tracks:
        first, end = int(track.frame[0]), int(track.frame[-1]) + 1
        frame, time_s = np.arange(first, end), clip.time_s[first:end]
        motions.append(fit_clip(track, camera, frame, time_s, settings.people.height_m, settings.fit))
    return motions


def select(tracks: Sequence[Track], people: int | None, person: int | None) -> tuple[list[Track], list[str]]:
    """The tracks asked for, numbers kept, and warnings. An unknown number keeps everybody and says so."""
    if person is not None:
        chosen = [track for track in tracks if track.person == person]
        if chosen or not tracks:
            return chosen, []
        there = ", ".join(str(track.person) for track in tracks)
        return list(tracks), [f"there is no person {person}, only {there}; all were kept"]
    if people is None or len(tracks) <= people:
        return list(tracks), []
    largest = sorted(tracks, key=_presence, reverse=True)[:people]
    return sorted(largest, key=lambda track: track.person), []


def _presence(track: Track) -> float:
    """How much of clip and picture a person fills: the height of his joints' box in pixels, added up over his frames."""
    return float(np.nansum(np.nanmax(track.xy_px[..., 1], axis=1) - np.nanmin(track.xy_px[..., 1], axis=1)))


def write_overlay(path: Path, clip_path: Path, motions: Sequence[Motion], quiet: bool) -> None:
    """The clip with the skeletons drawn on it, by a second pass over its frames."""
    reader, overlay = VideoReader(clip_path), Overlay(motions)
    progress = Progress("drawing", reader.expected_count, quiet)
    try:
        with VideoWriter(path, reader.size_wh, reader.rate_fps) as writer:
            for frame in reader:
                writer.write(overlay.draw(frame.rgb, frame.index), frame.time_s)
                progress.step()
    finally:
        progress.close()


def check_folder(folder: Path, clip_path: Path) -> None:
    """InputError unless the result folder can be made and written, and does not hold the clip under a name we write."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a file of this name exists; name another result folder with -o")
    if clip_path.resolve() == (folder / results.OVERLAY).resolve():
        raise InputError(f"{clip_path} would be overwritten by the overlay; name another result folder with -o")
    there = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be made, {there} is no writable folder; name another result folder with -o")


def describe(observed: Observed, camera: Camera, folder: Path, settings: Settings, warnings: Sequence[str]) -> dict[str, Any]:
    """What config.yaml says: enough to repeat the run and to judge it."""
    clip = observed.clip
    path = None if observed.clip_path is None else os.path.relpath(observed.clip_path.resolve(), folder.resolve())
    return {
        "clip": {
            "path": path,
            "frames": len(clip.time_s),
            "rate_fps": round(clip.rate_fps, 6),
            "cuts": list(clip.cuts),
            "warnings": list(observed.warnings),
        },
        "camera": results.camera_to_dict(camera),
        "people": dict(zip(("stature_m", "source"), stature(settings.people.height_m), strict=True)),
        "weights": observed.weights,
        "versions": versions(),
        "warnings": list(warnings),
        "settings": to_dict(settings),
    }


def versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that compute."""
    found = {"video3d": _version("video3d"), "python": platform.python_version(), "platform": sys.platform}
    return found | {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed as a package"
