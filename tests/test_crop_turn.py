"""Crops that turn with the body: their own mapping, the pixels, the angle, and what becomes of the 3D."""

import numpy as np
import pytest

from lift3d.lifter import Lifter
from posecore.camera import Camera
from posecore.crop import (
    UPRIGHT,
    UPRIGHT_RAD,
    crop_from_detection,
    crop_from_points,
    cut_crop,
    lean,
    turned_matrix,
    upright_turn,
)
from posecore.skeleton import load_skeleton
from posecore.types import Crop, Detection2D
from tests.small_lifter import write_small_lifter
from training.augment import AugmentConfig
from training.lift_data import make_example
from training.samples import LIFT_JOINTS, PersonLabel, Sample

VNECT, OPENPOSE = load_skeleton("vnect21"), load_skeleton("openpose18")


def body(skeleton, lean_deg: float) -> np.ndarray:
    """Joints (J, 2) of somebody stiff whose head leans to the right; all but neck, hips and ankles in one place."""
    a = np.radians(lean_deg)
    upright = {
        "neck": (0, -100),
        "left_hip": (10, 0),
        "right_hip": (-10, 0),
        "left_ankle": (12, 100),
        "right_ankle": (-12, 100),
    }
    xy = np.array([upright.get(joint, (0, -50)) for joint in skeleton.joints], dtype=float)
    return xy @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + [300, 200]


def test_a_turned_crop_s_matrix_agrees_with_its_mapping_and_inverts():
    crop = Crop(np.array([103.2, 57.9]), 180.0, 256, 0.7)
    xy = np.random.default_rng(3).uniform(0, 300, (20, 2))
    M = turned_matrix(crop, UPRIGHT)
    np.testing.assert_allclose(xy @ M[:, :2].T + M[:, 2], crop.to_crop(xy), atol=1e-9)
    np.testing.assert_allclose(crop.to_image(crop.to_crop(xy)), xy, atol=1e-9)
    straight = Crop(crop.centre_px, crop.side_px, crop.size_px)
    middle = straight.to_crop(crop.centre_px)
    for points in (crop.to_crop(xy), straight.to_crop(xy)):
        np.testing.assert_allclose(
            np.linalg.norm(points - middle, axis=1), np.linalg.norm(xy - crop.centre_px, axis=1) * crop.scale
        )


@pytest.mark.parametrize("side", [96.0, 700.0])  # about as it is, strongly reduced
def test_a_turned_crop_s_pixels_are_where_it_says(side):
    crop = Crop(np.array([602.3, 591.8]), side, 128, 0.8)
    assert cut_crop(np.full((1200, 1200), 255, np.uint8), crop).min() == 255  # and its corners are in the picture
    at = crop.centre_px + side * np.array([0.21, -0.13])
    y, x = np.mgrid[0:1200, 0:1200]
    spot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (side / 40) ** 2))
    cut = cut_crop(spot.astype(np.uint8), crop).astype(float)
    v, u = np.mgrid[0:128, 0:128]
    np.testing.assert_allclose(np.array([(cut * u).sum(), (cut * v).sum()]) / cut.sum(), crop.to_crop(at), atol=0.15)


@pytest.mark.parametrize("skeleton", [VNECT, OPENPOSE], ids=["lift", "detector"])
@pytest.mark.parametrize("lean_deg", [-120.0, -40.0, 0.0, 25.0, 90.0, 180.0])
def test_a_crop_turns_with_the_sine_of_the_lean(skeleton, lean_deg):
    known = np.ones(len(skeleton.joints), dtype=bool)
    turn = upright_turn(body(skeleton, lean_deg), known, skeleton)
    assert turn == pytest.approx(UPRIGHT_RAD * np.sin(np.radians(lean_deg)), abs=1e-12)
    crop = crop_from_points(body(skeleton, lean_deg), known, 256, turn_rad=turn)
    seen = crop.to_crop(body(skeleton, lean_deg))
    up = seen[skeleton.indices(("neck",))[0]] - seen[
        skeleton.indices(("left_hip", "right_hip", "left_ankle", "right_ankle"))
    ].mean(axis=0)
    assert np.arctan2(up[0], -up[1]) == pytest.approx(np.radians(lean_deg) - turn, abs=1e-9)


def test_what_is_not_known_does_not_turn_a_crop():
    xy, known = body(VNECT, 40), np.ones(21, dtype=bool)
    feet, neck = VNECT.indices(("left_ankle", "right_ankle")), VNECT.indices(("neck",))
    below = known.copy()
    below[feet] = False
    assert upright_turn(xy, below, VNECT) == pytest.approx(UPRIGHT_RAD * np.sin(np.radians(40)))  # the hips alone will do
    below[VNECT.indices(("left_hip", "right_hip"))] = False
    assert upright_turn(xy, below, VNECT) == 0.0
    headless = known.copy()
    headless[neck] = False
    assert upright_turn(xy, headless, VNECT) == 0.0
    xy[neck] = np.nan
    assert upright_turn(xy, known, VNECT) == 0.0


@pytest.mark.parametrize("lean_deg", [-179.0, -120.0, 0.0, 25.0, 90.0, 179.0])
def test_the_lean_is_that_of_the_neck_above_the_hips(lean_deg):
    xy, known = body(OPENPOSE, lean_deg), np.ones(len(OPENPOSE), dtype=bool)
    xy[OPENPOSE.indices(("left_ankle", "right_ankle"))] += [90.0, -200.0]  # wherever the feet are
    assert lean(xy, known, OPENPOSE, ("hip",)) == pytest.approx(np.radians(lean_deg), abs=1e-12)
    known[OPENPOSE.indices(("left_hip", "right_hip"))] = False
    assert lean(xy, known, OPENPOSE, ("hip",)) == 0.0


def test_a_neck_in_the_middle_of_the_hips_is_no_handstand():
    everywhere_one = np.tile([50.0, 50.0], (len(OPENPOSE), 1))
    assert lean(everywhere_one, np.ones(len(OPENPOSE), dtype=bool), OPENPOSE, ("hip",)) == 0.0


@pytest.mark.parametrize("turn_rad", [0.0, 0.5, -1.0])
def test_joints_lie_in_the_middle_of_a_turned_crop_with_the_margin_around_them(turn_rad):
    xy = np.random.default_rng(1).uniform(0, 300, (9, 2))
    crop = crop_from_points(xy, np.ones(9, dtype=bool), 200, margin=1.5, turn_rad=turn_rad)
    seen = crop.to_crop(xy)
    np.testing.assert_allclose(0.5 * (seen.min(axis=0) + seen.max(axis=0)), 99.5, atol=1e-9)
    assert np.ptp(seen, axis=0).max() == pytest.approx(200 / 1.5)


def test_a_detection_s_crop_turns_too():
    crop = crop_from_detection(Detection2D(body(OPENPOSE, 30), np.ones(18)), 256)
    assert crop.turn_rad == pytest.approx(UPRIGHT_RAD / 2)


def test_a_picture_and_its_crop_turned_by_a_quarter_give_the_pose_turned_by_a_quarter(tmp_path):
    """Pixels move exactly, so the network sees the same; its answer must turn about the viewing axis and nothing else."""
    lifter = Lifter(write_small_lifter(tmp_path / "w.safetensors"))
    rgb = np.random.default_rng(0).integers(0, 255, (101, 101, 3), dtype=np.uint8)
    camera = Camera(np.array([[80.0, 0, 50], [0, 80, 50], [0, 0, 1]]), (101, 101), np.zeros(5), "test")
    crop = Crop(np.array([62.0, 40.0]), 64.0, 64)
    R = np.array([[0.0, -1], [1, 0]])  # clockwise: x goes to y
    turned = Crop(R @ (crop.centre_px - 50) + 50, 64.0, 64, np.pi / 2)
    (before,), (after,) = lifter.lift(rgb, [crop], camera), lifter.lift(np.rot90(rgb, -1).copy(), [turned], camera)
    np.testing.assert_allclose(after.xy_px, (before.xy_px - 50) @ R.T + 50, atol=1e-3)
    R3 = np.eye(3)
    R3[:2, :2] = R
    np.testing.assert_allclose(after.xyz_m, before.xyz_m @ R3.T, atol=1e-4)  # float32 network
    np.testing.assert_allclose(after.sigma_m, before.sigma_m, rtol=1e-4)


@pytest.mark.parametrize("seed", [None, 4])
def test_labels_turn_with_the_crop(seed):
    """xy is the orthographic view of xyz; in a turned crop it still is."""
    rng = np.random.default_rng(2)
    xyz = rng.normal(0, 0.3, (26, 3)).astype(np.float32)
    xyz[LIFT_JOINTS] -= xyz[VNECT.root]
    ones = np.ones(26, dtype=np.float32)
    person = PersonLabel(150 + 100 * xyz[:, :2], ones, xyz, ones, np.array([50.0, 50, 250, 250]))
    sample = Sample("one", "made up", (300, 300), (person,), lambda: np.zeros((300, 300, 3), np.uint8))
    made_rng = None if seed is None else np.random.default_rng(seed)
    turned = make_example(sample, 128, made_rng, AugmentConfig(upright=1.0)).person
    root = turned.xy_px[VNECT.root]
    flat = turned.xyz_m[:, :2] - turned.xyz_m[VNECT.root, :2]
    scale = np.linalg.norm(turned.xy_px - root) / np.linalg.norm(flat)
    np.testing.assert_allclose(turned.xy_px - root, scale * flat, atol=1e-3)
    plain = make_example(sample, 128, None, AugmentConfig()).person
    assert not np.allclose(plain.xyz_m, turned.xyz_m)
