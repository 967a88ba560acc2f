"""Exact labels of a rendered person: joints in the image and in camera axes, visibility, visible pixels."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera, camera_to_image
from training.synthetic.rendered import PersonLabel
from training.synthetic.renderer import NEAR_M, Picture

OWN_BODY_M = 0.17  # a joint lies this far under the skin at most; deeper means a limb is in front of it
OTHER_THING_M = 0.05


class Visibility(IntEnum):
    """Why a joint can be seen or not."""

    OUTSIDE = 0
    BEHIND_OTHER = 1
    BEHIND_SELF = 2
    VISIBLE = 3


def label_person(xyz_m: NDArray, camera: Camera, picture: Picture, number: int, stature_m: float) -> PersonLabel:
    """Label person `number` of a picture from joints xyz_m (26, 3) in camera axes, with the picture's depth and numbers."""
    xy = camera_to_image(np.where(xyz_m[:, 2:] > NEAR_M, xyz_m, np.nan), camera)
    return PersonLabel(xy, xyz_m, visibility(xy, xyz_m[:, 2], picture, number), stature_m)


def visibility(xy_px: NDArray, depth_m: NDArray, picture: Picture, number: int) -> NDArray[np.uint8]:
    """(J,) Visibility codes of joints at (J, 2) pixels and (J,) depths of person `number`. NaN pixels are outside."""
    height, width = picture.depth_m.shape
    cell = np.floor(np.nan_to_num(xy_px, nan=-9.0) + 0.5).astype(int)
    inside = ((cell >= 0) & (cell < [width, height])).all(axis=1)
    column, row = np.where(inside[:, None], cell, 0).T
    own = picture.person[row, column] == number
    hidden = picture.depth_m[row, column] < depth_m - np.where(own, OWN_BODY_M, OTHER_THING_M)
    codes = np.where(hidden, np.where(own, Visibility.BEHIND_SELF, Visibility.BEHIND_OTHER), Visibility.VISIBLE)
    return np.where(inside, codes, Visibility.OUTSIDE).astype(np.uint8)
