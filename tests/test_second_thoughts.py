"""Numbers after all second thoughts: rows given back, and who had lost his found again."""

from dataclasses import replace

import numpy as np

from apps.clothes import ClothesSettings
from apps.followed import Looks, keep_rows
from apps.relink import RelinkSettings, relink
from apps.revise import ReviseSettings, revise
from tests.crossers import BLUE, CLIP, FRAMES, RED, dressed, exchanged, walker


def test_a_look_goes_with_the_row_of_its_frame():
    true = [walker(1, 0, 6), walker(2, 480, -6, 20)]
    looks = exchanged(dressed(RED), dressed(BLUE, seed=1), 40)
    _, worn, changes = relink(exchanged(*true, 40), looks, CLIP, RelinkSettings())
    assert changes == [(1, 2, 40), (2, 1, 40)]
    for look, own in zip(worn, (dressed(RED), dressed(BLUE, seed=1)), strict=True):
        np.testing.assert_array_equal(look.frame, own.frame)
        np.testing.assert_array_equal(look.colours, own.colours)


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
