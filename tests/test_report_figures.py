"""Each figure of the report by its definition, with cases in which a neighbouring definition gives another value."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.report_figures import (
    LOOK_AT_MOST,
    RESIDUAL_SHARE,
    foot_slide_mm,
    frames_to_look_at,
    median_depth_m,
    number_changes,
    person_figures,
)
from posecore.types import Motion, Source
from tests.test_report import FRAMES, result_of
from tests.walker import SKELETON, walk

ROWS = ("frame", "time_s", "xyz_m", "quaternion_xyzw", "xy_px", "sigma_m", "source")


def part(whole: Motion, start: int, stop: int, person: int) -> Motion:
    """Some rows of a motion as another person's."""
    return replace(whole, person=person, **{name: getattr(whole, name)[start:stop] for name in ROWS})


def without(motion: Motion, start: int, stop: int) -> Motion:
    """Nobody there in these rows."""
    for name in ("xyz_m", "quaternion_xyzw", "xy_px", "sigma_m"):
        getattr(motion, name)[start:stop] = np.nan
    motion.source[start:stop] = Source.EMPTY
    return motion


def test_a_number_that_is_taken_up_again_is_told_both_times(tmp_path: Path) -> None:
    """Person 1 is lost at frame 11, goes on as person 2 in frames 14 to 29, and is himself again from 32 on."""
    result = result_of(tmp_path, without(walk(FRAMES), 12, 32), part(walk(FRAMES), 14, 30, 2))
    assert [(c.before, c.after, c.frame) for c in number_changes(result)] == [(1, 2, 14), (2, 1, 32)]
    assert [(c.before, c.after) for c in number_changes(result, cuts=[13])] == [(2, 1)]


def test_two_who_hide_one_another_and_keep_their_numbers_are_not_told(tmp_path: Path) -> None:
    """Two who walk side by side are lost for a while, one a little before the other; exchanged they are told."""
    one, other = walk(FRAMES), walk(FRAMES, start_xy=(-0.6, 5.4), person=2)
    kept = result_of(tmp_path, without(one, 12, 20), without(other, 13, 20))
    assert number_changes(kept) == []
    for name in ("xyz_m", "xy_px"):
        getattr(one, name)[20:], getattr(other, name)[20:] = (getattr(m, name)[20:].copy() for m in (other, one))
    changed = number_changes(replace(kept, motions=[one, other]))
    assert [(c.before, c.after, c.frame) for c in changed] == [(1, 2, 20), (2, 1, 20)]


def test_who_flickers_is_told_once_and_not_while_he_is_there(tmp_path: Path) -> None:
    flickering = without(without(walk(20), 6, 8), 10, 12)
    beside = part(walk(FRAMES, start_xy=(-0.9, 5.0)), 22, FRAMES, 2)
    (change,) = number_changes(result_of(tmp_path, flickering, beside))
    assert (change.before, change.after, change.frame) == (1, 2, 22)
    (tmp_path / "b").mkdir()
    early = part(walk(FRAMES, start_xy=(-0.9, 5.0)), 15, FRAMES, 2)
    assert number_changes(result_of(tmp_path / "b", flickering, early)) == []


def test_a_joint_without_a_place_in_the_picture_hides_no_wrong_fit(tmp_path: Path) -> None:
    result, off = result_of(tmp_path, walk(FRAMES)), walk(FRAMES)
    off.xy_px[:] += 100
    whole = frames_to_look_at(replace(result, motions=[off]))
    off.xy_px[:, SKELETON.index("left_wrist")] = np.nan
    off.xy_px[5:8] = np.nan
    lacking = frames_to_look_at(replace(result, motions=[off]))
    assert len(whole) == len(lacking) == FRAMES // 5
    assert not {5, 6, 7} & {item.frame for item in lacking}


def test_as_many_frames_are_listed_as_promised(tmp_path: Path) -> None:
    people = [walk(FRAMES), walk(FRAMES, start_xy=(1.0, 6.0), person=2)]
    result = result_of(tmp_path, *people)
    for motion in people:
        motion.xy_px[:] += 100
    assert len(frames_to_look_at(replace(result, motions=people))) == LOOK_AT_MOST == 12


@pytest.mark.parametrize(("share", "listed"), [(0.09, False), (0.15, True)])
def test_a_fit_is_wrong_from_an_eighth_of_the_person_s_height_on(share: float, listed: bool, tmp_path: Path) -> None:
    assert RESIDUAL_SHARE == 0.12
    result, off = result_of(tmp_path, walk(FRAMES)), walk(FRAMES)
    height_px = np.ptp(off.xy_px[..., 1], axis=1)
    off.xy_px[..., 0] += share * height_px[:, None]
    assert bool(frames_to_look_at(replace(result, motions=[off]))) == listed


@pytest.mark.parametrize(("measured", "listed"), [(4, True), (6, False)])
def test_a_frame_of_whom_less_than_a_quarter_was_seen_is_listed(measured: int, listed: bool, tmp_path: Path) -> None:
    motion = walk(FRAMES)
    motion.source[20] = Source.OCCLUDED
    motion.source[20, :measured] = Source.MEASURED
    assert [item.frame for item in frames_to_look_at(result_of(tmp_path, motion))] == [20] * listed


def test_a_turning_point_of_a_swing_is_no_rest() -> None:
    """Feet that move at 2 m/s and stop for 0.1 s, or for 0.2 s: only the longer one is a rest."""
    fast = np.full(FRAMES - 1, 2.0 / 30)
    for rows, slides in ((3, False), (6, True)):
        step_m = fast.copy()
        step_m[10 : 10 + rows] = 0.004
        still = np.zeros((FRAMES, 21, 3))
        still[1:, :, 0] = np.cumsum(step_m)[:, None]
        assert foot_slide_mm(replace(walk(FRAMES), xyz_m=still)) == pytest.approx(4.0 if slides else np.nan, nan_ok=True)


def test_the_depth_told_is_the_median(tmp_path: Path) -> None:
    motion = walk(FRAMES)
    motion.xyz_m[-6:, :, 2] += 20.0
    depth = motion.xyz_m[:, SKELETON.root, 2]
    assert depth.max() > 20
    assert median_depth_m(result_of(tmp_path, motion)) == pytest.approx(np.median(depth))


def test_residuals_are_told_in_the_middle_and_near_the_end(tmp_path: Path) -> None:
    result, off = result_of(tmp_path, walk(FRAMES)), walk(FRAMES)
    away_px = np.arange(FRAMES, dtype=float)
    off.xy_px[..., 0] += away_px[:, None]
    told = person_figures(replace(result, motions=[off]), off)
    expected = [round(float(q), 2) for q in np.percentile(away_px, [50, 95])]
    assert expected[1] > 1.8 * expected[0]
    assert told["residual_all_px"] == expected
    assert told["residual_px"]["left_knee"] == expected
