"""What every data source gives: one picture with any number of labelled people. Unknown stays unknown and gives no loss.

Joints are those of the skeleton `labels26`: vnect21 in its order, then nose, eyes and ears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.camera import Camera, image_to_ray, rotation_to_ray
from posecore.scale import KNEE_TO_NECK_M, knee_to_neck_m
from posecore.skeleton import convert, load_skeleton

LABELS = load_skeleton("labels26")
LIFT_JOINTS = slice(0, 21)  # vnect21 leads labels26


@dataclass(frozen=True)
class PersonLabel:
    """One labelled person.

    xy_px (26, 2) image pixels, trust (26,) 0..1 (0 = unknown); xyz_m (26, 3) pelvis-relative, height-normalised metres, in the
    axes of a camera that looks at the middle of the box (see `seen_at`), trust_xyz (26,); box_xyxy_px (4,); mask: COCO
    run-length encoding of the person's pixels, if known; scale: the person's true metres per normalised metre, 1 where it is
    not known.
    """

    xy_px: NDArray[np.float32]
    trust: NDArray[np.float32]
    xyz_m: NDArray[np.float32]
    trust_xyz: NDArray[np.float32]
    box_xyxy_px: NDArray[np.float32]
    mask: dict[str, Any] | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Layers:
    """Whose pixel it is: masks (H, W) of 0..255 that fit a picture, None where not known."""

    background: NDArray[np.uint8] | None = None
    upper: NDArray[np.uint8] | None = None  # clothes above the waist
    lower: NDArray[np.uint8] | None = None  # clothes below it
    chair: NDArray[np.uint8] | None = None

    def moved(self, move: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Layers:
        """The layers after every mask went through `move`, as their picture did."""
        masks = {f.name: getattr(self, f.name) for f in fields(self)}
        return Layers(**{name: None if mask is None else move(mask) for name, mask in masks.items()})


@dataclass(frozen=True)
class Sample:
    """One picture: `read()` gives RGB uint8 (H, W, 3); `complete` says whether all its people are labelled, but for those
    inside the ignored boxes (crowds, people without joints); ignored_mask, where given, has for every such box the pixels (COCO
    run-length encoding) or None; `layers()`, where there is one, gives the picture's masks; camera: the picture's, if known;
    `visible_px(k)`, where there is one, gives the pixels (H, W) that show people[k], who has no mask to be cut out by."""

    key: str
    source: str
    size_wh: tuple[int, int]
    people: tuple[PersonLabel, ...]
    read: Callable[[], NDArray[np.uint8]]
    complete: bool = False
    ignored_box_xyxy_px: tuple[tuple[float, float, float, float], ...] = ()
    layers: Callable[[], Layers] | None = None
    ignored_mask: tuple[dict[str, Any] | None, ...] = ()
    camera: Camera | None = None
    visible_px: Callable[[int], NDArray[np.bool_]] | None = None


def single(values: ArrayLike) -> NDArray[np.float32]:
    """Values in the precision of labels."""
    return np.asarray(values, dtype=np.float32)


def to_lift_frame(xyz_m: NDArray, box_xyxy_px: NDArray, camera: Camera) -> tuple[NDArray[np.float64], float]:
    """Joints (26, 3) in camera axes and metres as the lift sees them, and the person's scale (see PersonLabel).

    Pelvis at the origin, axes of a camera that looks at the middle of the box, knee-to-neck height 0.92 m
    (docs/conventions.md).
    """
    R_camera_crop = rotation_to_ray(image_to_ray(middle_px(box_xyxy_px), camera))
    scale = float(knee_to_neck_m(xyz_m[LIFT_JOINTS])) / KNEE_TO_NECK_M
    return (xyz_m - xyz_m[LABELS.root]) @ R_camera_crop / scale, scale


def seen_at(person: PersonLabel, centre_px: NDArray, camera: Camera) -> PersonLabel:
    """The person with the 3D of a crop around centre_px (2,): in the axes of a camera that looks there, not at his box."""
    R_camera_box, R_camera_crop = (
        rotation_to_ray(image_to_ray(xy_px, camera)) for xy_px in (middle_px(person.box_xyxy_px), centre_px)
    )
    return replace(person, xyz_m=single(person.xyz_m @ R_camera_box.T @ R_camera_crop))


def middle_px(box_xyxy_px: NDArray) -> NDArray[np.float64]:
    """Middle (2,) of a box (4,)."""
    return np.asarray((box_xyxy_px[:2] + box_xyxy_px[2:]) / 2, dtype=np.float64)


def to_openpose18(person: PersonLabel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Joints (18, 2) and trust (18,) of the detector; its neck is the shoulders' midpoint, whatever a source calls neck."""
    target = load_skeleton("openpose18")
    stacked = np.concatenate([person.xy_px, person.trust[:, None]], axis=1)
    out = convert(stacked, LABELS, target).astype(np.float32)
    shoulders = stacked[LABELS.indices(["left_shoulder", "right_shoulder"])]
    neck = target.index("neck")
    out[neck, :2] = shoulders[:, :2].mean(axis=0)
    out[neck, 2] = shoulders[:, 2].min()
    return out[:, :2], out[:, 2]
