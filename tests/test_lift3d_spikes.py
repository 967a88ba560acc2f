"""Joints that jump away and come back at once lose their score, and nothing else changes."""

import numpy as np
import pytest

from lift3d import spikes
from lift3d.spikes import DOUBT, LONGEST_S, STEADY_S, doubt_spikes, spikes_of, undoubted_score
from posecore.skeleton import load_skeleton
from posecore.types import Track

VNECT = load_skeleton("vnect21")
WRIST, SHOULDER = VNECT.index("right_wrist"), VNECT.index("right_shoulder")


def track(fps=60, frames=90, carried=0.0):
    """Somebody 400 px tall whose right wrist swings by 100 px and who is carried by so many heights a second."""
    time = np.arange(frames) / fps
    xy = np.tile(np.random.default_rng(2).uniform(0, 400, (21, 2)), (frames, 1, 1))
    xy[:, VNECT.index("head_top")], xy[:, VNECT.index("left_toe")] = [200.0, 0.0], [200.0, 400.0]
    xy[:, WRIST] = xy[:, SHOULDER] + np.stack([50 * np.sin(4 * time), 60 + 50 * np.cos(4 * time)], axis=1)
    xy += 400 * carried * time[:, None, None] * np.array([1.0, 0.0])
    return Track(
        1, np.arange(frames), time, xy, np.full((frames, 21), 0.8), np.zeros((frames, 21, 3)), np.ones((frames, 21, 2))
    )


def doubted(seen):
    return np.argwhere(doubt_spikes(seen).score < 0.8).tolist()


@pytest.mark.parametrize(("fps", "carried"), [(30, 0.0), (60, 0.0), (60, 3.0), (120, 0.0)])
def test_a_short_excursion_loses_its_score_and_keeps_its_place(fps, carried):
    seen = track(fps, frames=2 * fps, carried=carried)
    rows = range(fps, fps + round(0.1 * fps))
    seen.xy_px[rows, WRIST] += [90.0, -40.0]
    told = doubt_spikes(seen)
    assert doubted(seen) == [[row, WRIST] for row in rows]
    assert told.score[fps, WRIST] == pytest.approx(0.8 * DOUBT)
    np.testing.assert_array_equal(told.xy_px, seen.xy_px)


def test_two_excursions_one_after_the_other_are_two():
    seen = track()
    seen.xy_px[[30, 31, 34], WRIST] += [90.0, -40.0]
    assert doubted(seen) == [[30, WRIST], [31, WRIST], [34, WRIST]]


def test_a_joint_that_stays_away_or_moves_fast_without_a_jump_is_believed():
    seen = track()
    seen.xy_px[30:, WRIST] += [90.0, -40.0]  # it went there
    assert doubted(seen) == []
    seen = track()
    seen.xy_px[30:45, WRIST] += [90.0, -40.0]  # back, but a quarter of a second later
    assert doubted(seen) == []
    seen = track()
    seen.xy_px[30:42, WRIST, 0] += 80 * np.sin(np.linspace(0, np.pi, 12))  # a shake of the hand
    assert doubted(seen) == []


def test_a_joint_that_lands_elsewhere_is_believed():
    seen = track()
    seen.xy_px[30:34, WRIST] += [90.0, -40.0]
    seen.xy_px[34:, WRIST] += [-120.0, 0.0]
    assert doubted(seen) == []


@pytest.mark.parametrize(("fps", "rows"), [(30, 4), (60, 9)])
def test_a_joint_that_goes_its_way_in_two_jumps_is_believed(fps, rows):
    """A blurred film's hand: there in two jumps of 0.09 heights, and between them near to the straight way."""
    seen = track(fps)
    seen.xy_px[:, WRIST] = seen.xy_px[:, SHOULDER] + [0.0, 60.0]
    seen.xy_px[30:, WRIST, 0] += 36.0
    seen.xy_px[30 + rows :, WRIST, 0] += 36.0
    assert doubted(seen) == []
    seen.xy_px[30 : 30 + rows, WRIST, 1] += 60.0  # beside the way
    assert doubted(seen) == [[row, WRIST] for row in range(30, 30 + rows)]


def test_the_trunk_is_never_doubted_and_gaps_are_no_jumps():
    seen = track()
    seen.xy_px[30, VNECT.index("spine")] += 90.0
    assert doubted(seen) == []
    seen.xy_px[30:40, WRIST] = np.nan
    assert doubted(seen) == []


def test_neither_size_nor_direction_matters():
    seen = track()
    seen.xy_px[30:33, WRIST] += [90.0, -40.0]
    turned = np.stack([-seen.xy_px[..., 1], seen.xy_px[..., 0]], axis=-1) * 0.3
    moved = Track(1, seen.frame, seen.time_s, turned, seen.score, seen.xyz_m, seen.sigma_m)
    np.testing.assert_array_equal(doubt_spikes(moved).score, doubt_spikes(seen).score)


def test_the_network_s_own_scores_come_back_from_a_doubted_track():
    seen = track()
    seen.score[:] = np.random.default_rng(4).uniform(0.01, 1.0, seen.score.shape)
    seen.xy_px[[30, 31, 60], WRIST] += [90.0, -40.0]
    told = doubt_spikes(seen)
    assert spikes_of(told).sum() == spikes_of(seen).sum() == 3
    assert (told.score < seen.score).sum() == 3
    np.testing.assert_allclose(undoubted_score(told), seen.score, rtol=1e-12)
    np.testing.assert_array_equal(undoubted_score(seen)[[0, 89]], seen.score[[0, 89]])
    assert undoubted_score(seen).max() <= 1.0  # what was never doubted does not become surer than sure


@pytest.mark.parametrize("first", [0, 1, 40, 85])
@pytest.mark.parametrize("joint", ["head_top", "right_wrist"])
def test_one_joint_far_off_takes_no_other_s_score(joint, first):
    """The box of this frame doubles with it; of that height all other joints had jumped to half their way and back."""
    seen = track(frames=96)
    seen.xy_px[first : first + 10, VNECT.index(joint)] += [0.0, -500.0]
    assert {found for _, found in doubted(seen)} <= {VNECT.index(joint)} & {WRIST}
    if joint == "right_wrist" and first in (1, 40, 85):
        assert doubted(seen) == [[row, WRIST] for row in range(first, first + 10)]


def test_a_joint_far_off_does_not_hide_another_s_spike():
    seen = track()
    seen.xy_px[30:34, WRIST] += [90.0, -40.0]
    seen.xy_px[28:37, VNECT.index("head_top")] += [0.0, -900.0]  # of that box the wrist's jump would be less than JUMP
    assert doubted(seen) == [[row, WRIST] for row in range(30, 34)]


def slow_steady(height_px, time_s):
    """Medians over the rows of half a second around each, moved inwards at the ends, row by row."""
    out = []
    for t in time_s:
        low = min(max(t - STEADY_S / 2, time_s[0]), max(time_s[-1] - STEADY_S, time_s[0]))
        out.append(np.median([h for h, s in zip(height_px, time_s, strict=True) if low - 1e-9 <= s <= low + STEADY_S + 1e-9]))
    return out


@pytest.mark.parametrize("rows", [1, 7, 200])
def test_a_steady_height_goes_by_time_and_not_by_rows(rows):
    """Uneven stamps, gaps and all: one row has few neighbours where the film is slow, and none beyond a gap."""
    rng = np.random.default_rng(rows)
    time_s = np.cumsum(rng.choice([0.004, 1 / 30, 0.1, 0.1, 3.0], rows)) + 17.3
    height_px = rng.uniform(100, 900, rows)
    np.testing.assert_array_equal(spikes._steady(height_px, time_s), slow_steady(height_px, time_s))


def test_uneven_stamps_do_not_hide_a_spike_nor_make_one():
    seen = track()
    seen.xy_px[30:34, WRIST] += [0.0, -900.0]
    dropped = np.delete(np.arange(90), [12, 13, 14, 15, 22, 23, 27, 28, 35, 36, 37, 44, 45, 46, 47, 48])
    uneven = Track(1, *(getattr(seen, name)[dropped] for name in ("frame", "time_s", "xy_px", "score", "xyz_m", "sigma_m")))
    assert [[dropped[row], joint] for row, joint in doubted(uneven)] == [[row, WRIST] for row in range(30, 34)]


def test_frames_of_one_time_stamp_are_no_division_by_nothing():
    seen = track()
    seen.time_s[29:33] = seen.time_s[29]
    seen.xy_px[30:32, WRIST] += [90.0, -40.0]
    assert {joint for _, joint in doubted(seen)} <= {WRIST}


@pytest.mark.parametrize("fps", [15, 30])
def test_a_frame_s_way_that_takes_twice_as_long_may_be_twice_as_far(fps):
    """JUMP counts for 1/30 s: 0.12 heights are a jump at 30 frames a second, not at 15."""
    seen = track(fps)
    seen.xy_px[:, WRIST] = seen.xy_px[:, SHOULDER] + [0.0, 60.0]
    seen.xy_px[30, WRIST, 0] += 0.12 * 400
    assert doubted(seen) == ([] if fps == 15 else [[30, WRIST]])


@pytest.mark.parametrize("late_s", [0.0, 1e-6])
def test_an_excursion_of_exactly_the_longest_time_counts_and_a_longer_one_does_not(late_s):
    seen = track(25)
    seen.xy_px[:, WRIST] = seen.xy_px[:, SHOULDER] + [0.0, 60.0]
    seen.xy_px[20:24, WRIST, 0] += 150.0
    seen.time_s[24] = seen.time_s[19] + LONGEST_S + late_s
    assert doubted(seen) == ([] if late_s else [[row, WRIST] for row in range(20, 24)])
