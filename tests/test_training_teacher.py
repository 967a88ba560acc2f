"""What is taken from the teacher of the photos' 3D (BlazePose), and what is put right."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from training.people import FROM_ANKLE_M, FROM_NECK_M, FROM_WRIST_M, blaze_to_labels, set_up_head
from training.samples import LABELS

HEAD = LABELS.indices(["head", "head_top"])
TRUNK_M = np.array([0.0, -0.5, 0.0])  # from the pelvis to the neck of somebody upright, y down


def landmarks():
    """BlazePose's, of somebody upright: only ears, shoulders and hips."""
    xyz = np.zeros((33, 3))
    xyz[[7, 8]] = [0.08, -0.75, 0], [-0.08, -0.75, 0]
    xyz[[11, 12]] = [0.2, -0.5, 0], [-0.2, -0.5, 0]
    xyz[[23, 24]] = [0.1, 0, 0], [-0.1, 0, 0]
    return xyz


def test_blaze_landmarks_become_a_body_around_the_pelvis():
    trusted = np.ones(33)
    trusted[25] = 0
    out, trust = blaze_to_labels(landmarks(), trusted)
    assert (out[LABELS.root] == 0).all()
    neck, spine = (out[LABELS.index(n)] for n in ("neck", "spine"))
    np.testing.assert_allclose(neck, [0, -0.6, 0], atol=1e-12)  # a fifth of the trunk above the shoulders
    np.testing.assert_allclose(spine, [0, -0.6 * 0.445, 0], atol=1e-12)
    assert trust[LABELS.index("left_knee")] == 0
    assert trust[LABELS.index("right_knee")] == 1


def test_the_teachers_face_is_not_believed():
    _, trust = blaze_to_labels(landmarks(), np.ones(33))
    names = [name for name, t in zip(LABELS.joints, trust, strict=True) if t == 0]
    assert names == ["head_top", "head", "nose", "left_eye", "right_eye", "left_ear", "right_ear"]


def test_hands_and_feet_keep_their_direction_and_get_their_length():
    rng = np.random.default_rng(3)
    xyz = rng.normal(size=(33, 3))
    out, _ = blaze_to_labels(xyz, np.ones(33))
    ends = {"hand": ("wrist", FROM_WRIST_M, (17, 19), (18, 20), 15), "toe": ("ankle", FROM_ANKLE_M, (31,), (32,), 27)}
    for name, (start, length, left, right, first) in ends.items():
        for k, (side, tips) in enumerate((("left", left), ("right", right))):
            bone = out[LABELS.index(f"{side}_{name}")] - out[LABELS.index(f"{side}_{start}")]
            taught = xyz[list(tips)].mean(axis=0) - xyz[first + k]
            np.testing.assert_allclose(bone, taught * length / np.linalg.norm(taught), atol=1e-12)


def seen(R, px_per_m=130.0):
    """Somebody whose head goes on from the trunk, turned by R (3, 3): 3D, its trust, none in the head, and the picture."""
    xyz = np.random.default_rng(5).normal(scale=0.4, size=(26, 3))
    xyz[LABELS.root], xyz[LABELS.index("neck")] = 0, TRUNK_M
    for name, length in FROM_NECK_M.items():
        xyz[LABELS.index(name)] = TRUNK_M * (1 + length / 0.5)
    xyz = xyz @ R.T
    trust = np.ones(26)
    trust[HEAD] = 0
    return xyz, trust, xyz[:, :2] * px_per_m + np.array([300.0, 200.0])


@pytest.mark.parametrize("seed", range(6))
def test_a_head_in_line_with_the_trunk_is_found_whichever_way_the_body_lies(seed):
    truth, trust, xy = seen(Rotation.random(rng=np.random.default_rng(seed)).as_matrix())
    xyz = np.where(trust[:, None] > 0, truth, 7.0)
    set_up_head(xyz, trust, xy, np.ones(26))
    np.testing.assert_allclose(xyz, truth, atol=1e-9)
    assert (trust[HEAD] > 0).all()


def test_a_head_bent_aside_is_bent_as_the_picture_shows_it_and_as_long_as_any():
    xyz, trust, xy = seen(np.eye(3))
    top, neck = LABELS.index("head_top"), LABELS.index("neck")
    xy[top] = xy[neck] + [60.0, -60.0]
    set_up_head(xyz, trust, xy, np.ones(26))
    bone = xyz[top] - xyz[neck]
    np.testing.assert_allclose(bone, FROM_NECK_M["head_top"] * np.array([1, -1, 0]) / np.sqrt(2), atol=1e-9)


@pytest.mark.parametrize("known", [np.arange(26) != LABELS.index("neck"), LABELS.indices(["neck", "pelvis", "spine"])])
def test_without_a_neck_or_a_scale_there_is_no_head(known):
    xyz, some, xy = seen(np.eye(3))
    trust = np.zeros(26)
    trust[known] = some[known]
    trust_before, before = trust.copy(), xyz.copy()
    set_up_head(xyz, trust, xy, np.ones(26))
    np.testing.assert_array_equal(trust, trust_before)
    np.testing.assert_array_equal(xyz, before)


def test_what_the_picture_does_not_show_of_a_head_is_not_taught():
    xyz, trust, xy = seen(np.eye(3))
    shown = np.ones(26)
    shown[LABELS.index("head_top")] = 0
    set_up_head(xyz, trust, xy, shown)
    assert trust[LABELS.index("head_top")] == 0
    assert trust[LABELS.index("head")] > 0
