"""The output folder of a clip: tables for people, stage files for programs. docs/conventions.md says units and axes.

joints3d.csv   fitted joints, one row per input frame and person      joints2d.csv   the joints the network saw, same rows
tracks.npz     what the networks gave (the fit starts from it again)  motions.npz    what the fit gave, with joint rotations
config.yaml    settings, versions, weights, camera, findings          overlay.mp4    the fitted skeletons on the clip
(posecore/stages.py reads and writes the npz files.) Until a result is whole, config.yaml is called config.unfinished.yaml.

Every file is written beside its place and then renamed, so none is ever half-written; the same results give the same bytes.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import InputError
from posecore.skeleton import load_skeleton
from posecore.types import Floats, Motion, Source, Track

JOINTS_3D, JOINTS_2D, TRACKS, MOTIONS, CONFIG, OVERLAY = (
    "joints3d.csv",
    "joints2d.csv",
    "tracks.npz",
    "motions.npz",
    "config.yaml",
    "overlay.mp4",
)
UNFINISHED = "config.unfinished.yaml"  # of a folder that holds what the networks saw, and maybe an older fit or parts of two
_JOINTS = load_skeleton("vnect21").joints
_SOURCE_WORDS = [source.name.lower() for source in Source]


@dataclass(frozen=True)
class Joints3D:
    """joints3d.csv as arrays over P persons, F frames and the 21 joints of vnect21.

    persons (P,) int; frame (F,) int; time_s (F,); xyz_m (P, F, 21, 3) camera frame, metres; sigma_m (P, F, 21, 2) standard
    deviation in the image plane and in depth, metres; NaN where unknown; source (P, F, 21) Source codes.
    """

    persons: NDArray[np.int64]
    frame: NDArray[np.int64]
    time_s: Floats
    xyz_m: Floats
    sigma_m: Floats
    source: NDArray[np.uint8]


@dataclass(frozen=True)
class Joints2D:
    """joints2d.csv as arrays: persons (P,), frame (F,), time_s (F,), xy_px (P, F, 21, 2), score (P, F, 21); NaN if unknown."""

    persons: NDArray[np.int64]
    frame: NDArray[np.int64]
    time_s: Floats
    xy_px: Floats
    score: Floats


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to beside `path`; it takes the place of `path` when the block ends well and vanishes when it fails."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_result(folder: Path, config: str = CONFIG) -> Iterator[Path]:
    """A folder to write new files to, `config` (CONFIG or UNFINISHED) among them, which take the places of those in `folder`
    when the block ends well and vanish when it fails. Meanwhile, and whatever happens, `folder` has one of the two."""
    new = folder / ".part"
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
    new.mkdir()
    try:
        yield new
        if (folder / CONFIG).exists():
            (folder / CONFIG).replace(folder / UNFINISHED)
        for path in sorted(new.iterdir(), key=lambda path: path.name == config):
            path.replace(folder / path.name)
        if config == CONFIG:
            (folder / UNFINISHED).unlink(missing_ok=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------------------- tables


def columns_3d() -> list[str]:
    """Header of joints3d.csv: positions of all joints first, then their error bars and where they came from."""
    head = ["frame", "time_s", "person"] + [f"{joint}_{axis}_m" for joint in _JOINTS for axis in "xyz"]
    return head + [f"{joint}_{what}" for joint in _JOINTS for what in ("sigma_xy_mm", "sigma_z_mm", "source")]


def columns_2d() -> list[str]:
    """Header of joints2d.csv."""
    return ["frame", "time_s", "person"] + [f"{j}_{what}" for j in _JOINTS for what in ("x_px", "y_px", "score")]


def stack_motions(time_s: Floats, motions: Sequence[Motion]) -> Joints3D:
    """Motions on the clip's frames 0 .. F-1 (time_s (F,)), unknown where a motion has no row. Persons in rising order."""
    motions, shape = _by_person(motions), (len(motions), len(time_s), len(_JOINTS))
    xyz, sigma = np.full((*shape, 3), np.nan), np.full((*shape, 2), np.nan)
    source = np.zeros(shape, dtype=np.uint8)
    for p, motion in enumerate(motions):
        xyz[p, motion.frame], sigma[p, motion.frame], source[p, motion.frame] = motion.xyz_m, motion.sigma_m, motion.source
    persons = np.array([motion.person for motion in motions], dtype=np.int64)
    return Joints3D(persons, np.arange(len(time_s)), np.asarray(time_s), xyz, sigma, source)


def stack_tracks(time_s: Floats, tracks: Sequence[Track]) -> Joints2D:
    """Tracks on the clip's frames 0 .. F-1 (time_s (F,)); NaN where a track has no row or the network no joint."""
    tracks, shape = _by_person(tracks), (len(tracks), len(time_s), len(_JOINTS))
    xy, score = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    for p, track in enumerate(tracks):
        xy[p, track.frame], score[p, track.frame] = track.xy_px, track.score
    score[np.isnan(xy).any(axis=-1)] = np.nan
    persons = np.array([track.person for track in tracks], dtype=np.int64)
    return Joints2D(persons, np.arange(len(time_s)), np.asarray(time_s), xy, score)


def write_joints3d(path: Path, joints: Joints3D) -> None:
    """joints3d.csv: metres to 0.1 mm, sigmas to 0.1 mm, empty where unknown."""

    def row(p: int, f: int) -> list[str]:
        xyz = in_words(joints.xyz_m[p, f].ravel(), 4)
        sigma = in_words(1000 * joints.sigma_m[p, f].ravel(), 1)
        source = [_SOURCE_WORDS[code] for code in joints.source[p, f]]
        return xyz + [word for j in range(len(_JOINTS)) for word in (*sigma[2 * j : 2 * j + 2], source[j])]

    _write_table(path, columns_3d(), joints, row)


def write_joints2d(path: Path, joints: Joints2D) -> None:
    """joints2d.csv: pixels to 0.01, scores to 0.001, empty where unknown."""

    def row(p: int, f: int) -> list[str]:
        xy, score = in_words(joints.xy_px[p, f].ravel(), 2), in_words(joints.score[p, f], 3)
        return [word for j in range(len(_JOINTS)) for word in (*xy[2 * j : 2 * j + 2], score[j])]

    _write_table(path, columns_2d(), joints, row)


def read_joints3d(path: Path) -> Joints3D:
    """joints3d.csv back as arrays. InputError if the file is not such a table."""
    persons, frame, time_s, cells = _read_table(path, columns_3d())
    joints = len(_JOINTS)
    tail = cells[:, :, 3 * joints :].reshape(*cells.shape[:2], joints, 3)
    try:
        code = np.array([_SOURCE_WORDS.index(word) for word in tail[..., 2].ravel()], dtype=np.uint8)
    except ValueError as error:
        raise InputError(f"{path}: unknown joint source ({error}); expected one of {', '.join(_SOURCE_WORDS)}") from None
    xyz = _numbers(path, cells[:, :, : 3 * joints]).reshape(*cells.shape[:2], joints, 3)
    sigma_m = _numbers(path, tail[..., :2]) / 1000
    return Joints3D(persons, frame, time_s, xyz, sigma_m, code.reshape(*cells.shape[:2], joints))


def read_joints2d(path: Path) -> Joints2D:
    """joints2d.csv back as arrays. InputError if the file is not such a table."""
    persons, frame, time_s, cells = _read_table(path, columns_2d())
    values = _numbers(path, cells).reshape(*cells.shape[:2], len(_JOINTS), 3)
    return Joints2D(persons, frame, time_s, values[..., :2], values[..., 2])


def _by_person(items: Sequence[Any]) -> list[Any]:
    return sorted(items, key=lambda item: item.person)


def in_words(values: NDArray, decimals: int) -> list[str]:
    """Numbers of a table with fixed decimals, '' for NaN; adding 0.0 after rounding turns -0.0 into 0.0."""
    return ["" if v != v else f"{v:.{decimals}f}" for v in (np.round(values, decimals) + 0.0).tolist()]


def _write_table(path: Path, header: list[str], joints: Joints3D | Joints2D, row: Any) -> None:
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(header) + "\n")
        for f, (frame, time_s) in enumerate(zip(joints.frame, joints.time_s, strict=True)):
            for p, person in enumerate(joints.persons):
                out.write(",".join([str(frame), f"{time_s:.6f}", str(person), *row(p, f)]) + "\n")


def _read_table(path: Path, header: list[str]) -> tuple[NDArray, NDArray, Floats, NDArray]:
    """(P,) persons, (F,) frames, (F,) seconds and (P, F, columns - 3) cells as text of a whole table."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not rows or rows[0] != header:
        raise InputError(f"{path}: not a table of this program (its first line differs)")
    if any(len(row) != len(header) for row in rows):
        raise InputError(f"{path}: some rows do not have {len(header)} columns; the file is damaged")
    table = np.array(rows[1:], dtype=object).reshape(-1, len(header))
    frame, time_s, person = (_numbers(path, table[:, k]) for k in range(3))
    persons, frames = np.unique(person).astype(np.int64), np.unique(frame).astype(np.int64)
    if len(table) != len(persons) * len(frames):
        raise InputError(f"{path}: expected one row per frame and person, {len(frames)} x {len(persons)}, got {len(table)}")
    order = np.lexsort((frame, person))
    cells = table[order, 3:].reshape(len(persons), len(frames), len(header) - 3)
    return persons, frames, time_s[order][: len(frames)], cells


def _numbers(path: Path, cells: NDArray) -> Floats:
    try:
        return np.where(cells == "", "nan", cells).astype(np.float64)
    except ValueError as error:
        raise InputError(f"{path}: a cell is not a number ({error})") from None


# ----------------------------------------------------------------------------------------------------------- config.yaml


def camera_to_dict(camera: Camera) -> dict[str, Any]:
    """A camera as config.yaml and --camera files hold it."""
    return {
        "source": camera.source,
        "vertical_fov_deg": round(camera.vertical_fov_deg, 3),
        "width": camera.size_wh[0],
        "height": camera.size_wh[1],
        "K": camera.K_px.tolist(),
        "distortion": camera.distortion.tolist(),
    }


def write_config(path: Path, config: dict[str, Any]) -> None:
    """config.yaml from plain dicts, lists, numbers and text, in the order given."""
    with whole_file(path) as part:
        part.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def read_config(path: Path) -> dict[str, Any]:
    """config.yaml as nested dicts. InputError if it is missing or not such a file."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not YAML'})") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a config.yaml of this program")
    return config
