"""Rows in which one person lies where another must have been are struck, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from apps.followed import Looks
from apps.revise import ReviseSettings, fill_gaps, strike_misplaced
from posecore.types import Track

FRAMES = 40
RATE = 20.0
BODY_PX = np.random.default_rng(3).uniform([-30, -100], [30, 100], (21, 2))
GAP = range(12, 17)  # frames for which the one in front is not found


def walker(person: int, start_px: float, speed_px: float, without: range = range(0)) -> Track:
    """Somebody who walks along x at so many pixels a frame; frames of `without` are missing."""
    frame = np.array([f for f in range(FRAMES) if f not in without])
    xy = BODY_PX + np.array([1.0, 0.0]) * (start_px + speed_px * frame)[:, None, None]
    score = np.ones((len(frame), 21))
    return Track(person, frame, frame / RATE, xy, score, np.zeros((*score.shape, 3)), np.ones((*score.shape, 2)))


def laid_on(track: Track, other: Track, frames: range) -> Track:
    """The track with the joints that the other has in these frames, and 3 px of noise on them."""
    rng = np.random.default_rng(5)
    for f in frames:
        track.xy_px[track.frame == f] = other.xy_px[other.frame == f] + rng.normal(0, 3, (21, 2))
    return track


FRONT = walker(1, 0, 3, without=GAP)


def test_rows_on_somebody_else_are_struck_and_the_others_kept():
    taken = laid_on(walker(2, 140, -3), walker(1, 0, 3), GAP)
    (front, behind), count = strike_misplaced([FRONT, taken], ReviseSettings())
    assert count == len(GAP)
    assert front is FRONT
    np.testing.assert_array_equal(behind.frame, [f for f in range(FRAMES) if f not in GAP])
    clean = walker(2, 140, -3, without=GAP)
    for name in ("time_s", "xy_px", "score", "xyz_m", "sigma_m"):
        np.testing.assert_array_equal(getattr(behind, name), getattr(clean, name))


def test_a_row_gone_astray_before_a_gap_does_not_hide_what_lies_in_it():
    third = walker(3, 500, 0, without=range(11, 12))
    front = laid_on(walker(1, 0, 3, without=GAP), walker(3, 500, 0), range(11, 12))
    taken = laid_on(walker(2, 140, -3), walker(1, 0, 3), GAP)
    kept, count = strike_misplaced([front, taken, third], ReviseSettings())
    assert count == 1 + len(GAP)
    assert set(kept[0].frame) == set(range(FRAMES)) - set(GAP) - {11}
    assert set(kept[1].frame) == set(range(FRAMES)) - set(GAP)


@pytest.mark.parametrize("start_px", [4.0, 12.0, 140.0])
def test_who_goes_his_own_way_beside_a_gap_is_kept(start_px):
    rows = [FRONT, walker(2, start_px, 3), walker(3, 90 + start_px, -3)]
    tracks, count = strike_misplaced(rows, ReviseSettings())
    assert count == 0
    assert all(a is b for a, b in zip(tracks, rows, strict=True))


@pytest.mark.parametrize("missing", [range(GAP[0]), range(GAP[-1] + 1, FRAMES)])
def test_a_row_without_its_own_before_and_after_is_kept(missing):
    taken = laid_on(walker(2, 140, -3, without=missing), walker(1, 0, 3), GAP)  # who comes or goes in the gap: where was he?
    assert strike_misplaced([FRONT, taken], ReviseSettings())[1] == 0


def test_a_long_absence_is_believed():
    taken = laid_on(walker(2, 140, -3), walker(1, 0, 3), GAP)
    gap_s = (len(GAP) + 1) / RATE
    believing = ReviseSettings(absence_s=gap_s - 0.01, lost_s=0.0)
    assert strike_misplaced([FRONT, taken], replace(believing, absence_s=gap_s + 0.01))[1] == len(GAP)
    assert strike_misplaced([FRONT, taken], believing)[1] == 0
    assert strike_misplaced([FRONT, taken], ReviseSettings(absence_s=0.0))[1] == 0


def test_of_a_long_absence_only_the_ends_are_known():
    """Person 1 is away for a second and a half; person 2 lies there all the time, and is struck for 0.2 s at either end."""
    away = range(5, 35)
    front, behind = walker(1, 0, 3, without=away), laid_on(walker(2, 240, -3), walker(1, 0, 3), away)
    settings = ReviseSettings(lost_s=0.2)
    (_, kept), count = strike_misplaced([front, behind], settings)
    assert count == 8
    assert sorted(set(range(FRAMES)) - set(kept.frame)) == [5, 6, 7, 8, 31, 32, 33, 34]
    assert strike_misplaced([front, walker(2, 240, -3)], settings)[1] == 0


@pytest.mark.parametrize("away", [range(10, FRAMES), range(15)])
def test_rows_on_somebody_who_is_lost_for_good_or_not_yet_found_are_struck(away):
    gone, taken = walker(1, 0, 3, without=away), laid_on(walker(2, 240, -3), walker(1, 0, 3), range(10, 15))
    (_, kept), count = strike_misplaced([gone, taken], ReviseSettings(lost_s=0.2))
    assert count == 5  # 0.2 s, and the rest of the same stretch
    assert set(kept.frame) == set(range(FRAMES)) - set(range(10, 15))
    assert strike_misplaced([gone, walker(2, 240, -3)], ReviseSettings(lost_s=0.2))[1] == 0


@pytest.mark.parametrize(("back", "goes_on"), [(True, True), (False, False)])
def test_a_stretch_on_another_s_body_goes_as_a_whole_if_it_ends(back, goes_on):
    """He is away for 1.25 s; the other lies on him for 0.5 s of it, without an end in sight or until he is himself again."""
    away = walker(1, 0, 3, without=range(5, 30))
    taken = laid_on(walker(2, 400, -3), walker(1, 0, 3), range(5, 15 if back else FRAMES))
    settings = ReviseSettings(lost_s=0.2, absence_s=1.0)
    (_, kept), count = strike_misplaced([away, taken], settings)
    assert count == (10 if goes_on else 4 + 4)  # without an end: the first and the last 0.2 s of his absence
    assert set(range(9, 15)).isdisjoint(kept.frame) == goes_on


def test_a_few_rows_between_two_struck_stretches_go_too():
    """In the middle of the gap the taken rows lie where nobody is expected; as many as at its sides together are kept."""
    for middle, struck in ((range(14, 15), list(GAP)), (range(13, 16), [12, 16])):
        taken = laid_on(walker(2, 140, -3), walker(1, 0, 3), GAP)
        taken.xy_px[np.isin(taken.frame, middle)] += [0.0, 60.0]
        (_, behind), count = strike_misplaced([FRONT, taken], ReviseSettings())
        assert sorted(set(range(FRAMES)) - set(behind.frame.tolist())) == struck
        assert count == len(struck)


def test_who_stands_where_another_was_lost_is_kept_if_he_stood_there_before():
    beside = walker(2, 4, 3)
    tracks, count = strike_misplaced([walker(1, 0, 3, without=range(5, 35)), beside], ReviseSettings())
    assert count == 0
    assert tracks[1] is beside


def test_the_order_of_people_does_not_matter():
    taken = laid_on(walker(2, 140, -3), walker(1, 0, 3), GAP)
    (behind, _), count = strike_misplaced([taken, FRONT], ReviseSettings())
    assert count == len(GAP)
    assert len(behind.frame) == FRAMES - len(GAP)


def looks_of(track):
    return Looks(track.frame[::3], np.full((len(track.frame[::3]), 3, 3), float(track.person)))


def test_a_track_that_fills_the_gap_of_another_is_his():
    piece = walker(3, 0, 3, without=[f for f in range(FRAMES) if f not in GAP])
    tracks = [FRONT, walker(2, 140, -3), piece]
    kept, looks, count = fill_gaps(tracks, [looks_of(t) for t in tracks], ReviseSettings())
    assert count == 1
    assert [track.person for track in kept] == [1, 2]
    np.testing.assert_array_equal(kept[0].frame, np.arange(FRAMES))
    np.testing.assert_allclose(kept[0].xy_px, walker(1, 0, 3).xy_px)
    assert list(looks[0].frame) == sorted({*looks_of(FRONT).frame, *looks_of(piece).frame})
    assert kept[1] is tracks[1]


def test_a_track_that_fills_several_gaps_of_another_is_his():
    later = range(GAP[-1] + 6, GAP[-1] + 9)
    gaps = [*GAP, *later]
    owner = walker(1, 0, 3, without=gaps)
    piece = walker(2, 0, 3, without=[f for f in range(FRAMES) if f not in gaps])
    (kept,), _, count = fill_gaps([owner, piece], [looks_of(owner), looks_of(piece)], ReviseSettings())
    assert count == 1
    np.testing.assert_array_equal(kept.frame, np.arange(FRAMES))
    once_more = walker(2, 0, 3, without=[f for f in range(FRAMES) if f not in [*gaps, later[-1] + 3]])  # and beside a gap
    assert fill_gaps([owner, once_more], [looks_of(owner), looks_of(once_more)], ReviseSettings())[2] == 0


@pytest.mark.parametrize(
    ("start_px", "frames", "settings"),
    [
        (30.0, GAP, ReviseSettings()),  # beside him
        (0.0, range(GAP[0], GAP[-1] + 3), ReviseSettings()),  # longer than the gap
        (0.0, GAP, ReviseSettings(absence_s=0.2)),  # the gap is too long
    ],
)
def test_a_track_that_does_not_fill_the_gap_is_kept(start_px, frames, settings):
    tracks = [FRONT, walker(2, start_px, 3, without=[f for f in range(FRAMES) if f not in frames])]
    kept, _, count = fill_gaps(tracks, [looks_of(t) for t in tracks], settings)
    assert count == 0
    assert kept == tracks
