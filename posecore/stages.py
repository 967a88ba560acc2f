"""Stage files of a result folder: what the networks gave and what the fit gave, bit for bit, for programs."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import InputError
from posecore.results import whole_file
from posecore.types import Floats, Motion, Track

_TRACK_FIELDS = ("frame", "time_s", "xy_px", "score", "xyz_m", "sigma_m")
_MOTION_FIELDS = ("frame", "time_s", "xyz_m", "quaternion_xyzw", "bone_length_m", "xy_px", "sigma_m", "source")


@dataclass(frozen=True)
class Clip:
    """What later stages must know of a clip without opening it.

    time_s (F,) of all frames; rate_fps: frames per second as they usually follow each other, pauses left out; camera: the one
    under which the tracks were lifted, its size_wh is the clip's; cuts: first frames of new scenes.
    """

    time_s: Floats
    rate_fps: float
    camera: Camera
    cuts: tuple[int, ...] = ()

    def has_cut(self, before: int, after: int) -> bool:
        """Whether a new scene begins after frame `before` and no later than frame `after`."""
        return any(before < cut <= after for cut in self.cuts)


def write_tracks(path: Path, clip: Clip, tracks: Sequence[Track]) -> None:
    """tracks.npz: the clip's frame times, rate, camera and cuts, and every person's track, bit for bit."""
    head: dict[str, Any] = {"clip/time_s": clip.time_s, "clip/rate_fps": clip.rate_fps, "clip/cuts": clip.cuts}
    head |= {f"camera/{item.name}": getattr(clip.camera, item.name) for item in fields(clip.camera)}
    _write_arrays(path, {name: np.asarray(value) for name, value in head.items()} | _named(tracks, _TRACK_FIELDS))


def read_tracks(path: Path) -> tuple[Clip, list[Track]]:
    """Clip and tracks of tracks.npz. InputError if it is missing or damaged."""
    arrays = _read_arrays(path, "clip/time_s")
    width, height = arrays["camera/size_wh"].tolist()
    camera = Camera(arrays["camera/K_px"], (width, height), arrays["camera/distortion"], str(arrays["camera/source"]))
    cuts = tuple(int(frame) for frame in arrays["clip/cuts"])
    clip = Clip(arrays["clip/time_s"], float(arrays["clip/rate_fps"]), camera, cuts)
    return clip, [Track(person, **values) for person, values in _persons(arrays)]


def write_motions(path: Path, motions: Sequence[Motion]) -> None:
    """motions.npz: every person's Motion, its report as JSON."""
    reports = {
        f"person/{m.person}/report": np.array(json.dumps(m.report, sort_keys=True, default=lambda value: value.tolist()))
        for m in motions
    }
    _write_arrays(path, _named(motions, _MOTION_FIELDS) | reports | {"version": np.array(1)})


def read_motions(path: Path) -> list[Motion]:
    """Motions of motions.npz. InputError if it is missing or damaged."""
    found = []
    for person, values in _persons(_read_arrays(path, "version")):
        found.append(Motion(person, **{**values, "report": json.loads(str(values["report"]))}))
    return found


def _named(items: Sequence[Any], names: Sequence[str]) -> dict[str, NDArray]:
    return {f"person/{item.person}/{name}": getattr(item, name) for item in items for name in names}


def _persons(arrays: dict[str, NDArray]) -> list[tuple[int, dict[str, Any]]]:
    """Arrays named person/<id>/<field>, by rising id."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in arrays.items():
        if name.startswith("person/"):
            _, person, field = name.split("/")
            found.setdefault(int(person), {})[field] = value
    return sorted(found.items())


def _write_arrays(path: Path, arrays: dict[str, NDArray]) -> None:
    with whole_file(path) as part, part.open("wb") as out:
        np.savez_compressed(out, **arrays)  # type: ignore[arg-type]


def _read_arrays(path: Path, needed: str) -> dict[str, NDArray]:
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            arrays = dict(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or 'damaged'}); is this a result folder?") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path}: damaged; run video3d again") from None
    if needed not in arrays:
        raise InputError(f"{path}: not a stage file of this program ({needed} is missing); run video3d again")
    return arrays
