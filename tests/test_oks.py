import numpy as np
import pytest

from posecore.oks import body_height_px, box_iou, joints_box, oks, oks_sigma
from posecore.skeleton import load_skeleton


def test_oks_is_cocos_formula():
    sigma = oks_sigma(load_skeleton("coco17"))
    rng = np.random.default_rng(0)
    a, b, area = rng.normal(size=(17, 2)) * 100, rng.normal(size=(17, 2)) * 5, 5000.0
    wanted = np.mean([np.exp(-(b[j] @ b[j]) / (2 * area * (2 * sigma[j]) ** 2)) for j in range(17)])
    assert oks(a, a + b, area, sigma) == pytest.approx(wanted)
    assert oks(7 * a, 7 * (a + b), 49 * area, sigma) == pytest.approx(wanted)
    assert oks(a, a, area, sigma) == 1


def test_missing_joints_are_left_out_or_count_as_wrong():
    sigma = np.full(4, 0.05)
    a = np.arange(8.0).reshape(4, 2)
    b = a.copy()
    b[1] = np.nan
    assert oks(a, b, 100.0, sigma) == 1
    assert oks(a, b, 100.0, sigma, counted=[True, True, False, False]) == 0.5
    assert oks(a, np.full((4, 2), np.nan), 100.0, sigma) == 0
    assert oks(a[:, None], b, np.full((4, 1), 100.0), sigma).shape == (4, 4)


def test_the_neck_counts_as_a_shoulder_and_feet_do_not_count():
    openpose, vnect = load_skeleton("openpose18"), load_skeleton("vnect21")
    sigma = oks_sigma(openpose)
    assert sigma[openpose.index("neck")] == sigma[openpose.index("left_shoulder")] == 0.079
    assert np.isnan(oks_sigma(vnect)[vnect.index("left_toe")])
    moved = np.zeros((21, 2))
    moved[vnect.index("left_toe")] = 999
    assert oks(np.zeros((21, 2)), moved, 100.0, oks_sigma(vnect)) == 1


def test_boxes():
    box = joints_box([[[1.0, 5.0], [3.0, 2.0], [np.nan, np.nan]], [[np.nan, np.nan]] * 3])
    np.testing.assert_array_equal(box, [[1, 2, 3, 5], [np.nan] * 4])
    np.testing.assert_array_equal(body_height_px([[[1.0, 5.0], [9.0, 2.0], [np.nan, 99.0]], [[np.nan, 3.0]] * 3]), [8, 1])
    overlap = box_iou([[0, 0, 2, 2]], [[[1, 0, 3, 2]], [[2, 2, 3, 3]], [[0, 0, 2, 2]], [[np.nan] * 4]])
    np.testing.assert_allclose(overlap, [[1 / 3], [0], [1], [0]])


def test_doubt_about_a_joint_widens_its_gaussian_only():
    sigma, shift = np.full(2, 0.05), np.array([[3.0, 4.0], [0.0, 0.0]])
    plain = oks(shift, np.zeros((2, 2)), 100.0, sigma)
    assert plain == pytest.approx(0.5 * (np.exp(-12.5) + 1))
    assert oks(shift, np.zeros((2, 2)), 100.0, sigma, extra_variance_px=[24.0, 0.0]) == pytest.approx(0.5 * (np.exp(-0.5) + 1))
