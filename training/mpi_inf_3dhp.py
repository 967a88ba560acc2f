"""MPI-INF-3DHP (Mehta et al. 2017) as training and test samples: real people, exact 3D from many cameras.

What is published and known about the set, and minded here:
  * annot3 are millimetres in each camera's own axes and reproject onto annot2; univ_annot3 are the same poses at one height
    for everybody and do not. Both are brought to the lift's knee-to-neck height; the true scale stays with the label.
  * Some sequences have more annotations than pictures; rows without a picture are left out.
  * In S4/Seq2 left and right are exchanged for 2,094 frames, by a user's report; mended only where the toes agree with it.
  * Masks serve only where the publisher found them good (FLAWED). In FGmasks red is bright on what is not green screen, green
    and blue are dark on upper and lower clothes; in ChairMasks red is dark on the chair.
  * A test sequence's pictures are more than its annotations in TS3 and TS4; only frames marked valid count. In TS6 knees and
    ankles of the universal poses do not agree with the true ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera, in_picture
from posecore.errors import InputError
from posecore.oks import joints_box
from posecore.skeleton import convert, load_skeleton
from training.coco import file_reader
from training.mpi_files import Annotations, Frames, find_frames, read_annotations, read_calibration, read_test_annotations
from training.samples import LABELS, Layers, PersonLabel, Sample, single, to_lift_frame

SOURCE = "mpi_inf_3dhp"
MPI = load_skeleton("mpi_inf_3dhp")
TEST_JOINTS = slice(0, 17)  # of vnect21: the test set's order, its "relevant" joints
VNECT_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)  # chest and knee height and two looking down; the others look steeply down
MIN_MOVE_M = 0.2  # between two frames taken, of the joint that moved most (Mehta et al.)
MIN_INSIDE = 0.5  # share of the joints in the picture, below which a frame is left out
AROUND_PERSON = 1.3  # pixels farther away than this many boxes belong to nobody, whatever the mask says
EXCHANGED = {(4, 2): (3759, 5853)}  # frames of (subject, sequence) whose sides are exchanged
# Layers (background, upper, lower) whose masks the publisher calls bad or does not give, by (subject, sequence).
FLAWED = {
    **dict.fromkeys(((1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 2), (8, 2)), ("upper", "lower")),
    **dict.fromkeys(((1, 2), (4, 2)), ("background", "lower")),
}

Skeleton3D = Literal["universal", "real"]


@dataclass(frozen=True)
class Choice:
    """Which of the frames to take."""

    skeleton: Skeleton3D = "universal"  # 3D of one height for everybody (as VNect), or of the actors' own bones
    cameras: tuple[int, ...] = VNECT_CAMERAS
    per_camera: int = 600  # frames of a camera and sequence at most, spread evenly: 77,000 in all


@dataclass(frozen=True)
class _View:
    """One camera of one sequence; `key` is as S1/Seq1/video_0."""

    key: str
    labels: Annotations
    camera: Camera
    frames: Frames
    foreground: Frames | None
    chairs: Frames | None
    flawed: tuple[str, ...]


def load_mpi_inf_3dhp(folder: Path, choice: Choice = Choice()) -> list[Sample]:
    """The training set's samples; pictures and masks are read when asked for. InputError where it does not lie in `folder`."""
    sequences = sorted(folder.glob("S[1-8]/Seq[12]"))
    if not sequences:
        raise InputError(f"no S1..S8/Seq1..2 in {folder}; give the folder of MPI-INF-3DHP's training set")
    samples = [sample for sequence in sequences for sample in _sequence(sequence, choice)]
    if not samples:
        raise InputError(
            f"no pictures of the cameras {', '.join(map(str, choice.cameras))} in {folder}; expected video_N.avi or "
            "img_N_000001.jpg ... in S1/Seq1/imageSequence and so on"
        )
    return samples


def _sequence(folder: Path, choice: Choice) -> Iterator[Sample]:
    """One sequence's samples, camera after camera, of the same moments."""
    rows: NDArray[np.int64] | None = None
    for view in _views(folder, choice.cameras):
        rows = moving_rows(view.labels.xyz_m) if rows is None else rows
        kept = [int(row) for row in rows if view.frames.has(int(view.labels.frame[row]))]
        if kept:
            _check_size(view, kept[0])
        for row in _spread(kept, choice.per_camera):
            sample = _sample(view, row, choice.skeleton)
            if sample is not None:
                yield sample


def _views(folder: Path, cameras: Sequence[int]) -> Iterator[_View]:
    """The cameras of a sequence of which there are pictures."""
    numbers = int(folder.parent.name[1:]), int(folder.name[3:])
    annotations = read_annotations(folder / "annot.mat")
    calibration = read_calibration(folder / "camera.calibration")
    for number in cameras:
        frames, *masks = (find_frames(folder / name, number) for name in ("imageSequence", "FGmasks", "ChairMasks"))
        if frames is not None and number in annotations and number in calibration:
            labels = mend_sides(annotations[number], EXCHANGED.get(numbers))
            key = f"{folder.parent.name}/{folder.name}/video_{number}"
            yield _View(key, labels, calibration[number], frames, masks[0], masks[1], FLAWED.get(numbers, ()))


def _check_size(view: _View, row: int) -> None:
    """InputError where the pictures are not as large as calibrated."""
    height, width = view.frames.read(int(view.labels.frame[row])).shape[:2]
    if (width, height) != view.camera.size_wh:
        calibrated = "x".join(map(str, view.camera.size_wh))
        raise InputError(f"pictures of {view.key} are {width}x{height}, calibrated are {calibrated}; extract them at full size")


def _spread(rows: Sequence[int], count: int) -> list[int]:
    """At most `count` of the rows, evenly."""
    return (
        [rows[k] for k in np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))] if rows else []
    )


def moving_rows(xyz_m: NDArray) -> NDArray[np.int64]:
    """Rows of (F, J, 3) at which some joint has moved MIN_MOVE_M since the last row taken; the first is one."""
    rows = [0]
    for row in range(1, len(xyz_m)):
        if np.linalg.norm(xyz_m[row] - xyz_m[rows[-1]], axis=1).max() >= MIN_MOVE_M:
            rows.append(row)
    return np.array(rows)


def mend_sides(labels: Annotations, span: tuple[int, int] | None) -> Annotations:
    """The labels with left and right named right in the frames of `span`, if most people there stand with their toes behind."""
    inside = np.zeros(len(labels.frame), bool) if span is None else (labels.frame >= span[0]) & (labels.frame < span[1])
    if not inside.any() or np.median(_toes_ahead_m(labels.xyz_m[inside])) > 0:
        return labels
    parts = [np.where(inside[:, None, None], a[:, MPI.mirror], a) for a in (labels.xy_px, labels.xyz_m, labels.universal_m)]
    return Annotations(labels.frame, *parts)


def _toes_ahead_m(xyz_m: NDArray) -> NDArray[np.float64]:
    """(F,) how far the toes lie ahead of the ankles; ahead is what the hips, by their names, and the trunk make the front."""
    at = {name: xyz_m[:, MPI.index(name)] for name in MPI.joints}
    front = np.cross(at["left_hip"] - at["right_hip"], at["neck"] - at["pelvis"])
    toes = at["left_toe"] - at["left_ankle"] + at["right_toe"] - at["right_ankle"]
    return (front * toes).sum(axis=1) / np.maximum(np.linalg.norm(front, axis=1), 1e-9)


def _sample(view: _View, row: int, skeleton: Skeleton3D) -> Sample | None:
    """One frame of one camera; None where too little of the person is in the picture."""
    labels, frame = view.labels, int(view.labels.frame[row])
    xyz = (labels.universal_m if skeleton == "universal" else labels.xyz_m)[row]
    person = label_person(convert(labels.xy_px[row], MPI, LABELS), convert(xyz, MPI, LABELS), view.camera)
    if person is None:
        return None
    layers = None
    if view.foreground is not None and view.foreground.has(frame):
        layers = partial(read_layers, view.foreground, view.chairs, frame, person.box_xyxy_px, view.flawed)
    read = partial(view.frames.read, frame)
    key, camera = f"{view.key}/{frame:06d}", view.camera
    return Sample(key, SOURCE, camera.size_wh, (person,), read, complete=True, layers=layers, camera=camera)


def label_person(xy_px: NDArray, xyz_m: NDArray, camera: Camera) -> PersonLabel | None:
    """Joints (26, 2) and (26, 3) in camera axes, NaN where unknown, as a label; None with too few of them in the picture."""
    known = np.isfinite(xy_px).all(axis=1)
    inside = known & in_picture(xy_px, camera.size_wh)
    if inside.sum() < MIN_INSIDE * known.sum():
        return None
    box = joints_box(np.where(inside[:, None], xy_px, np.nan))
    xyz, scale = to_lift_frame(xyz_m, box, camera)
    trust_xyz = np.isfinite(xyz).all(axis=1)
    return PersonLabel(
        single(np.nan_to_num(xy_px)), single(inside), single(np.nan_to_num(xyz)), single(trust_xyz), single(box), scale=scale
    )


def read_layers(foreground: Frames, chairs: Frames | None, frame: int, box_xyxy_px: NDArray, flawed: Sequence[str]) -> Layers:
    """One frame's masks, each 255 where its layer is seen, without those that are no good."""
    red, green, blue = np.moveaxis(foreground.read(frame), -1, 0)
    near = _around(box_xyxy_px, red.shape)
    person, upper, lower = (np.where(near, mask, 0).astype(np.uint8) for mask in (red, 255 - green, 255 - blue))
    chair = 255 - chairs.read(frame)[..., 0] if chairs is not None and chairs.has(frame) else None
    background = 255 - (person if chair is None else np.maximum(person, chair))
    masks = {"background": background, "upper": upper, "lower": lower, "chair": chair}
    return Layers(**{name: None if name in flawed else mask for name, mask in masks.items()})


def _around(box_xyxy_px: NDArray, shape_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    """(H, W) pixels within the person's box, enlarged."""
    low, high = box_xyxy_px[:2], box_xyxy_px[2:]
    reach = AROUND_PERSON * np.maximum((high - low) / 2, (high - low).max() / 4)
    y, x = np.ogrid[: shape_hw[0], : shape_hw[1]]
    centre = (low + high) / 2
    return (abs(x - centre[0]) <= reach[0]) & (abs(y - centre[1]) <= reach[1])


def has_test_set(folder: Path) -> bool:
    """Whether TS1..TS6, or some of them, lie where `load_mpi_inf_3dhp_test` looks."""
    return bool(_test_folders(folder))


def _test_folders(folder: Path) -> list[Path]:
    root = folder / "mpi_inf_3dhp_test_set"
    return sorted((root if root.is_dir() else folder).glob("TS[1-6]"))


def load_mpi_inf_3dhp_test(folder: Path, skeleton: Skeleton3D = "universal") -> list[Sample]:
    """The valid frames of TS1..TS6 in `folder` or its mpi_inf_3dhp_test_set, 17 joints labelled. InputError without any."""
    sequences = _test_folders(folder)
    if not sequences:
        raise InputError(f"no TS1..TS6 in {folder}; give the folder of MPI-INF-3DHP's test set (mpi_inf_3dhp_test_set)")
    return [sample for sequence in sequences for sample in _test_sequence(sequence, skeleton)]


def _test_sequence(folder: Path, skeleton: Skeleton3D) -> Iterator[Sample]:
    stored = read_test_annotations(folder / "annot_data.mat")
    rows = np.flatnonzero(stored["valid"])
    if not len(rows):
        return
    paths = [folder / "imageSequence" / f"img_{row + 1:06d}.jpg" for row in rows]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{len(missing)} of {len(paths)} pictures are missing, first {missing[0]}; unpack the test set again")
    height, width = file_reader(paths[0])().shape[:2]
    camera = camera_of_labels(stored["xy_px"][rows], stored["xyz_m"][rows], (width, height))
    xyz_m = stored["universal_m" if skeleton == "universal" else "xyz_m"]
    for row, path in zip(rows, paths, strict=True):
        joints = [np.full((len(LABELS), axes), np.nan) for axes in (2, 3)]
        joints[0][TEST_JOINTS], joints[1][TEST_JOINTS] = stored["xy_px"][row], xyz_m[row]
        person = label_person(joints[0], joints[1], camera)
        if person is not None:
            key = f"{folder.name}/{row + 1:06d}"
            yield Sample(key, SOURCE, camera.size_wh, (person,), file_reader(path), complete=True, camera=camera)


def camera_of_labels(xy_px: NDArray, xyz_m: NDArray, size_wh: tuple[int, int]) -> Camera:
    """The pinhole camera that takes joints (F, J, 3) to (F, J, 2) best: the test set's calibration does not lie beside it."""
    K = np.eye(3)
    for axis in (0, 1):
        ahead = np.stack([xyz_m[..., axis], xyz_m[..., 2]], axis=-1).reshape(-1, 2)
        focal, centre = np.linalg.lstsq(ahead, (xy_px[..., axis] * xyz_m[..., 2]).ravel(), rcond=None)[0]
        K[axis, axis], K[axis, 2] = focal, centre
    return Camera(K, size_wh, source="labels of MPI-INF-3DHP")
