"""Who is cut off by the picture's border: where the rest of him about is, and that crops have room for it."""

from dataclasses import replace

import numpy as np
import pytest

from posecore.camera import in_picture
from posecore.crop import crop_from_detection, crop_from_points
from posecore.cut_body import BELOW_TOP, BONES, beyond_border_px
from posecore.skeleton import load_skeleton
from posecore.types import Detection2D, rotation_2d

OPENPOSE = load_skeleton("openpose18")
STATURE_PX = 400.0
WIDE = (4000, 4000)


def straight(stature_px: float = STATURE_PX) -> np.ndarray:
    """(18, 2) an upright body of just these proportions, its head top at x 300, y 100."""
    half = {"shoulder": BONES["left_shoulder", "right_shoulder"] / 2, "hip": 0.05, "knee": 0.05, "ankle": 0.05}
    arm = {"elbow": BONES["left_shoulder", "left_elbow"]}
    arm["wrist"] = arm["elbow"] + BONES["left_elbow", "left_wrist"]
    rows = []
    for joint in OPENPOSE.joints:
        side, part = joint.split("_") if "_" in joint else ("", joint)
        sign = {"left": 1, "right": -1}.get(side, 0)
        x, y = half.get(part, half["shoulder"]), BELOW_TOP.get(f"{part}s", BELOW_TOP["nose"])
        if part in arm:
            y = BELOW_TOP["shoulders"] + arm[part]
        elif part == "neck":
            y = BELOW_TOP["shoulders"]
        elif part in ("eye", "ear"):
            x = 0.02
        rows.append((sign * x, y))
    return np.array(rows) * stature_px + [300, 100]


def cut_at(y_px: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Which joints are seen, and the picture's size, where its lower border is at y_px."""
    return straight()[:, 1] < y_px, (600, int(y_px))


def level_px(part: str) -> list[float]:
    return [300.0, 100 + BELOW_TOP[part] * STATURE_PX]


@pytest.mark.parametrize(
    ("y_px", "missing"),
    [
        (120 + 0.2 * STATURE_PX, ["hips", "knees", "ankles"]),
        (120 + 0.5 * STATURE_PX, ["knees", "ankles"]),
        (120 + 0.7 * STATURE_PX, ["ankles"]),
    ],
)
def test_the_rest_of_a_straight_body_is_where_it_is(y_px, missing):
    known, size = cut_at(y_px)
    rest_px = beyond_border_px(straight(), known, OPENPOSE, size)
    # Levels and bones are medians each by itself: from the nose to the shoulders is 0.14 both ways, a thigh not quite 0.24.
    np.testing.assert_allclose(rest_px, [level_px(part) for part in missing], atol=0.025 * STATURE_PX)


def test_legs_alone_have_a_trunk_and_a_head_above_them():
    size = (600, 900)
    down_px = np.array([0, -(100 + 0.6 * STATURE_PX)])  # the upper border between hips and knees
    xy_px = straight() + down_px
    rest_px = beyond_border_px(xy_px, xy_px[:, 1] > 0, OPENPOSE, size)
    expected = [level_px(part) + down_px for part in ("head_top", "nose", "shoulders", "hips")]
    np.testing.assert_allclose(rest_px, expected, atol=0.025 * STATURE_PX)


def test_it_turns_grows_and_moves_with_the_body():
    """Where the trunk is seen; the picture is cut so that everything guessed lies beyond it."""
    known = np.isin(OPENPOSE.joints, ["neck", "left_shoulder", "right_shoulder", "left_hip", "right_hip"])
    plain = beyond_border_px(straight(), known, OPENPOSE, (1, 1))
    assert len(plain) == 4
    matrix, shift = 0.7 * rotation_2d(0.9), np.array([900.0, 700.0])
    moved = beyond_border_px(straight() @ matrix.T + shift, known, OPENPOSE, (1, 1))
    np.testing.assert_allclose(moved, plain @ matrix.T + shift, atol=1e-9)


def test_shortened_bones_do_not_make_a_body_smaller():
    known, size = cut_at(120 + 0.5 * STATURE_PX)
    bent = straight()
    bent[OPENPOSE.index("left_wrist")] = bent[OPENPOSE.index("left_elbow")] + 1  # towards the camera
    np.testing.assert_array_equal(
        beyond_border_px(bent, known, OPENPOSE, size), beyond_border_px(straight(), known, OPENPOSE, size)
    )


def test_a_picture_reaches_half_a_pixel_beyond_its_outer_pixels_centres():
    x = np.array([-0.6, -0.4, 0.0, 7.4, 7.6, np.nan])
    xy_px = np.stack(np.meshgrid(x, x / 2, indexing="ij"), axis=-1)
    across = np.array([False, True, True, True, False, False])
    down = (x / 2 > -0.5) & (x / 2 < 3.5)
    np.testing.assert_array_equal(in_picture(xy_px, (8, 4)), across[:, None] & down)
    assert in_picture(np.array([1.0, 1.0]), (8, 4)).shape == ()


def test_what_would_be_in_the_picture_is_hidden_and_not_cut_off():
    known, _ = cut_at(120 + 0.5 * STATURE_PX)
    assert beyond_border_px(straight(), known, OPENPOSE, WIDE).shape == (0, 2)
    nobody = np.zeros(len(OPENPOSE), dtype=bool)
    for lone in ([], ["nose"], ["left_elbow", "right_wrist"]):
        assert beyond_border_px(straight(), nobody | np.isin(OPENPOSE.joints, lone), OPENPOSE, (1, 1)).shape == (0, 2)


def test_a_crop_has_room_for_the_rest_and_is_the_same_where_nothing_is_cut():
    known, size = cut_at(120 + 0.2 * STATURE_PX)
    detection = Detection2D(np.where(known[:, None], straight(), np.nan), known.astype(float))
    narrow, whole = (crop_from_detection(detection, 256, picture_wh=wh) for wh in (None, size))
    everything = crop_from_points(straight(), np.ones(len(OPENPOSE), dtype=bool), 256)
    assert narrow.side_px < 0.5 * everything.side_px
    assert whole.side_px == pytest.approx(everything.side_px, rel=0.2)  # GROWTH, and what the detector knows no joints of
    assert np.abs(whole.to_crop(straight()) - 127.5).max() < 128
    unhurt = Detection2D(straight(), np.ones(len(OPENPOSE)))
    one, other = (crop_from_detection(unhurt, 256, picture_wh=wh) for wh in (None, (600, 900)))
    np.testing.assert_array_equal(one.centre_px, other.centre_px)
    assert one == replace(other, centre_px=one.centre_px)
