"""Figures against a known truth: zero on the truth itself, and as large as what was spoilt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.result_folder import Result, load_result
from apps.truth import Truth, _pairs, figures, read_truth, truth_line
from posecore.errors import InputError
from posecore.types import Motion
from tests.test_viewer import write_result
from tests.walker import SKELETON, walk

FRAMES = 6
LEFT, RIGHT = walk(FRAMES, start_xy=(-1, 5)), walk(FRAMES, start_xy=(1, 5), heading_deg=40, person=2)
TRUTH = Truth(np.stack([LEFT.xyz_m, RIGHT.xyz_m]), np.stack([LEFT.xy_px, RIGHT.xy_px]), np.array([1.7, 1.6]))


def result_of(folder: Path, *people: np.ndarray, frames: int = FRAMES) -> Result:
    """A result of people with these joints (T, 21, 3), numbered as they come."""
    motions: list[Motion] = [replace(walk(len(xyz), person=k), xyz_m=xyz) for k, xyz in enumerate(people, start=1)]
    return load_result(write_result(folder / "r_pose3d", motions, frames, film=False))


def test_the_truth_itself_is_off_by_nothing(tmp_path: Path) -> None:
    found = figures(result_of(tmp_path, RIGHT.xyz_m, LEFT.xyz_m), TRUTH)
    names = {"mpjpe_mm", "pa_mpjpe_mm", "root_mm", "bone_sd_mm", "reprojection_p95_px", "missing_percent", "people_too_many"}
    assert set(found) == names
    assert max(found.values()) < 1e-6


def test_people_are_matched_whatever_their_numbers_and_a_shift_is_the_root_s(tmp_path: Path) -> None:
    shift = np.array([0.06, 0, 0.08])
    line = truth_line(result_of(tmp_path, RIGHT.xyz_m + shift, LEFT.xyz_m + shift), TRUTH)
    assert line == (
        "truth: 0 mm off per joint about the pelvis (MPJPE), 0 mm after alignment (PA-MPJPE), "
        f"pelvis 100 mm off at {TRUTH.xyz_m[:, :, SKELETON.root, 2].mean():.1f} m"
    )


def test_one_joint_off_by_21_cm_is_a_mean_of_10_mm(tmp_path: Path) -> None:
    spoilt = TRUTH.xyz_m.copy()
    spoilt[:, :, 3, 1] += 0.21
    assert figures(result_of(tmp_path, *spoilt), TRUTH)["mpjpe_mm"] == pytest.approx(10)


def test_bones_pixels_and_gaps_are_measured(tmp_path: Path) -> None:
    spoilt = TRUTH.xyz_m.copy()
    spoilt[0, :, SKELETON.index("left_hand")] += 0.02 * (-1.0) ** np.arange(FRAMES)[:, None]
    spoilt[1] += [0, 0.1, 0]
    spoilt[1, 3] = np.nan
    found = figures(result_of(tmp_path, *spoilt), TRUTH)
    assert found["bone_sd_mm"] > 5
    assert found["missing_percent"] == pytest.approx(100 / 12)
    assert 5 < found["reprojection_p95_px"] < 20, "10 cm at about 5 m and 515 px of focal length"


def test_a_glimpse_nearby_does_not_win(tmp_path: Path) -> None:
    glimpse = np.full((FRAMES, 21, 3), np.nan)
    glimpse[0] = LEFT.xyz_m[0]
    found = figures(result_of(tmp_path, glimpse, *(TRUTH.xyz_m + 0.1)), TRUTH)
    assert found["root_mm"] == pytest.approx(100 * np.sqrt(3))


def test_nobody_found_and_other_frames(tmp_path: Path) -> None:
    assert figures(result_of(tmp_path), TRUTH) == {"missing_percent": 100.0}
    assert truth_line(result_of(tmp_path), TRUTH) == "truth: none of its 2 people found"
    with pytest.raises(InputError, match="the result has 5 frames, its truth 6"):
        figures(result_of(tmp_path, LEFT.xyz_m[:5], frames=5), TRUTH)


def test_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "clip.truth.npz"
    np.savez(path, xyz_m=TRUTH.xyz_m, xy_px=TRUTH.xy_px, stature_m=TRUTH.stature_m)
    np.testing.assert_array_equal(read_truth(path).xyz_m, TRUTH.xyz_m)
    with pytest.raises(InputError, match="no truth"):
        read_truth(tmp_path / "none.npz")
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match="no truth"):
        read_truth(path)


def test_who_was_never_there_is_nobody() -> None:
    truth = np.zeros((1, 5, 21, 3))
    found = np.concatenate([np.full((1, 5, 21, 3), np.nan), truth + 0.5])
    assert _pairs(found, truth) == [(0, 1)]
    assert _pairs(found[:1], truth) == []


def test_one_found_is_not_two_people(tmp_path: Path) -> None:
    """Of two who stand side by side one is found: right where he is, and half of all frames are missing."""
    result = result_of(tmp_path, LEFT.xyz_m)
    found = figures(result, TRUTH)
    assert found["missing_percent"] == pytest.approx(50)
    assert (found["root_mm"], found["people_too_many"]) == (pytest.approx(0, abs=1e-6), 0)
    assert truth_line(result, TRUTH).endswith("; missing in 50 % of the frames")


def test_everybody_is_found_once_though_one_is_nearest_to_both(tmp_path: Path) -> None:
    """The right one is found half way to the left one, the left one 2 m behind himself: who is whom is told on the whole."""
    towards, behind = np.array([-0.9, 0, 0]), np.array([0, 0, 2.0])
    found = figures(result_of(tmp_path, LEFT.xyz_m + behind, RIGHT.xyz_m + towards), TRUTH)
    assert found["root_mm"] == pytest.approx((900 + 2000) / 2)
    assert (found["missing_percent"], found["people_too_many"]) == (0, 0)


def test_people_who_are_not_there_and_halves_under_two_numbers_are_too_many(tmp_path: Path) -> None:
    one = Truth(LEFT.xyz_m[None], LEFT.xy_px[None], np.array([1.7]))
    first, second = LEFT.xyz_m.copy(), LEFT.xyz_m.copy()
    first[4:], second[:4] = np.nan, np.nan
    result = result_of(tmp_path, first, second, RIGHT.xyz_m)
    found = figures(result, one)
    assert found["people_too_many"] == 2
    assert found["missing_percent"] == pytest.approx(100 * 2 / 6)
    assert found["mpjpe_mm"] == pytest.approx(0, abs=1e-6)
    assert truth_line(result, one).endswith("; missing in 33 % of the frames; 2 found who are not there")
