"""Who moves fast from frame to frame keeps his rows and his number where he meets others, as one who walks does."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from apps.clothes import ClothesSettings
from apps.followed import keep_rows
from apps.pace import PACE_S, pace_px_s
from apps.pieces import cut_tracks
from apps.relink import RelinkSettings, jump, relink
from apps.revise import ReviseSettings, revise
from pose2d.motion import body_size_px
from tests.crossers import BLUE, BODY_PX, CLIP, FRAMES, RATE, RED, dressed, exchanged, walker

WORN = [dressed(RED), dressed(BLUE, seed=1)]
SIZE_PX = float(body_size_px(BODY_PX))
CLIP_30 = replace(CLIP, time_s=np.arange(FRAMES) / 30, rate_fps=30.0)


def retimed(track, rate_fps):
    """The same rows at another frame rate."""
    return replace(track, time_s=track.frame / rate_fps)


def past_each_other(sizes, rate_fps=RATE):
    """Two who meet in frame 40, each so many sizes of a body a frame fast."""
    step_px = sizes * SIZE_PX
    tracks = [walker(1, 0, step_px), walker(2, (FRAMES - 0.5) * step_px, -step_px, 20)]
    return [retimed(t, rate_fps) for t in tracks], replace(CLIP, time_s=CLIP.time_s * RATE / rate_fps, rate_fps=rate_fps)


def with_swinging_limbs(track, seed):
    """The track with 5 px of noise and every other joint swinging to and fro, 1.5 times a second."""
    rng = np.random.default_rng(seed)
    swing = 30 * np.sin(2 * np.pi * 1.5 * track.time_s[:, None] + rng.uniform(0, 2 * np.pi, 21)) * (np.arange(21) % 2)
    return replace(track, xy_px=track.xy_px + rng.normal(0, 5, track.xy_px.shape) + swing[..., None] * [1, 0])


@pytest.mark.parametrize("rate_fps", [10.0, 15.0, 30.0, 60.0])
@pytest.mark.parametrize("sizes", [0.05, 0.14, 0.16, 0.3, 0.5, 0.75])
def test_right_tracks_stay_what_they_are_however_fast_people_are(sizes, rate_fps):
    tracks, clip = past_each_other(sizes, rate_fps)
    for given in (tracks, [with_swinging_limbs(t, k) for k, t in enumerate(tracks)]):
        kept, told = revise(given, WORN, clip, ClothesSettings(), RelinkSettings(), ReviseSettings())
        assert told == []
        for track, true in zip(kept, given, strict=True):
            np.testing.assert_array_equal(track.frame, true.frame)
            np.testing.assert_array_equal(track.xy_px, true.xy_px)


@pytest.mark.parametrize("sizes", [0.05, 0.3, 0.75])
@pytest.mark.parametrize("frame", [39, 40, 41])
def test_an_exchange_of_fast_people_is_undone(frame, sizes):
    true, clip = past_each_other(sizes, 15.0)
    mended, _, changes = relink(exchanged(*true, frame), exchanged(*WORN, frame), clip, RelinkSettings())
    assert changes == [(1, 2, frame), (2, 1, frame)]
    for track, one in zip(mended, true, strict=True):
        np.testing.assert_array_equal(track.xy_px, one.xy_px)


@pytest.mark.parametrize("rate_fps", [10.0, 15.0, 25.0])
def test_fast_people_seen_now_and_then_keep_every_row(rate_fps):
    """Rows lack at random while they are near, so that many stand alone between two gaps."""
    rng = np.random.default_rng(7)
    true, clip = past_each_other(0.3, rate_fps)
    for _ in range(5):
        seen = [keep_rows(t, (np.abs(t.frame - 40) > 6) | (rng.random(FRAMES) > 0.5)) for t in true]
        mended, _, changes = relink(seen, WORN, clip, RelinkSettings())
        assert changes == []
        for track, one in zip(mended, seen, strict=True):
            np.testing.assert_array_equal(track.frame, one.frame)


def side_by_side():
    """Two who stand side by side, nearest in frame 20; the first jumps aside for good, and for a single row in a gap."""
    one, other = (retimed(walker(person, px, 0), 30.0) for person, px in ((1, 0.0), (2, 0.3 * SIZE_PX)))
    other.xy_px[..., 0] += np.abs(other.frame - 20)[:, None] / 10
    aside_px = SIZE_PX * (0.34 * (one.frame >= 30) + 0.4 * (one.frame == 50))
    one = replace(one, xy_px=one.xy_px - aside_px[:, None, None] * [0, 1])
    return [keep_rows(one, (one.frame < 48) | (one.frame > 51) | (one.frame == 50)), other]


@pytest.mark.parametrize("sizes", [-0.75, 0.1, 0.3, 1.0])
def test_tracks_are_cut_and_linked_alike_however_fast_all_move(sizes):
    """What speaks for a change is how somebody leaves his way, and no speed that all have in common."""
    still = side_by_side()
    moving = [replace(t, xy_px=t.xy_px + sizes * SIZE_PX * t.frame[:, None, None] * [1, 0]) for t in still]
    cuts = [[(p.which, p.start, p.stop, p.first, p.end) for p in cut_tracks(tracks, WORN, 30.0)] for tracks in (still, moving)]
    assert cuts[0] == cuts[1]
    assert {first for which, _, _, first, _ in cuts[0] if which == 0} == {0, 30, 48, 49}
    linked = [relink(tracks, WORN, CLIP_30, RelinkSettings()) for tracks in (still, moving)]
    assert linked[0][2] == linked[1][2]
    assert 50 not in linked[0][0][0].frame
    for one, other in zip(linked[0][0], linked[1][0], strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)


@pytest.mark.parametrize("sizes", [0.0, 0.3])
def test_who_slides_over_to_another_in_two_steps_is_cut_at_both(sizes):
    one, other = walker(1, 0, sizes * SIZE_PX), walker(2, 0.45 * SIZE_PX, sizes * SIZE_PX)
    aside = np.interp(one.frame, [29, 31], [0.0, 0.4])
    one = replace(one, xy_px=one.xy_px + SIZE_PX * aside[:, None, None] * [1, 0])
    assert {p.first for p in cut_tracks([one, other], WORN, RATE) if p.which == 0} == {0, 30, 31}


def test_a_straight_way_over_a_gap_costs_nothing_if_either_side_or_the_gap_before_tells_the_speed():
    """Frames seen: one and then many, many and then one, and one between two gaps."""
    whole, other = (retimed(walker(person, 0, 50, 20 * person), 30.0) for person in (1, 2))
    for seen in ([20, *range(24, 60)], [*range(20, 50), 54], [20, 23, 27]):
        track = keep_rows(whole, np.isin(np.arange(FRAMES), seen))
        pieces = [p for p in cut_tracks([track, other], WORN, 30.0) if p.which == 0]
        gaps = [(a, b) for a, b in itertools.pairwise(pieces) if b.first_frame > a.last_frame + 1]
        assert jump(*gaps[-1]) < 1e-9
    assert len(gaps) == 2


def test_rows_that_are_nobody_s_are_counted():
    one, other = (keep_rows(t, (t.frame < 36) | (t.frame > 45)) for t in (walker(1, 0, 6), walker(2, 480, -6, 20)))
    glimpse = keep_rows(walker(1, 0, 6, 80), np.arange(FRAMES) == 40)  # made of parts of both
    names = [name for name in vars(one) if name != "person"]
    rows = {n: np.concatenate([getattr(one, n)[:36], getattr(glimpse, n), getattr(one, n)[36:]]) for n in names}
    tracks, told = revise([replace(one, **rows), other], WORN, CLIP, ClothesSettings(), RelinkSettings(), ReviseSettings())
    assert sum(len(t.frame) for t in tracks) == 2 * (FRAMES - 10)
    assert told == ["rows left out that fit none of the people who met: 1"]


def test_a_speed_is_that_of_a_straight_way_whatever_the_times():
    rng = np.random.default_rng(2)
    time_s = np.cumsum(rng.uniform(0.005, 0.2, FRAMES))
    speed_px_s = rng.normal(0, 100, (21, 2))
    track = replace(walker(1, 0, 0), time_s=time_s, xy_px=BODY_PX + time_s[:, None, None] * speed_px_s)
    for row, limit in ((0, 40), (40, 0), (40, 41), (79, 78), (0, 79)):
        np.testing.assert_allclose(pace_px_s(track, row, limit), speed_px_s, rtol=1e-9)
    assert not pace_px_s(track, 5, 5).any()


@pytest.mark.parametrize(("rate_fps", "rows"), [(10.0, 1), (15.0, 1), (29.97, 2), (30.0, 2), (60.0, 4), (120.0, 8)])
def test_a_speed_is_taken_over_a_fifteenth_of_a_second_and_not_beyond_a_row(rate_fps, rows):
    assert pytest.approx(1 / 15) == PACE_S
    track = retimed(walker(1, 0, 0), rate_fps)
    track = replace(track, xy_px=track.xy_px + track.frame[:, None, None] ** 2.0)
    for step in (-1, 1):
        for most in (1, rows, 30):
            other = 40 + step * min(rows, most)
            expected = (track.xy_px[other] - track.xy_px[40]) / (track.time_s[other] - track.time_s[40])
            np.testing.assert_allclose(pace_px_s(track, 40, 40 + step * most), expected, rtol=1e-12)
