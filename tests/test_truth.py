import numpy as np
import pytest

from apps.truth import truth_line
from posecore import results
from posecore.errors import InputError

TIME_S = np.arange(6) / 25


def folder_with(path, xyz_m):
    persons, frames = xyz_m.shape[:2]
    sigma, source = np.zeros((*xyz_m.shape[:3], 2)), np.ones(xyz_m.shape[:3], np.uint8)
    table = results.Joints3D(np.arange(1, persons + 1), np.arange(frames), TIME_S[:frames], xyz_m, sigma, source)
    results.write_joints3d(path / results.JOINTS_3D, table)
    return path


@pytest.fixture
def truth_m():
    return np.random.default_rng(0).normal(0, 0.4, (2, 6, 21, 3)) + np.array([[[[1, 0, 4]]], [[[-1, 0, 5]]]])


@pytest.fixture
def truth(tmp_path, truth_m):
    np.savez(tmp_path / "clip.truth.npz", xyz_m=truth_m.astype(np.float32))
    return tmp_path / "clip.truth.npz"


def test_people_are_matched_whatever_their_numbers_and_a_shift_is_the_root_s(tmp_path, truth_m, truth):
    found = truth_m[::-1] + [0.06, 0, 0.08]
    line = truth_line(folder_with(tmp_path, found), truth)
    assert line == (
        "truth: 0 mm off per joint about the pelvis (MPJPE), 0 mm after alignment (PA-MPJPE), "
        f"pelvis 100 mm off at {truth_m[..., 14, 2].mean():.1f} m"
    )


def test_one_joint_off_by_21_cm_is_a_mean_of_10_mm(tmp_path, truth_m, truth):
    found = truth_m.copy()
    found[:, :, 3, 1] += 0.21
    assert "truth: 10 mm off per joint" in truth_line(folder_with(tmp_path, found), truth)


def test_a_glimpse_nearby_does_not_win(tmp_path, truth_m, truth):
    glimpse = np.full((1, 6, 21, 3), np.nan)
    glimpse[0, 0] = truth_m[0, 0]
    line = truth_line(folder_with(tmp_path, np.concatenate([glimpse, truth_m + 0.1])), truth)
    assert "pelvis 173 mm off" in line


def test_nobody_found_and_other_frames(tmp_path, truth_m, truth):
    assert truth_line(folder_with(tmp_path, truth_m[:0]), truth) == "truth: none of its 2 people found"
    with pytest.raises(InputError, match="the result has 5 frames, its truth 6"):
        truth_line(folder_with(tmp_path, truth_m[:, :5]), truth)
    with pytest.raises(InputError, match="no truth"):
        truth_line(tmp_path, tmp_path / "none.npz")
