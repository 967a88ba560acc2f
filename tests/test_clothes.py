"""People who exchanged numbers while they met get them back by what they wear, and nobody else does."""

from dataclasses import replace

import numpy as np
import pytest

from apps.clothes import ClothesSettings, give_back, rejoin
from apps.followed import Looks
from pose2d.motion import body_size_px
from posecore.camera import camera_from_fov
from posecore.stages import Clip
from posecore.types import Track

FRAMES, RATE = 80, 20.0
BODY_PX = np.random.default_rng(3).uniform([-30, -100], [30, 100], (21, 2))
RED, BLUE, GREEN = (np.tile(colour, (3, 1)) for colour in ([50.0, 60, 30], [40.0, 10, -50], [60.0, -50, 40]))
SETTINGS = ClothesSettings()


def walker(person, start_px, speed_px, down_px=0.0, frames=range(FRAMES)):
    """Somebody who walks along x at so many pixels a frame, `down_px` lower than others, and is seen in these frames."""
    frame = np.array(frames)
    xy = BODY_PX + np.stack([start_px + speed_px * frame, np.full(len(frame), down_px)], axis=1)[:, None]
    score = np.ones((len(frame), 21))
    return Track(person, frame, frame / RATE, xy, score, np.zeros((*score.shape, 3)), np.ones((*score.shape, 2)))


def dressed(colour, every=2, seed=0, frames=range(FRAMES)):
    frame = np.array(frames)[::every]
    return Looks(frame, colour + np.random.default_rng(seed).normal(0, 3, (len(frame), 3, 3)))


def exchanged(one, other, frame):
    """Two tracks or looks with each other's rows from a frame on."""

    def joined(a, b):
        names = [name for name in vars(a) if name != "person"]
        rows = {n: np.concatenate([getattr(a, n)[a.frame < frame], getattr(b, n)[b.frame >= frame]]) for n in names}
        return replace(a, **rows)

    return joined(one, other), joined(other, one)


# They meet in frame 40; the bodies are half a size apart for some ten frames around it.
TRUE = [walker(1, 0, 6), walker(2, 480, -6, 20)]


@pytest.mark.parametrize("frame", [37, 40, 42])
def test_an_exchange_is_undone_where_it_happened(frame):
    tracks, looks = exchanged(*TRUE, frame), exchanged(dressed(RED), dressed(BLUE, seed=1), frame)
    mended, undone = give_back(tracks, looks, SETTINGS)
    assert undone == [(1, 2, frame)]
    for track, true in zip(mended, TRUE, strict=True):
        assert track.person == true.person
        for name in ("frame", "time_s", "xy_px"):
            np.testing.assert_array_equal(getattr(track, name), getattr(true, name))


def test_where_bodies_cover_each_other_clothes_tell_the_frame():
    one, other = TRUE
    covered = slice(35, 46)  # both are found at one and the same place
    together = [replace(t, xy_px=np.concatenate([t.xy_px[:35], one.xy_px[covered], t.xy_px[46:]])) for t in (one, other)]
    tracks = exchanged(*together, 42)
    looks = exchanged(dressed(RED, every=1), dressed(BLUE, every=1, seed=1), 42)
    (_, _, frame), *more = give_back(tracks, looks, SETTINGS)[1]
    assert frame == 42
    assert not more


def test_who_parts_for_a_moment_has_not_parted():
    one = walker(1, 0, 6)
    x = np.interp(np.arange(FRAMES), [0, 29, 30, 32, 33, 36, 37, 50, 51, 79], [500, 300, 200, 200, 420, 420, 230, 310, 150, 0])
    other = replace(one, person=2, xy_px=BODY_PX + np.stack([x, np.full(FRAMES, 20.0)], axis=1)[:, None])
    tracks = exchanged(one, other, 44)
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 44)
    mended, undone = give_back(tracks, looks, SETTINGS)
    assert undone == [(1, 2, 44)]
    np.testing.assert_array_equal(mended[1].xy_px, other.xy_px)


def test_who_walk_side_by_side_get_their_numbers_back_too():
    one = walker(1, 0, 3)
    size_px = float(body_size_px(one.xy_px)[0])
    beside = size_px * np.interp(np.arange(FRAMES), [0, 36, 44, 79], [0.4, 0.4, -0.4, -0.4])
    other = replace(one, person=2, xy_px=one.xy_px + np.stack([beside, np.zeros(FRAMES)], axis=1)[:, None])
    tracks, looks = exchanged(one, other, 40), exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    assert give_back(tracks, looks, replace(SETTINGS, beside=SETTINGS.apart))[1] == []
    mended, undone = give_back(tracks, looks, SETTINGS)
    assert undone == [(1, 2, 40)]
    np.testing.assert_array_equal(mended[0].xy_px, one.xy_px)


@pytest.mark.parametrize("cross", [True, False])
def test_a_jump_speaks_against_an_exchange(cross):
    """Clothes say it as surely; but who never come nearer than 0.4 of a body would both have to jump aside."""
    one, side = walker(1, 0, 3), -1 if cross else 1
    size_px = float(body_size_px(one.xy_px)[0])
    beside = size_px * np.interp(np.arange(FRAMES), [0, 25, 36, 44, 55, 79], [1, 1, 0.4, side * 0.4, side, side])
    other = replace(one, person=2, xy_px=one.xy_px + np.stack([beside, np.zeros(FRAMES)], axis=1)[:, None])
    tracks = exchanged(one, other, 40) if cross else (one, other)
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    assert len(give_back(tracks, looks, replace(SETTINGS, log_odds=9.0))[1]) == 1
    assert len(give_back(tracks, looks, replace(SETTINGS, log_odds=13.0))[1]) == cross


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dressed(RED), dressed(BLUE, seed=1)),  # nobody was exchanged
        exchanged(dressed(RED), dressed(RED, seed=1), 40),  # both wear the same
        exchanged(dressed(RED, every=30), dressed(BLUE, every=30), 40),  # hardly looked at
    ],
)
def test_numbers_stay_where_the_clothes_do_not_speak(one, other):
    mended, undone = give_back(TRUE, [one, other], SETTINGS)
    assert undone == []
    assert mended == TRUE


def test_colours_of_what_lies_behind_say_nothing():
    """Whoever is too small to be hit shows the wall, and both walk past the same one."""
    wall = np.random.default_rng(7).uniform([20, -40, -40], [80, 40, 40], (40, 3))
    behind = [wall[(track.xy_px[:, :, 0].mean(axis=1) // 16).astype(int)] for track in TRUE]
    looks = [Looks(track.frame, np.repeat(colours[:, None], 3, axis=1)) for track, colours in zip(TRUE, behind, strict=True)]
    assert give_back(TRUE, looks, SETTINGS)[1] == []


def test_parts_never_seen_do_not_count():
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    for look in looks:
        look.colours[:, 1:] = np.nan
    assert give_back(list(exchanged(*TRUE, 40)), looks, SETTINGS)[1] == [(1, 2, 40)]
    for look in looks:
        look.colours[:] = np.nan
    assert give_back(TRUE, looks, SETTINGS)[1] == []


def test_nothing_is_given_back_where_nobody_met_or_nobody_asks():
    apart = [TRUE[0], walker(2, 480, 6)]
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    assert give_back(apart, looks, SETTINGS)[1] == []
    assert give_back(TRUE, looks, ClothesSettings(log_odds=0.0))[1] == []
    assert give_back([], [], SETTINGS) == ([], [])


def test_three_people_and_two_exchanges_one_after_the_other():
    walkers = [walker(1, 0, 6), walker(2, 480, -6, 20), walker(3, 180, 0, 40)]  # 1 meets 3 in 30 and 2 in 40; 2 meets 3 in 50
    tracks, looks = list(walkers), [dressed(c, every=1, seed=k) for k, c in enumerate((RED, BLUE, GREEN))]
    for (a, b), frame in (((0, 2), 30), ((0, 1), 50)):
        tracks[a], tracks[b] = exchanged(tracks[a], tracks[b], frame)
        looks[a], looks[b] = exchanged(looks[a], looks[b], frame)
    mended, undone = give_back(tracks, looks, SETTINGS)
    assert [pair[:2] for pair in undone] == [(1, 3), (2, 3)]
    for track, true in zip(mended, walkers, strict=True):
        np.testing.assert_array_equal(track.xy_px, true.xy_px)


FIRST, SECOND = range(40), range(52, FRAMES)  # seen, then for 0.65 s not
CLIP = Clip(np.arange(FRAMES) / RATE, RATE, camera_from_fov((640, 240), 54.0, "made up"))


def parts(start_px=200.0, second_px=200.0, colours=(RED, RED)):
    """Somebody seen twice, at 2 px a frame, under two numbers; another, far away, all the time."""
    tracks = [
        walker(1, start_px, 2, 100, FIRST),
        walker(2, 540, 0, 100),
        walker(3, second_px, 2, 100, SECOND),
    ]
    return tracks, [dressed(colours[0], frames=FIRST), dressed(BLUE), dressed(colours[1], seed=1, frames=SECOND)]


def test_who_comes_back_under_a_new_number_gets_his_old_one():
    tracks, looks = parts()
    (one, other), kept_looks, joins = rejoin(tracks, looks, CLIP, SETTINGS)
    assert joins == 1
    assert (one.person, other.person) == (1, 2)
    np.testing.assert_array_equal(one.frame, [*FIRST, *SECOND])
    np.testing.assert_array_equal(one.xy_px, np.concatenate([tracks[0].xy_px, tracks[2].xy_px]))
    np.testing.assert_array_equal(other.xy_px, tracks[1].xy_px)
    assert len(kept_looks[0].frame) == len(looks[0].frame) + len(looks[2].frame)


@pytest.mark.parametrize(
    ("tracks", "looks", "settings"),
    [
        (*parts(colours=(RED, GREEN)), SETTINGS),  # somebody else
        (*parts(second_px=-200.0), SETTINGS),  # too far away
        (*parts(start_px=-60.0, second_px=-100.0), SETTINGS),  # at the border, where another may come in
        (*parts(), replace(SETTINGS, away_s=0.6)),  # away for too long
        (*parts(), replace(SETTINGS, away_s=0.0)),  # nobody asks
    ],
)
def test_another_who_comes_keeps_his_own_number(tracks, looks, settings):
    kept, _, joins = rejoin(tracks, looks, CLIP, settings)
    assert joins == 0
    assert [track.person for track in kept] == [1, 2, 3]


def test_nobody_comes_back_over_a_cut():
    tracks, looks = parts()
    assert rejoin(tracks, looks, replace(CLIP, cuts=(45,)), SETTINGS)[2] == 0
    assert rejoin(tracks, looks, replace(CLIP, cuts=(40, 53)), SETTINGS)[2] == 0
    assert rejoin(tracks, looks, replace(CLIP, cuts=(39, 53)), SETTINGS)[2] == 1
