"""Photos of people with 2D labels and pseudo-3D: COCO keypoint format, images in tar shards beside `people.json.gz`.

The 3D landmarks are BlazePose's 33; they are turned into labels26 here. Proportions that BlazePose does not know (how far along
the trunk the spine joint lies, how far the neck rises above the shoulders) are means of 200 anny bodies. Its faces lie a head's
width before the neck in 3D, and its feet and hands are a third too short: the head is set up anew from where the picture shows
it, feet and hands keep their direction alone. Their lengths are means of rendered people.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError
from posecore.skeleton import load_skeleton
from training.samples import LABELS, PersonLabel, Sample

NECK_ABOVE_SHOULDERS = 0.20  # of hip-to-shoulder length
SPINE_ALONG_TRUNK = 0.445  # of pelvis-to-neck length
BALL_OF_FOOT = 0.8  # of ankle-to-toe-tip length, in the picture
FROM_NECK_M = {"head": 0.124, "head_top": 0.234}  # normalised metres
FROM_WRIST_M, FROM_ANKLE_M = 0.099, 0.145  # to hand and toe, normalised metres
TEACHER_SCALE = 0.97  # the teacher's average adult to a knee-to-neck height of 0.92 m
HIDDEN_TRUST = 0.5  # of a joint that is trusted but hidden, or known only from the teacher
GUESS_TRUST = 0.4  # of a joint derived from others by average proportions
# Train photos that are val photos too, under another name, found by their looks; `load_people` leaves them out of train.
# vnect_lite0-v15, from which v16 and v17 go on, and openpose_light-v10 saw them: 12 of 1,241 val photos.
VAL_TWINS = frozenset(
    [f"lspet_{number:05d}.jpg" for number in (8155, 5488, 4433, 4002, 2423, 1479, 7818, 3153, 457, 8720)]
    + ["ccp_0078.jpg", "sports_figure_skating_men__Image_4989.jpg"]
)
SCALE_JOINTS = 6  # known in 2D and 3D, at least, to tell how many pixels a metre is

_BLAZE: dict[str, tuple[int, ...]] = {
    "left_hand": (17, 19),
    "right_hand": (18, 20),
}
for _k, _part in enumerate(("shoulder", "elbow", "wrist")):
    _BLAZE[f"left_{_part}"], _BLAZE[f"right_{_part}"] = (11 + 2 * _k,), (12 + 2 * _k,)
for _k, _part in enumerate(("hip", "knee", "ankle")):
    _BLAZE[f"left_{_part}"], _BLAZE[f"right_{_part}"] = (23 + 2 * _k,), (24 + 2 * _k,)
_BLAZE["left_toe"], _BLAZE["right_toe"] = (31,), (32,)


def _mix(values: NDArray, trust: NDArray, target: str, sources: list[tuple[str, float]], factor: float = 1.0) -> None:
    """Set joint `target` to a weighted sum of known joints, trusted as much as the least of them times `factor`."""
    index = [LABELS.index(name) for name, _ in sources]
    weights = np.array([w for _, w in sources])
    values[LABELS.index(target)] = weights @ values[index]
    trust[LABELS.index(target)] = trust[index].min() * factor


def _derive(values: NDArray, trust: NDArray, neck_known: bool) -> None:
    """Fill the joints that are defined by others, in place; values (26, 2 or 3)."""
    _mix(values, trust, "pelvis", [("left_hip", 0.5), ("right_hip", 0.5)])
    if not neck_known:
        up, down = 0.5 * (1 + NECK_ABOVE_SHOULDERS), -0.5 * NECK_ABOVE_SHOULDERS
        parts = [("left_shoulder", up), ("right_shoulder", up), ("left_hip", down), ("right_hip", down)]
        _mix(values, trust, "neck", parts)
    _mix(values, trust, "spine", [("pelvis", 1 - SPINE_ALONG_TRUNK), ("neck", SPINE_ALONG_TRUNK)])


def _joints_2d(annotation: dict[str, Any], extra_names: list[str]) -> tuple[NDArray, NDArray]:
    """labels26 joints (26, 2) and trust (26,) from COCO keypoints and the extra ones."""
    xy, trust = np.zeros((26, 2)), np.zeros(26)
    names = [*load_skeleton("coco17").joints, *extra_names]
    values = np.array(annotation["keypoints"] + annotation["extra_keypoints"], dtype=float).reshape(-1, 3)
    for name, (x, y, v) in zip(names, values, strict=True):
        if name in LABELS.joints:
            j = LABELS.index(name)
            xy[j], trust[j] = (x, y), (0.0, HIDDEN_TRUST, 1.0)[int(v)]
    _derive(xy, trust, neck_known=trust[LABELS.index("neck")] > 0)
    _mix(xy, trust, "head", [("left_ear", 0.5), ("right_ear", 0.5)])
    for toe, ankle in (("left_toe", "left_ankle"), ("right_toe", "right_ankle")):
        _mix(xy, trust, toe, [(toe, BALL_OF_FOOT), (ankle, 1 - BALL_OF_FOOT)])
    return xy, trust


def blaze_to_labels(xyz: NDArray, trusted: NDArray) -> tuple[NDArray, NDArray]:
    """BlazePose's (33, 3) landmarks in normalised metres and trust (33,) to labels26 around the pelvis (26, 3), and trust.

    Head and face are unknown, see `set_up_head`.
    """
    out, trust = np.zeros((26, 3)), np.zeros(26)
    for name, index in _BLAZE.items():
        out[LABELS.index(name)] = xyz[list(index)].mean(axis=0)
        trust[LABELS.index(name)] = trusted[list(index)].min()
    _derive(out, trust, neck_known=False)
    for side in ("left", "right"):
        _put_away(out, f"{side}_hand", f"{side}_wrist", FROM_WRIST_M)
        _put_away(out, f"{side}_toe", f"{side}_ankle", FROM_ANKLE_M)
    return out - out[LABELS.root], trust


def _put_away(values: NDArray, end: str, start: str, length: float) -> None:
    """Move joint `end` along the bone to `length` from joint `start`; it stays where both are at one place."""
    i, j = LABELS.index(start), LABELS.index(end)
    bone = values[j] - values[i]
    values[j] = values[i] + bone * (length / max(float(np.linalg.norm(bone)), 1e-9))


def set_up_head(xyz: NDArray, trust_xyz: NDArray, xy: NDArray, trust: NDArray) -> None:
    """Place head and head top over the neck, in place: across the view as the picture shows them, in depth along the trunk.

    xyz (26, 3) normalised metres in the axes of the view, xy (26, 2) pixels. A person is shown at one scale (weak perspective),
    that of the joints known in both; where they are few or the trunk is unknown, so is the head.
    """
    both = (trust > 0) & (trust_xyz > 0)
    neck, trunk = LABELS.index("neck"), LABELS.indices(["neck", LABELS.joints[LABELS.root]])
    if both.sum() < SCALE_JOINTS or not both[trunk].all():
        return
    across_m, across_px = (np.linalg.norm(v - v.mean(axis=0)) for v in (xyz[both, :2], xy[both]))
    up = xyz[neck] / max(float(np.linalg.norm(xyz[neck])), 1e-9)
    for name, length in FROM_NECK_M.items():
        j = LABELS.index(name)
        shown_m = (xy[j] - xy[neck]) * across_m / max(float(across_px), 1e-9)
        xyz[j] = xyz[neck] + np.array([*shown_m, length * up[2]])
        _put_away(xyz, name, "neck", length)
        trust_xyz[j] = GUESS_TRUST * min(trust[j], trust_xyz[neck])


def _joints_3d(annotation: dict[str, Any], xy: NDArray, trust: NDArray) -> tuple[NDArray, NDArray]:
    """labels26 joints in normalised metres (26, 3) and trust (26,), of a person with the given 2D joints; all unknown where
    there is no 3D."""
    if "xyz_mm" not in annotation:
        return np.zeros((26, 3)), np.zeros(26)
    xyz = np.array(annotation["xyz_mm"], dtype=float).reshape(33, 3) / 1000 * TEACHER_SCALE
    out, trusted = blaze_to_labels(xyz, np.array([int(digit) for digit in annotation["xyz_trusted"]], dtype=float))
    set_up_head(out, trusted, xy, trust)
    return out, trusted


def _person(annotation: dict[str, Any], extra_names: list[str]) -> PersonLabel:
    xy, trust = _joints_2d(annotation, extra_names)
    xyz, trust_xyz = _joints_3d(annotation, xy, trust)
    x, y, w, h = annotation["bbox"]
    box = np.array([x, y, x + w, y + h])
    xy, trust, xyz, trust_xyz, box = (a.astype(np.float32) for a in (xy, trust, xyz, trust_xyz, box))
    return PersonLabel(xy, trust, xyz, trust_xyz, box, annotation.get("segmentation"))


def index_shards(folder: Path) -> dict[str, tuple[Path, int, int]]:
    """File name -> (tar file, offset, bytes) of every member of the folder's tar shards."""
    index = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            index.update({m.name.split("/")[-1]: (path, m.offset_data, m.size) for m in tar if m.isfile()})
    return index


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """JPEG or PNG bytes to RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def shard_reader(place: tuple[Path, int, int]) -> Callable[[], NDArray[np.uint8]]:
    """A function that reads one picture out of a shard."""

    def read() -> NDArray[np.uint8]:
        path, offset, size = place
        with path.open("rb") as stream:
            stream.seek(offset)
            return decode_rgb(stream.read(size))

    return read


def load_people(folder: Path, split: str) -> list[Sample]:
    """The samples of one split ('train', without VAL_TWINS, or 'val'). InputError when the folder does not hold the set."""
    labels = folder / "people.json.gz"
    if not labels.is_file():
        raise InputError(f"no people.json.gz in {folder}; give the folder of the `people` photos with --data")
    with gzip.open(labels) as stream:
        raw = json.load(stream)
    extra_names = raw["categories"][0]["extra_keypoints"]
    by_image = {a["image_id"]: a for a in raw["annotations"]}
    places = index_shards(folder)
    samples = []
    for image in raw["images"]:
        is_twin = split == "train" and image["file_name"] in VAL_TWINS
        if image["split"] == split and not is_twin and image["id"] in by_image and image["file_name"] in places:
            person = _person(by_image[image["id"]], extra_names)
            size = (image["width"], image["height"])
            read = shard_reader(places[image["file_name"]])
            samples.append(Sample(image["file_name"], image["source"], size, (person,), read))
    return samples
