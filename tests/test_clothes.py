"""Who comes back under a new number gets his old one by what he wears, and nobody else does."""

from dataclasses import replace

import numpy as np
import pytest

from apps.clothes import ClothesSettings, rejoin
from tests.crossers import BLUE, CLIP, FRAMES, GREEN, RED, dressed, walker

SETTINGS = ClothesSettings()
FIRST, SECOND = range(40), range(52, FRAMES)  # seen, then for 0.65 s not


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
