"""The fitted skeletons drawn on the clip: what was seen in full colour, what was placed by the body faintly."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import load_skeleton
from posecore.types import Floats, Motion, Source

LEFT_RGB, RIGHT_RGB, MIDDLE_RGB = (40, 150, 255), (255, 110, 40), (90, 220, 110)
_PERSON_RGB = ((255, 255, 255), (255, 235, 80), (255, 120, 220), (110, 255, 255), (200, 160, 255), (170, 255, 120))
_FAINT = 0.35  # share of colour of joints that were not seen
_SUB_BITS = 4  # OpenCV draws at 1/16 pixel
_SKELETON = load_skeleton("vnect21")


class Overlay:
    """Draws the people of a frame. motions: rows by frame number; drawing never changes the picture it is given."""

    def __init__(self, motions: Sequence[Motion]) -> None:
        self._motions = sorted(motions, key=lambda motion: motion.person)
        self._row = [{int(frame): row for row, frame in enumerate(motion.frame)} for motion in self._motions]

    def draw(self, rgb: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        """A copy of picture (H, W, 3) with every person who is known in this frame."""
        people = [(m, rows[frame]) for m, rows in zip(self._motions, self._row, strict=True) if frame in rows]
        width_px = max(1, round(min(rgb.shape[:2]) / 240))
        faint, sure = rgb.copy(), [(m, row, _is_sure(m.source[row])) for m, row in people]
        for motion, row, seen in sure:
            _draw_bones(faint, motion.xy_px[row], ~seen & _is_placed(motion.source[row]), width_px)
        out = cv2.addWeighted(faint, _FAINT, rgb, 1 - _FAINT, 0) if people else faint
        for motion, row, seen in sure:
            _draw_bones(out, motion.xy_px[row], seen, width_px)
            _draw_label(out, motion.person, motion.xy_px[row], width_px)
        return out


def _is_sure(source: NDArray) -> NDArray[np.bool_]:
    return (source == Source.MEASURED) | (source == Source.WEAK)


def _is_placed(source: NDArray) -> NDArray[np.bool_]:
    return source != Source.EMPTY


def joint_rgb(joint: int) -> tuple[int, int, int]:
    """Colour of a joint and of the bone that ends in it, by the person's own side."""
    name = _SKELETON.joints[joint]
    return LEFT_RGB if name.startswith("left_") else RIGHT_RGB if name.startswith("right_") else MIDDLE_RGB


def person_rgb(person: int) -> tuple[int, int, int]:
    """Colour of a person's number."""
    return _PERSON_RGB[(person - 1) % len(_PERSON_RGB)]


def _draw_bones(rgb: NDArray[np.uint8], xy_px: Floats, wanted: NDArray[np.bool_], width_px: int) -> None:
    """Bones that end in a wanted joint, then the wanted joints, onto the picture."""
    fixed = _fixed_point(xy_px, rgb.shape)
    for joint in _SKELETON.order:
        parent = _SKELETON.parent[joint]
        if wanted[joint] and joint != parent and fixed[joint] is not None and fixed[parent] is not None:
            cv2.line(rgb, fixed[parent], fixed[joint], joint_rgb(joint), width_px, cv2.LINE_AA, _SUB_BITS)
    radius = round(1.3 * width_px * (1 << _SUB_BITS))
    for joint in _SKELETON.order:
        if wanted[joint] and fixed[joint] is not None:
            cv2.circle(rgb, fixed[joint], radius, joint_rgb(joint), cv2.FILLED, cv2.LINE_AA, _SUB_BITS)


def _fixed_point(xy_px: Floats, shape: tuple[int, ...]) -> list[tuple[int, int] | None]:
    """Points for OpenCV at 1/16 pixel; None for the unknown and for those so far outside that its integers would overflow."""
    reach_px = 8 * max(shape[:2])
    scale = 1 << _SUB_BITS
    near = np.all(np.abs(xy_px) < reach_px, axis=1)  # False for NaN too
    return [(round(x * scale), round(y * scale)) if ok else None for (x, y), ok in zip(xy_px.tolist(), near, strict=True)]


def _draw_label(rgb: NDArray[np.uint8], person: int, xy_px: Floats, width_px: int) -> None:
    """The person's number above the highest joint, kept inside the picture."""
    known = xy_px[np.isfinite(xy_px).all(axis=1)]
    if not len(known):
        return
    top = known[np.argmin(known[:, 1])]
    size = 0.45 + 0.15 * width_px
    x = int(np.clip(top[0] - 6 * size, 2, rgb.shape[1] - 20 * size))
    y = int(np.clip(top[1] - 8 * width_px, 24 * size, rgb.shape[0] - 4))
    for colour, thickness in (((0, 0, 0), 2 + 2 * width_px), (person_rgb(person), 1 + width_px // 2)):
        cv2.putText(rgb, str(person), (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)
