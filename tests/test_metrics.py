"""Every metric on cases that can be worked out by hand, and by its invariances."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore import metrics
from posecore.errors import InputError

RNG = np.random.default_rng(7)
TRUTH = RNG.normal(size=(6, 5, 3))
TIME = np.array([0.0, 0.03, 0.07, 0.1, 0.14, 0.2])


def test_mpjpe_of_a_shift_is_its_length_and_vanishes_root_aligned():
    moved = TRUTH + np.array([0.03, 0.0, 0.04])
    assert metrics.mpjpe_mm(moved, TRUTH, None) == pytest.approx(50.0)
    assert metrics.mpjpe_mm(moved, TRUTH, 0) == pytest.approx(0.0, abs=1e-9)


def test_one_joint_off_by_30_mm_counts_a_fifth_and_nan_joints_do_not_count():
    moved = TRUTH.copy()
    moved[:, 3, 1] += 0.030
    assert metrics.mpjpe_mm(moved, TRUTH, 0) == pytest.approx(6.0)
    moved[:, 4] = np.nan
    assert metrics.mpjpe_mm(moved, TRUTH, 0) == pytest.approx(7.5)
    assert np.isnan(metrics.mpjpe_mm(TRUTH * np.nan, TRUTH, 0))


def test_scale_is_forgiven_by_n_mpjpe_only_about_the_root():
    scaled = (TRUTH - TRUTH[:, :1]) * 1.3 + 5.0
    assert metrics.n_mpjpe_mm(scaled, TRUTH, 0) == pytest.approx(0.0, abs=1e-9)
    turned = scaled @ Rotation.from_rotvec([0, 0.4, 0]).as_matrix()
    assert metrics.n_mpjpe_mm(turned, TRUTH, 0) > 10


def test_pa_mpjpe_forgives_similarities_but_no_mirror():
    R = Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix()
    assert metrics.pa_mpjpe_mm(0.4 * TRUTH @ R + [1, 2, 3], TRUTH) == pytest.approx(0.0, abs=1e-9)
    assert metrics.pa_mpjpe_mm(TRUTH * [-1, 1, 1], TRUTH) > 10


def test_pa_mpjpe_ignores_unknown_joints():
    hurt = TRUTH.copy()
    hurt[:, 2] = np.nan
    assert metrics.pa_mpjpe_mm(hurt * 2.0, TRUTH) == pytest.approx(0.0, abs=1e-9)


def test_pck_and_auc_by_hand():
    zero = np.zeros((1, 4, 3))
    off = zero.copy()
    off[0, :, 0] = [0.0, 0.149, 0.151, 0.0]
    assert metrics.pck3d_percent(off, zero, 0) == 75.0
    # errors 0, 149, 151, 0 mm: two joints pass the 30 thresholds above 0, one more passes the last
    assert metrics.auc_percent(off, zero, 0) == pytest.approx(100 * (2 * 30 + 1) / (4 * 31))


def test_pck_is_strict_and_auc_has_thirty_one_thresholds_from_nothing_to_150_mm():
    truth, off = np.zeros((1, 1, 3)), np.zeros((1, 1, 3))
    off[0, 0, 2] = 0.125  # exact in binary: a threshold of the same size is not passed
    assert metrics.pck3d_percent(off, truth, None, 0.125) == 0
    assert metrics.pck3d_percent(off, truth, None, 0.126) == 100
    assert metrics.auc_percent(off, truth, None) == pytest.approx(100 * 5 / 31)  # 130, 135, ... 150
    assert metrics.auc_percent(truth, truth, None) == pytest.approx(100 * 30 / 31)  # nothing is closer than 0
    assert np.allclose(np.diff(metrics.AUC_THRESHOLDS_M), 0.005)


def test_pck_leaves_unknown_joints_out_and_knows_when_it_knows_nothing():
    truth = np.zeros((1, 3, 3))
    off = truth + [[[0.0, 0, 0], [0.2, 0, 0], [np.nan, 0, 0]]]
    assert metrics.pck3d_percent(off, truth, None) == 50
    assert np.isnan(metrics.pck3d_percent(off * np.nan, truth, None))


def test_foot_skating_is_the_mean_over_both_feet_and_nothing_without_a_still_foot():
    truth = np.zeros((3, 2, 3))
    slid = np.zeros((3, 2, 3))
    slid[:, 0, 0], slid[:, 1, 2] = [0, 0.003, 0.006], [0, 0.009, 0.009]
    assert metrics.foot_skating_mm(slid, truth, [0, 1]) == pytest.approx((3 + 3 + 9 + 0) / 4)
    moving = np.cumsum(np.full((3, 2, 3), 0.5), axis=0)
    assert np.isnan(metrics.foot_skating_mm(slid, moving, [0, 1]))


def test_mrpe_is_a_mean_over_frames_of_absolute_parts():
    truth = np.zeros((2, 1, 3))
    off = np.array([[[0.03, 0, 0.04]], [[-0.03, 0, 0]]])
    assert metrics.mrpe_mm(off, truth, 0) == pytest.approx({"all": 40.0, "x": 30.0, "y": 0.0, "z": 20.0})


def test_n_mpjpe_by_hand():
    truth, half = np.zeros((1, 3, 3)), np.zeros((1, 3, 3))
    truth[0, 1, 0], truth[0, 2, 1] = 0.4, 0.4
    half[0, 1, 0], half[0, 2, 0] = 0.2, 0.2  # the second points the wrong way: best scale (0.2 * 0.4) / (2 * 0.04) = 1
    expected = (0 + 0.2 + np.hypot(0.2, 0.4)) / 3
    assert metrics.n_mpjpe_mm(half, truth, 0) == pytest.approx(1000 * expected)


def test_mrpe_parts():
    moved = TRUTH.copy()
    moved[:, 1] += [0.01, -0.02, 0.02]
    assert metrics.mrpe_mm(moved, TRUTH, 1) == pytest.approx({"all": 30.0, "x": 10.0, "y": 20.0, "z": 20.0})


def test_a_parabola_has_its_acceleration_and_no_jitter_at_uneven_times():
    fall = np.zeros((6, 1, 3))
    fall[:, 0, 1] = 0.5 * 9.81 * TIME**2
    assert np.allclose(metrics.acceleration_mps2(fall, TIME)[:, 0], [0, 9.81, 0])
    assert metrics.jitter_mps3(fall, TIME) == pytest.approx(0.0, abs=1e-8)
    assert metrics.acceleration_error_mps2(fall, fall * 0, TIME) == pytest.approx(9.81)


def test_a_cubic_has_constant_jerk():
    path = np.zeros((6, 1, 3))
    path[:, 0, 0] = TIME**3
    assert metrics.jitter_mps3(path, TIME) == pytest.approx(6.0)


def test_foot_skating_counts_only_still_frames():
    truth = np.zeros((4, 2, 3))
    truth[3, 0, 0] = 0.5  # the last step is a swing
    slid = np.zeros((4, 2, 3))
    slid[:, 0, 0] = [0, 0.004, 0.004, 0.9]
    assert metrics.foot_skating_mm(slid, truth, [0]) == pytest.approx(2.0)


def test_bone_deviation_by_hand():
    xyz = np.zeros((2, 3, 3))
    xyz[:, 1, 0] = [0.30, 0.32]
    xyz[:, 2] = np.nan
    assert np.allclose(metrics.bone_deviation_mm(xyz, [0, 0, 1]), [0, 10, np.nan], equal_nan=True)


def test_shapes_are_checked():
    with pytest.raises(InputError, match=r"\(T, J, 3\)"):
        metrics.mpjpe_mm(TRUTH[0], TRUTH[0], None)
