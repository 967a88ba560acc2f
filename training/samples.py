"""What every data source gives: one picture with any number of labelled people. Unknown stays unknown and gives no loss.

Joints are those of the skeleton `labels26`: vnect21 in its order, then nose, eyes and ears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import convert, load_skeleton

LABELS = load_skeleton("labels26")
LIFT_JOINTS = slice(0, 21)  # vnect21 leads labels26


@dataclass(frozen=True)
class PersonLabel:
    """One labelled person.

    xy_px (26, 2) image pixels, trust (26,) 0..1 (0 = unknown); xyz_m (26, 3) pelvis-relative, camera axes, height-normalised
    metres, trust_xyz (26,); box_xyxy_px (4,); mask: COCO run-length encoding of the person's pixels, if known.
    """

    xy_px: NDArray[np.float32]
    trust: NDArray[np.float32]
    xyz_m: NDArray[np.float32]
    trust_xyz: NDArray[np.float32]
    box_xyxy_px: NDArray[np.float32]
    mask: dict[str, Any] | None = None


@dataclass(frozen=True)
class Sample:
    """One picture: `read()` gives RGB uint8 (H, W, 3); `complete` says whether all its people are labelled, but for those
    inside the ignored boxes (crowds, people without joints)."""

    key: str
    source: str
    size_wh: tuple[int, int]
    people: tuple[PersonLabel, ...]
    read: Callable[[], NDArray[np.uint8]]
    complete: bool = False
    ignored_box_xyxy_px: tuple[tuple[float, float, float, float], ...] = ()


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
