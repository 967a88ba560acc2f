"""Linking pieces of tracks by dynamic programming, against a slow twin that tries every way."""

from dataclasses import replace
from itertools import product

import numpy as np

from apps.apparent_size import leap, sizes_of
from apps.followed import Looks
from apps.pieces import cut_tracks
from apps.relink import clothes_odds, jump
from tests.crossers import BLUE, FRAMES, RATE, RED, dressed, exchanged
from tests.test_relink import SETTINGS, TRUE, gone, sized, undone


def test_no_other_way_to_link_the_pieces_costs_less():
    """Against a twin that tries every owner of every piece; a third track while one is lost is his, or somebody's elsewhere."""
    rng = np.random.default_rng(5)
    tracks = [gone(sized(t, s), *lost) for t, s, lost in zip(TRUE, (90.0, 80.0), ((33, 36), (43, 47)), strict=True)]
    tracks = [gone(t, 52, 53) for t in exchanged(*tracks, 45)]
    third = replace(gone(gone(sized(TRUE[0], 90.0, seed=4), 0, 33), 36, FRAMES), person=3)
    looks = [Looks(x.frame, x.colours + rng.normal(0, 5, x.colours.shape)) for x in (dressed(RED), dressed(BLUE))]
    looks.append(gone(gone(looks[0], 0, 33), 36, FRAMES))
    for apart_px in (0.0, 300.0):
        moved = replace(third, xy_px=third.xy_px + np.array([0.0, apart_px]))
        owners = _likeliest([*tracks, moved], looks)
        mended = {track.person: track.frame for track in undone([*tracks, moved], looks)[0]}
        assert (3 in mended) == (apart_px > 0)
        for person, frames in owners.items():
            np.testing.assert_array_equal(mended[person], frames)


def _likeliest(tracks, looks):
    """Frames by person, of all ways to give the pieces to people that which costs least."""
    pieces = cut_tracks(tracks, looks, RATE)
    ends_s = [track.time_s[-1] for track in tracks]

    def part(piece, until):
        rows = np.arange(len(piece.track.frame))
        keep = (rows >= piece.first) & (rows < piece.stop) if until else (rows >= piece.start) & (rows < piece.end)
        return replace(piece.track, **{n: v[keep] for n, v in vars(piece.track).items() if n != "person"})

    def link(k, one, piece):
        away_s = piece.track.time_s[piece.start] - one.track.time_s[one.stop - 1]
        goes_on = one.which == piece.which and one.stop == piece.start
        alive = goes_on or piece.track.time_s[piece.start] - ends_s[k] <= 0.5
        if one.last_frame >= piece.first_frame or not alive or (one.which != piece.which and away_s > SETTINGS.away_s):
            return np.inf
        size = leap(sizes_of(part(one, True)), sizes_of(part(piece, False)), piece.first_frame)
        return jump(one, piece) + size + SETTINGS.change * (one.which != piece.which)

    def cost(owners):
        last, worn, total = {}, {}, 0.0
        for k, piece in zip(owners, pieces, strict=True):
            links = {j: link(j, one, piece) for j, one in last.items()}
            if piece.start == 0 and piece.which == k:
                total += SETTINGS.newcomer * (min(links.values(), default=np.inf) < np.inf)
            else:
                total += links.get(k, np.inf) - (clothes_odds(worn[k], piece, 2) if k in worn else 0.0)
            if not np.isfinite(total):
                return np.inf
            last[k] = piece
            worn |= {k: piece} if len(piece.worn) >= 2 else {}
        return total

    assert 6 <= len(pieces) <= 12
    best = min(product(range(len(tracks)), repeat=len(pieces)), key=cost)
    mine = {k: [p.track.frame[p.start : p.stop] for p, o in zip(pieces, best, strict=True) if o == k] for k in set(best)}
    return {tracks[k].person: np.concatenate(frames) for k, frames in mine.items()}
