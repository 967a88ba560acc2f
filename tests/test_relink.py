"""People who exchanged numbers while they met get them back by way, size and clothes, and nobody else does."""

from dataclasses import replace

import numpy as np
import pytest

from apps.apparent_size import WORST, leap, metre_px, sizes_of
from apps.followed import Looks
from apps.relink import RelinkSettings, relink
from pose2d.motion import body_size_px
from tests.crossers import BLUE, BODY_PX, CLIP, FRAMES, GREEN, RATE, RED, dressed, exchanged, walker

SETTINGS = RelinkSettings()


# They meet in frame 40; the bodies are half a size apart for some ten frames around it.
TRUE = [walker(1, 0, 6), walker(2, 480, -6, 20)]


def undone(tracks, looks, settings=SETTINGS, clip=CLIP):
    mended, _, changes = relink(tracks, looks, clip, settings)
    return mended, changes


def assert_same(tracks, true):
    for track, one in zip(tracks, true, strict=True):
        assert track.person == one.person
        for name in ("frame", "time_s", "xy_px"):
            np.testing.assert_array_equal(getattr(track, name), getattr(one, name))


@pytest.mark.parametrize("frame", [37, 40, 42])
def test_an_exchange_is_undone_where_it_happened(frame):
    tracks, looks = exchanged(*TRUE, frame), exchanged(dressed(RED), dressed(BLUE, seed=1), frame)
    mended, changes = undone(tracks, looks)
    assert changes == [(1, 2, frame), (2, 1, frame)]
    assert_same(mended, TRUE)


def test_where_bodies_cover_each_other_clothes_tell_the_frame():
    one, other = TRUE
    covered = slice(35, 46)  # both are found at one and the same place
    together = [replace(t, xy_px=np.concatenate([t.xy_px[:35], one.xy_px[covered], t.xy_px[46:]])) for t in (one, other)]
    tracks = exchanged(*together, 42)
    looks = exchanged(dressed(RED, every=1), dressed(BLUE, every=1, seed=1), 42)
    assert undone(tracks, looks)[1] == [(1, 2, 42), (2, 1, 42)]


def test_who_walk_side_by_side_get_their_numbers_back_too():
    one = walker(1, 0, 3)
    size_px = float(body_size_px(one.xy_px)[0])
    beside = size_px * np.interp(np.arange(FRAMES), [0, 36, 44, 79], [0.4, 0.4, -0.4, -0.4])
    other = replace(one, person=2, xy_px=one.xy_px + np.stack([beside, np.zeros(FRAMES)], axis=1)[:, None])
    tracks, looks = exchanged(one, other, 40), exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    mended, changes = undone(tracks, looks)
    assert changes == [(1, 2, 40), (2, 1, 40)]
    assert_same(mended, [one, other])


@pytest.mark.parametrize(("size", "cross"), [(0.4, True), (1.5, False)])
def test_a_jump_speaks_against_an_exchange(size, cross):
    """Clothes say it as surely; but who never come nearer than 1.5 sizes of a body would both have to jump aside."""
    one = walker(1, 0, 3)
    size_px = float(body_size_px(one.xy_px)[0])
    beside = size_px * np.interp(np.arange(FRAMES), [0, 36, 44, 79], [1, size, size, 1])
    other = replace(one, person=2, xy_px=one.xy_px + np.stack([beside, np.zeros(FRAMES)], axis=1)[:, None])
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    assert bool(undone([one, other], looks)[1]) == cross


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dressed(RED), dressed(BLUE, seed=1)),  # nobody was exchanged
        exchanged(dressed(RED), dressed(RED, seed=1), 40),  # both wear the same
    ],
)
def test_numbers_stay_where_nothing_speaks_for_a_change(one, other):
    mended, changes = undone(TRUE, [one, other])
    assert changes == []
    assert mended == TRUE


def test_colours_of_what_lies_behind_say_nothing():
    """Whoever is too small to be hit shows the wall, and both walk past the same one."""
    wall = np.random.default_rng(7).uniform([20, -40, -40], [80, 40, 40], (40, 3))
    behind = [wall[(track.xy_px[:, :, 0].mean(axis=1) // 16).astype(int)] for track in TRUE]
    looks = [Looks(track.frame, np.repeat(colours[:, None], 3, axis=1)) for track, colours in zip(TRUE, behind, strict=True)]
    assert undone(TRUE, looks)[1] == []


def test_parts_never_seen_do_not_count():
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    for look in looks:
        look.colours[:, 1:] = np.nan
    assert len(undone(list(exchanged(*TRUE, 40)), looks)[1]) == 2
    for look in looks:
        look.colours[:] = np.nan
    assert undone(TRUE, looks)[1] == []


def test_nothing_is_given_back_where_nobody_met_or_nobody_asks():
    apart = [TRUE[0], walker(2, 480, 6)]
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    assert undone(apart, looks)[1] == []
    assert undone(exchanged(*TRUE, 40), looks, replace(SETTINGS, away_s=0.0))[1] == []
    assert undone(exchanged(*TRUE, 40), looks, replace(SETTINGS, change=100.0))[1] == []
    assert undone([], []) == ([], [])


def test_three_people_and_two_exchanges_one_after_the_other():
    walkers = [walker(1, 0, 6), walker(2, 480, -6, 20), walker(3, 180, 0, 40)]  # 1 meets 3 in 30 and 2 in 40; 2 meets 3 in 50
    tracks, looks = list(walkers), [dressed(c, every=1, seed=k) for k, c in enumerate((RED, BLUE, GREEN))]
    for (a, b), frame in (((0, 2), 30), ((0, 1), 50)):
        tracks[a], tracks[b] = exchanged(tracks[a], tracks[b], frame)
        looks[a], looks[b] = exchanged(looks[a], looks[b], frame)
    assert_same(undone(tracks, looks)[0], walkers)


def sized(track, size_px, seed=0):
    """A track whose lift sees a metre so many pixels long, (T,), with a little noise."""
    rng = np.random.default_rng(seed)
    xyz = np.zeros((len(track.frame), 21, 3))
    relative = track.xy_px - track.xy_px.mean(axis=1, keepdims=True)
    size = np.broadcast_to(size_px, len(track.frame)) * np.exp(rng.normal(0, 0.02, len(track.frame)))
    xyz[..., :2] = relative / size[:, None, None]
    return replace(track, xyz_m=xyz)


def gone(item, first, last):
    """A track or looks without the rows of these frames."""
    keep = (item.frame < first) | (item.frame > last)
    return replace(item, **{n: v[keep] for n, v in vars(item).items() if n != "person"})


def test_of_two_dressed_alike_the_nearer_stays_the_nearer():
    """Both are hidden, or taken for one, for half a second and walk on; only how near they are tells them apart."""
    near, far = (gone(sized(t, s), 36, 45) for t, s in zip(TRUE, (100.0, 70.0), strict=True))
    looks = [gone(dressed(RED, seed=k), 36, 45) for k in range(2)]
    stopped = [
        replace(t, xy_px=np.where(t.frame[:, None, None] > 40, t.xy_px * [0, 1] + BODY_PX * [1, 0] + [240, 0], t.xy_px))
        for t in (near, far)
    ]  # both stand still where they met, so that no way tells either
    tracks = exchanged(*stopped, 41)
    mended, changes = undone(tracks, looks)
    assert changes == [(1, 2, 46), (2, 1, 46)]
    assert_same(mended, stopped)
    assert undone(tracks, looks, replace(SETTINGS, size=0.0))[1] == []
    assert undone(stopped, looks)[1] == []


def test_rows_on_another_go_to_him_and_stay_with_nobody_else():
    one, other = TRUE
    astray = replace(other, xy_px=np.where((other.frame // 4 == 8)[:, None, None], one.xy_px, other.xy_px))  # 32 to 35
    mended, changes = undone([gone(one, 32, 35), astray], [dressed(RED), dressed(BLUE, seed=1)])
    assert changes == [(1, 2, 32)]
    assert_same(mended, [one, gone(other, 32, 35)])


def test_a_glimpse_of_parts_of_two_bodies_is_nobody_s():
    one, other = (gone(t, 36, 45) for t in TRUE)
    seen = [*range(36), 40, *range(46, FRAMES)]
    both = replace(TRUE[0], xy_px=TRUE[0].xy_px + np.array([0.0, 80.0]))
    glimpse = replace(
        one, **{n: np.concatenate([v[:36], getattr(both, n)[[40]], v[36:]]) for n, v in vars(one).items() if n != "person"}
    )
    np.testing.assert_array_equal(glimpse.frame, seen)
    looks = [dressed(RED), dressed(BLUE, seed=1)]
    assert_same(undone([glimpse, other], looks)[0], [one, other])
    assert_same(undone([glimpse, other], looks, replace(SETTINGS, glimpse=100.0))[0], [glimpse, other])


def test_who_is_followed_on_another_s_body_while_that_one_is_lost_gets_his_own_back():
    """No gap and no jump shows where the one went over to the other."""
    one, other = walker(1, 0, 6), walker(2, 480, -6)
    tracks = exchanged(one, other, 40)
    tracks = [tracks[0], gone(tracks[1], 34, 45)]
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    mended, changes = undone(tracks, looks)
    assert len(changes) == 2
    for track, true in zip(mended, (one, other), strict=True):
        late = track.frame > 45
        np.testing.assert_array_equal(track.xy_px[late], true.xy_px[track.frame[late]])
        assert abs(track.xy_px - true.xy_px[track.frame]).max() <= 24  # they are two frames, or 24 px, apart at most there


def test_nobody_is_given_anything_after_the_end_of_his_own_track():
    """A third was taken for somebody, for some frames, just where the first comes out again."""
    one, other = gone(TRUE[0], 36, 43), TRUE[1]
    far = replace(one, xy_px=one.xy_px + np.where(one.frame > 40, 160.0, 0.0)[:, None, None] * [1, 0])
    third = walker(3, 160, 6, frames=range(28, 34))
    looks = [Looks(np.arange(2), np.full((2, 3, 3), np.nan))] * 3
    mended, changes = undone([far, other, third], looks)
    assert changes == []
    assert_same(mended, [far, other, third])


def test_who_was_given_another_s_rows_keeps_to_them_when_his_own_track_has_ended():
    """Both had gone over to one another, the second is lost soon after, and the first has a gap then."""
    tracks, looks = exchanged(*TRUE, 40), exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    tracks = [gone(tracks[0], 46, 47), gone(tracks[1], 45, FRAMES)]
    mended, changes = undone(tracks, looks)
    assert changes == [(1, 2, 40), (2, 1, 40)]
    assert_same(mended, [gone(TRUE[0], 45, FRAMES), gone(TRUE[1], 46, 47)])


def test_nobody_is_given_anything_over_a_cut():
    near, far = (gone(sized(t, s), 38, 43) for t, s in zip(TRUE, (100.0, 70.0), strict=True))
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 41)
    tracks = exchanged(near, far, 41)
    assert len(undone(tracks, looks)[1]) == 2
    assert undone(tracks, looks, clip=replace(CLIP, cuts=(40,)))[1] == []
    assert undone(tracks, looks, replace(SETTINGS, away_s=0.3))[1] == []


def test_the_size_is_the_scale_between_lift_and_picture_whatever_is_added_and_turned():
    rng = np.random.default_rng(1)
    xyz = rng.normal(0, 0.4, (6, 21, 3))
    scale = rng.uniform(30, 200, 6)
    track = replace(walker(1, 0, 0, frames=range(6)), xyz_m=xyz + 3.0, xy_px=xyz[..., :2] * scale[:, None, None] + 50.0)
    np.testing.assert_allclose(metre_px(track), scale, rtol=1e-12)
    lost = replace(track, score=track.score * (np.arange(21) == 4))  # one joint alone has no size
    assert np.isnan(metre_px(lost)).all()
    assert len(sizes_of(lost).frame) == 0


def test_a_leap_is_what_a_steady_walk_is_not():
    frame = np.arange(40)
    steady = sized(walker(1, 0, 2, frames=frame), 80 * np.exp(0.2 * frame / RATE), seed=2)
    small = sized(walker(2, 0, 2, frames=frame), 60 * np.exp(0.2 * frame / RATE), seed=3)
    hidden = gone(steady, 15, 24)
    assert leap(sizes_of(steady), sizes_of(steady), 20) < 0.5
    assert leap(sizes_of(hidden), sizes_of(hidden), 20) < 0.5
    across = leap(sizes_of(hidden), sizes_of(small), 25), leap(sizes_of(steady), sizes_of(small), 20)
    assert 1.0 < across[0] < across[1] <= WORST  # over a gap less is sure
    assert leap(sizes_of(steady), sizes_of(small), 0) == 0.0
    assert leap(sizes_of(steady), sizes_of(small), 40) == 0.0


def test_whose_track_goes_on_as_another_was_that_one_from_its_first_frame():
    """One comes out of a meeting under a new number, and his clothes are seen only after the first cut in its track."""
    one, other = TRUE
    came = replace(gone(one, 0, 37), person=3)
    tracks = [gone(one, 36, FRAMES), other, came]
    looks = [gone(dressed(RED), 36, FRAMES), dressed(BLUE, seed=1), gone(dressed(RED, seed=2), 0, 45)]
    assert_same(undone(tracks, looks)[0], [gone(one, 36, 37), other])
    apart = replace(looks[2], colours=looks[2].colours - RED + GREEN)  # somebody else, by his clothes
    assert_same(undone(tracks, [*looks[:2], apart])[0], tracks)


def test_who_comes_out_of_a_meeting_in_parts_is_one_person():
    """A second number takes three frames of him, then his own some, then the second all the rest: it never was anybody."""
    one, other = TRUE
    first = gone(gone(gone(one, 30, 37), 41, 41), 45, FRAMES)
    second = replace(gone(gone(one, 0, 37), 41, 46), person=3)
    first = gone(first, 38, 40)
    worn = dressed(RED)
    looks = [gone(gone(worn, 30, 41), 45, FRAMES), dressed(BLUE, seed=1), gone(gone(worn, 0, 37), 41, 46)]
    mended, _ = undone([first, other, second], looks)
    assert [track.person for track in mended] == [1, 2]
    assert {38, 39, 40, 42, 43, 44, *range(47, FRAMES)} <= set(mended[0].frame.tolist())
    assert_same(mended[1:], [other])
