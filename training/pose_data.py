"""Targets for the detector, from the same samples as the lifter's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pose2d.network import OpenPoseLight
from pose2d.targets import cells_in_boxes, encode, known_channels, trainable
from training.samples import PersonLabel, to_openpose18

STRIDE = OpenPoseLight.stride


def _joints_and_boxes(people: list[PersonLabel]) -> tuple[NDArray, NDArray[np.bool_], NDArray]:
    """openpose18 joints (P, 18, 2), whether they are labelled (P, 18), boxes (P, 4)."""
    joints = [to_openpose18(p) for p in people]
    xy = np.array([xy for xy, _ in joints], dtype=float).reshape(-1, 18, 2)
    valid = np.array([trust > 0 for _, trust in joints], dtype=bool).reshape(-1, 18)
    return xy, valid, np.array([p.box_xyxy_px for p in people], dtype=float).reshape(-1, 4)


def learnable(people: list[PersonLabel]) -> NDArray[np.bool_]:
    """(P,) whether people are large and well enough labelled at this size to be learnt, rather than ignored."""
    _, valid, box = _joints_and_boxes(people)
    return trainable((box[:, 2:] - box[:, :2]).prod(axis=1), valid)


def pose_target(
    people: list[PersonLabel],
    size_hw: tuple[int, int],
    complete: bool,
    ignored_box_xyxy_px: NDArray | None = None,
    ignored_px: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray]:
    """Targets of `pose2d.loss.pose_loss` for one picture of this size.

    Small or barely labelled people are ignored, not trained as background, and so are the given boxes (K, 4) and pixels (H, W).
    In boxes, though, the learnt people's joints and limbs are known: who stands before somebody nearly hidden is learnt whole.
    Where not all people are labelled (`complete` false) nothing is known outside the labelled people's padded boxes.
    """
    cells = (size_hw[0] // STRIDE, size_hw[1] // STRIDE)
    xy, valid, box = _joints_and_boxes(people)
    learnt = learnable(people)
    more = np.zeros((0, 4)) if ignored_box_xyxy_px is None else ignored_box_xyxy_px
    ignored = np.concatenate([box[~learnt], more])
    heat, paf = encode(xy[learnt], valid[learnt], cells, STRIDE)
    heat_known, paf_known = known_channels(box[learnt], valid[learnt], cells, STRIDE, None, ignored)
    heat_known, paf_known = _with_the_labelled(heat_known, paf_known, heat, paf)
    if ignored_px is not None:
        free, free_limbs = known_channels([], [], cells, STRIDE, ignored_px)
        heat_known, paf_known = heat_known & free, paf_known & free_limbs
    if not complete:
        pad = 0.05 * (box[:, 2:] - box[:, :2]).max(axis=1, keepdims=True)
        near = cells_in_boxes(box + pad * np.array([-1, -1, 1, 1]), cells, STRIDE).any(axis=0)
        heat_known, paf_known = heat_known & near, paf_known & near
    return {"heat": heat, "paf": paf, "heat_known": heat_known, "paf_known": paf_known}


def _with_the_labelled(heat_known: NDArray, paf_known: NDArray, heat: NDArray, paf: NDArray) -> tuple[NDArray, NDArray]:
    """The masks with labelled joints and limbs known; the background is known where all joints are."""
    joints = heat_known[:-1] | (heat[:-1] > 0)
    limbs = (paf.reshape(-1, 2, *paf.shape[1:]) != 0).any(axis=1)
    return np.concatenate([joints, joints.all(axis=0, keepdims=True)]), paf_known | np.repeat(limbs, 2, axis=0)
