"""Numbers after all second thoughts: rows given back, and who had lost his found again."""

from dataclasses import replace

import numpy as np

from apps.clothes import ClothesSettings
from apps.followed import Looks, keep_rows
from apps.relink import RelinkSettings
from apps.revise import ReviseSettings, _looks_of, revise
from tests.crossers import BLUE, CLIP, FRAMES, RED, dressed, exchanged, walker


def test_a_look_goes_with_the_row_of_its_frame():
    one, other = walker(1, 0, 3), walker(2, 300, -3)
    looks = [Looks(np.arange(0, FRAMES, 3), np.full((27, 3, 3), colour)) for colour in (1.0, 2.0)]
    mixed = exchanged(one, other, 20)
    for track, (before, after) in zip(_looks_of(mixed, [one, other], looks), ((1.0, 2.0), (2.0, 1.0)), strict=True):
        np.testing.assert_array_equal(track.frame, np.arange(0, FRAMES, 3))
        np.testing.assert_array_equal(track.colours[:, 0, 0], np.where(track.frame < 20, before, after))


def test_who_has_lost_his_rows_goes_on_under_his_old_number():
    """The first is lost when the second goes over to his body; later the second's own body comes under a new number."""
    first, second = walker(1, 0, 6), walker(2, 480, -6, 20)
    tracks = [
        walker(1, 0, 6, frames=range(38)),
        replace(second, xy_px=np.where((second.frame >= 42)[:, None, None], first.xy_px, second.xy_px)),
        walker(3, 480, -6, 20, frames=range(60, FRAMES)),
    ]
    tracks[1] = keep_rows(tracks[1], (second.frame < 36) | (second.frame >= 42))
    looks = [
        dressed(RED, frames=range(38)),
        Looks(second.frame, np.where((second.frame >= 42)[:, None, None], RED, BLUE) + 0.1),
        dressed(BLUE, frames=range(60, FRAMES)),
    ]
    mended, told = revise(tracks, looks, CLIP, ClothesSettings(), RelinkSettings(), ReviseSettings())
    assert [t.person for t in mended] == [1, 2]
    np.testing.assert_array_equal(mended[0].xy_px[mended[0].frame >= 44], first.xy_px[44:])
    np.testing.assert_array_equal(mended[1].xy_px[mended[1].frame >= 60], second.xy_px[60:])
    assert any(line.startswith("persons 1 and 2 had been taken for each other") for line in told)
