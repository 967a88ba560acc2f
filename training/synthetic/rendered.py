"""The file format of rendered stills, written by `apps/render.py stills` and read by `load_rendered`. Needs no OpenGL.

A data set is a folder of shards `PART_SEED_NUMBER.npz` (or one such file). With N pictures and P labelled people, a shard has

    version        ()          1
    seed           ()          seed of the data set
    joints         (26,)       joint names: posecore/skeletons/vnect21.yaml, then nose, left_eye, right_eye, left_ear, right_ear
    size_wh        (N, 2)      width and height in pixels
    K_px           (N, 3, 3)   intrinsics; the principal point of a crop lies off its middle
    jpeg           (bytes,)    all pictures' JPEG files one after the other; jpeg_end (N,) where each ends
    person_png     (bytes,)    the same for PNG images (H, W) uint8: 0 nobody, 1.. the visible pixels of that picture's people
    people_end     (N,)        where each picture's people end in the arrays below; the person the crop was made for is first
    xy_px          (P, 26, 2)  joints in the image, pixel centres at integers
    xyz_m          (P, 26, 3)  joints in camera axes (x right, y down, z forward), metres
    visibility     (P, 26)     0 outside, 1 behind another thing, 2 behind the own body, 3 visible
    stature_m      (P,)        height of the standing person
    mix            ()          what the pictures were to show, `stills.StillMix` as JSON; shards of older versions lack it

xy_px is the projection of xyz_m by K_px to float32 precision; there is no distortion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import InputError
from posecore.skeleton import load_skeleton

VERSION = 1
FACE_JOINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
JOINTS = (*load_skeleton("vnect21").joints, *FACE_JOINTS)


@dataclass(frozen=True)
class PersonLabel:
    """xy_px (26, 2); xyz_m (26, 3) camera axes; visibility (26,) uint8; stature_m, as in the module's table."""

    xy_px: NDArray[np.floating]
    xyz_m: NDArray[np.floating]
    visibility: NDArray[np.uint8]
    stature_m: float


@dataclass(frozen=True)
class RenderedSample:
    """One labelled picture, still compressed; decoded anew at every access."""

    jpeg: NDArray[np.uint8]
    person_png: NDArray[np.uint8]
    camera: Camera
    people: tuple[PersonLabel, ...]

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""
        return np.asarray(cv2.cvtColor(cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(H, W) pixels where people[index] is visible."""
        return np.asarray(cv2.imdecode(self.person_png, cv2.IMREAD_GRAYSCALE) == index + 1)


def load_rendered(path: str | Path) -> list[RenderedSample]:
    """All samples of a shard, or of every shard in a folder in the order of names. InputError for what is no such data."""
    path = Path(path)
    shards = [path] if path.is_file() else sorted(path.glob("*.npz"))
    if not shards:
        raise InputError(
            f"rendered people '{path}': expected a .npz shard or a folder of them; write one with apps/render.py stills"
        )
    return [sample for shard in shards for sample in _load_shard(shard)]


def check_same(path: Path, mix: Mapping[str, Any], count: int) -> None:
    """InputError if a finished shard does not hold `count` pictures of this mix, or does not say what its pictures show."""
    raw, elsewhere = _columns(path, ("size_wh", "mix")), "take another --seed, or another folder with -o"
    if "mix" not in raw:
        raise InputError(f"'{path}' is older and does not tell what its stills show; {elsewhere}")
    there = {**_leaves(json.loads(str(raw["mix"]))), "count": len(raw["size_wh"])}
    wanted = {**_leaves(mix), "count": count}
    other = [key for key in {**wanted, **there} if there.get(key) != wanted.get(key)]
    if other:
        told = "; ".join(f"{key} {there.get(key)} there, {wanted.get(key)} wanted" for key in other)
        raise InputError(f"'{path}' holds other stills than these ({told}); {elsewhere}")


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    out: dict[str, Any] = {}
    for key, value in settings.items():
        out |= _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return out


def _columns(path: Path, wanted: tuple[str, ...] = ()) -> dict[str, NDArray]:
    """The wanted arrays of a shard that it has, or all. InputError if it cannot be read."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files if not wanted or key in wanted}
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(f"rendered people '{path}': not a readable .npz shard ({error}); write it again") from None


def _load_shard(path: Path) -> list[RenderedSample]:
    raw = _columns(path)
    if int(raw.get("version", 0)) != VERSION or tuple(raw["joints"]) != JOINTS:
        raise InputError(f"rendered people '{path}': expected format {VERSION} with {len(JOINTS)} joints; write it again")
    people = [
        PersonLabel(xy, xyz, seen, float(stature))
        for xy, xyz, seen, stature in zip(raw["xy_px"], raw["xyz_m"], raw["visibility"], raw["stature_m"], strict=True)
    ]
    jpegs, pngs = _pieces(raw["jpeg"], raw["jpeg_end"]), _pieces(raw["person_png"], raw["person_png_end"])
    ends = [0, *raw["people_end"].tolist()]
    return [
        RenderedSample(
            jpegs[i], pngs[i], Camera(K, (int(size[0]), int(size[1])), source="rendered"), tuple(people[ends[i] : ends[i + 1]])
        )
        for i, (K, size) in enumerate(zip(raw["K_px"], raw["size_wh"], strict=True))
    ]


def _pieces(joined: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    return np.split(joined, ends[:-1])


class ShardWriter:
    """Collects samples and saves them as one shard."""

    def __init__(self) -> None:
        self._jpegs: list[NDArray[np.uint8]] = []
        self._pngs: list[NDArray[np.uint8]] = []
        self._cameras: list[Camera] = []
        self._people: list[list[PersonLabel]] = []

    def add(
        self, rgb: NDArray[np.uint8], jpeg_quality: int, camera: Camera, people: list[PersonLabel], person: NDArray[np.uint8]
    ) -> None:
        """Add a picture (H, W, 3) with its camera, its people's labels and the number of the person seen at each pixel."""
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        self._jpegs.append(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1].ravel())
        self._pngs.append(cv2.imencode(".png", person)[1].ravel())
        self._cameras.append(camera)
        self._people.append(people)

    def save(self, path: Path, seed: int, mix: Mapping[str, Any] | None = None) -> None:
        """Write the shard; the file appears only when it is whole. `mix`: what its pictures were to show."""
        everybody = [person for people in self._people for person in people]
        columns = {
            "version": np.array(VERSION),
            "seed": np.array(seed),
            "joints": np.array(JOINTS),
            "size_wh": np.array([camera.size_wh for camera in self._cameras], np.int32),
            "K_px": np.array([camera.K_px for camera in self._cameras]),
            "jpeg": np.concatenate(self._jpegs),
            "jpeg_end": np.cumsum([len(jpeg) for jpeg in self._jpegs]),
            "person_png": np.concatenate(self._pngs),
            "person_png_end": np.cumsum([len(png) for png in self._pngs]),
            "people_end": np.cumsum([len(people) for people in self._people]),
            "xy_px": np.array([person.xy_px for person in everybody], np.float32),
            "xyz_m": np.array([person.xyz_m for person in everybody], np.float32),
            "visibility": np.array([person.visibility for person in everybody], np.uint8),
            "stature_m": np.array([person.stature_m for person in everybody], np.float32),
            **({} if mix is None else {"mix": np.array(json.dumps(mix))}),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez(file, **columns)  # type: ignore[arg-type]
        partial.replace(path)
