"""Who is who is decided by seconds: the same people filmed at another frame rate are taken for the same ones."""

from dataclasses import replace

import numpy as np
import pytest

from apps.apparent_size import Sizes, leap
from apps.followed import Looks, keep_rows
from apps.meetings import frames_in, meetings
from apps.pieces import cut_tracks
from apps.relink import RelinkSettings, jump, relink
from apps.revise import ReviseSettings, strike_misplaced
from posecore.stages import Clip
from tests.crossers import CLIP, exchanged, walker

RATES_FPS = [15.0, 30.0, 60.0, 120.0]
LONG_S, MET_S = 4, 2.0
UNSEEN = [Looks(np.zeros(0, dtype=np.int64), np.zeros((0, 3, 3)))] * 2


def filmed(person, speed_px_s, rate_fps, down_px=0.0):
    """Somebody who walks along x, in the middle after MET_S, as a camera of this rate sees him."""
    frames = range(round(LONG_S * rate_fps))
    track = walker(person, 320 - speed_px_s * MET_S, speed_px_s / rate_fps, down_px, frames)
    return replace(track, time_s=track.frame / rate_fps)


def clip_at(rate_fps):
    """The clip at this rate."""
    return Clip(np.arange(round(LONG_S * rate_fps)) / rate_fps, rate_fps, CLIP.camera)


def hidden(track, from_s, until_s):
    """The track without the rows between two times."""
    return keep_rows(track, (track.time_s < from_s + 1e-6) | (track.time_s > until_s - 1e-6))


def crossing_unseen(rate_fps, speed_px_s, away_s):
    """Two who pass each other while neither is seen; their rows end and begin at the same times at all rates."""
    lost = MET_S - away_s / 2, MET_S + away_s / 2
    return [hidden(filmed(k, v, rate_fps), *lost) for k, v in ((1, speed_px_s), (2, -speed_px_s))]


def jumps_across(rate_fps, speed_px_s, away_s):
    """What the way says against going straight on, and against going on as the other."""
    pieces = cut_tracks(crossing_unseen(rate_fps, speed_px_s, away_s), UNSEEN, rate_fps)
    before = [p for p in pieces if p.track.time_s[p.stop - 1] < MET_S and p.end == p.stop]
    after = [p for p in pieces if p.track.time_s[p.start] > MET_S and p.first == p.start]
    ways = {(a.which, b.which): jump(a, b) for a in before for b in after}
    return ways[0, 0], ways[0, 1]


@pytest.mark.parametrize("rate_fps", RATES_FPS)
@pytest.mark.parametrize(("speed_px_s", "away_s"), [(120.0, 4 / 15), (250.0, 4 / 15), (250.0, 2 / 15)])
def test_the_way_says_the_same_at_every_frame_rate(rate_fps, speed_px_s, away_s):
    right, wrong = jumps_across(rate_fps, speed_px_s, away_s)
    assert right < wrong
    np.testing.assert_allclose((right, wrong), jumps_across(30.0, speed_px_s, away_s), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rate_fps", RATES_FPS)
def test_who_were_exchanged_while_unseen_go_on_as_they_went(rate_fps):
    true = crossing_unseen(rate_fps, 360.0, 2 / 15)
    tracks = exchanged(*true, round(MET_S * rate_fps))
    assert relink(true, UNSEEN, clip_at(rate_fps), RelinkSettings())[2] == []
    mended, _, changes = relink(tracks, UNSEEN, clip_at(rate_fps), RelinkSettings())
    assert len(changes) == 2
    for track, one in zip(mended, true, strict=True):
        np.testing.assert_array_equal(track.xy_px, one.xy_px)


@pytest.mark.parametrize("rate_fps", RATES_FPS)
def test_who_are_near_again_within_a_third_of_a_second_have_not_parted(rate_fps):
    for pause_s, count in ((1 / 3, 1), (6 / 15, 2)):
        frames = np.arange(round(3 * rate_fps))
        near = frames[(frames <= rate_fps) | (frames >= rate_fps * (1 + pause_s) - 1e-6)]
        assert len(list(meetings(near, rate_fps))) == count


@pytest.mark.parametrize("rate_fps", RATES_FPS)
@pytest.mark.parametrize(("since_s", "cut"), [(1 / 3, True), (7 / 15, False)])
def test_a_jump_tells_of_another_who_was_near_a_third_of_a_second_ago(rate_fps, since_s, cut):
    one, other = filmed(1, 0.0, rate_fps), hidden(filmed(2, 0.0, rate_fps, 30.0), MET_S, LONG_S)
    jumped = one.time_s > MET_S + since_s - 1e-6
    one = replace(one, xy_px=one.xy_px + 60.0 * jumped[:, None, None] * [0, 1])
    firsts = {p.first for p in cut_tracks([one, other], UNSEEN, rate_fps) if p.which == 0}
    assert firsts == ({0, np.flatnonzero(jumped)[0]} if cut else {0})


@pytest.mark.parametrize("rate_fps", RATES_FPS)
def test_beside_somebody_lost_a_track_is_cut_ten_times_a_second(rate_fps):
    tracks = [filmed(1, 0.0, rate_fps), hidden(filmed(2, 0.0, rate_fps, 30.0), 1.0, 3.0)]
    times_s = [p.track.time_s[p.start] for p in cut_tracks(tracks, UNSEEN, rate_fps) if p.which == 0]
    beside = np.array([t for t in times_s if 1.0 < t < 3.0])
    assert beside[0] < 1.1
    assert beside[-1] > 2.8
    assert np.abs(np.diff(beside) - 0.1).max() < 0.51 / rate_fps


@pytest.mark.parametrize("rate_fps", RATES_FPS)
@pytest.mark.parametrize(("long_s", "kept"), [(1 / 15, False), (1 / 5, True)])
def test_a_stretch_of_parts_of_two_is_nobody_s_if_it_is_short(rate_fps, long_s, kept):
    one, other = (filmed(k, v, rate_fps) for k, v in ((1, 100.0), (2, -100.0)))
    middle = (one.time_s > MET_S - 1e-6) & (one.time_s < MET_S + long_s - 1e-6)
    one = replace(one, xy_px=one.xy_px + 80.0 * middle[:, None, None] * [0, 1])
    gaps = (np.abs(one.time_s - MET_S) < 4 / 15 - 1e-6) & ~middle
    tracks = [keep_rows(one, ~gaps), hidden(other, MET_S - 4 / 15, MET_S + 4 / 15)]
    mended, _, _ = relink(tracks, UNSEEN, clip_at(rate_fps), RelinkSettings())
    assert len(tracks[0].frame) - len(mended[0].frame) == (0 if kept else middle.sum())


@pytest.mark.parametrize("rate_fps", RATES_FPS)
def test_rows_on_somebody_lost_are_struck_for_as_long_at_every_frame_rate(rate_fps):
    """The second lies on the first, who is lost for good, to the end; both tremble."""
    rng = np.random.default_rng(6)
    one, other = (filmed(k, v, rate_fps) for k, v in ((1, 60.0), (2, -60.0)))
    other = replace(other, xy_px=np.where((other.time_s > 3.0 - 1e-6)[:, None, None], one.xy_px, other.xy_px))
    for _ in range(8):
        first, second = (replace(t, xy_px=t.xy_px + rng.normal(0, 1, (len(t.frame), 1, 2))) for t in (one, other))
        gone = hidden(first, 3.0 - 1 / rate_fps, LONG_S)
        (_, kept), struck = strike_misplaced([gone, second], ReviseSettings(absence_s=0.5, lost_s=0.4 + 1e-6))
        assert struck == round(0.4 * rate_fps)
        np.testing.assert_allclose(kept.time_s[kept.time_s > 3.0 - 1e-6][0], 3.4)


@pytest.mark.parametrize("speed_px_s", [60.0, 450.0])
def test_a_stretch_on_another_goes_as_a_whole_however_fast_he_is(speed_px_s):
    """He is lost for good; the other lies on him for 0.6 s of it."""
    one, other = (filmed(k, v, 15.0) for k, v in ((1, speed_px_s), (2, -speed_px_s)))
    on_him = (other.time_s > 3.0 - 1e-6) & (other.time_s < 3.6 - 1e-6)
    other = replace(other, xy_px=np.where(on_him[:, None, None], one.xy_px, other.xy_px))
    (_, kept), _ = strike_misplaced([hidden(one, 3.0 - 1 / 15, LONG_S), other], ReviseSettings())
    np.testing.assert_array_equal(kept.frame, other.frame[~on_him])


def test_more_frames_a_second_of_the_same_picture_make_no_size_surer():
    """Errors that live for a thirtieth of a second are seen twice at 60 and four times at 120 frames a second."""
    rng = np.random.default_rng(4)

    def sizes_at(rate_fps, log_size):
        frame = np.arange(round(rate_fps))
        time_s = frame / rate_fps
        return Sizes(frame, time_s, log_size[np.floor(time_s * 30 + 1e-6).astype(int)])

    for _ in range(10):
        one = rng.normal(0.0, 0.05, 30)
        other = one + np.where(np.arange(30) < 15, 0.0, 0.15)
        told = {rate: leap(*(sizes_at(rate, s) for s in (one, other)), round(rate / 2)) for rate in (10.0, *RATES_FPS)}
        assert told[30.0] > 0.3
        for rate in (60.0, 120.0):
            assert told[rate] == pytest.approx(told[30.0], rel=0.15)


def test_a_row_alone_says_as_much_at_every_frame_rate():
    def alone_at(frame, rate_fps):
        return Sizes(np.array([frame]), np.array([frame / rate_fps]), np.array([0.1 * (frame > 0)]))

    told = [leap(alone_at(0, rate), alone_at(round(rate / 5), rate), 1) for rate in RATES_FPS]
    np.testing.assert_allclose(told, told[0], rtol=1e-9)


def test_frames_in_a_time_are_those_of_the_rate_and_at_least_one():
    assert [frames_in(0.1, rate) for rate in (1.0, 10.0, 24.0, 29.97, 30.0, 59.94, 120.0)] == [1, 1, 2, 3, 3, 6, 12]
