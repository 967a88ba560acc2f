"""Joints that jump away and come back at once were never there.

A folded forearm before the upper arm, a foot behind the other: for a few frames a network takes something else for the joint,
and is little less sure. In one frame nothing tells; in time it shows, for a body does not go that way and back in a tenth of a
second. What was seen there is left in place and loses its score, so that nothing rests on it and who reads it is warned.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from lift3d.choice import LIMBS
from posecore.oks import body_height_px
from posecore.skeleton import load_skeleton
from posecore.types import Track

Floats = NDArray[np.float64]
ROOTS = ("shoulder", "hip")  # what the LIMBS hang on
JUMP = 0.08  # of the person's height in the picture, within a frame of 1/30 s or less
BESIDE = 0.06  # of it: how far off the way between before and after a joint lies all the while
LONGEST_S = 0.2  # from the last frame before to the first after
PACE = 1.2  # heights a second that the joint itself may have moved meanwhile
DOUBT = 0.05  # what is left of the score
STEADY_S = 0.5  # window of the height: more than twice LONGEST_S, so that what jumps away has no say in it


def doubt_spikes(track: Track) -> Track:
    """`track` with hardly any score where elbows, wrists, hands, knees, ankles or toes jump away and come back at once.

    Their motion is looked at relative to the shoulder or the hip.
    """
    return replace(track, score=np.where(spikes_of(track), DOUBT * track.score, track.score))


def undoubted_score(track: Track) -> Floats:
    """(T, 21) the network's own scores of a track that `doubt_spikes` has been over, for who measures and not for the fit.

    Where rows were struck or joined since, a spike at the seam may keep its lowered score.
    """
    return np.where(spikes_of(track) & (track.score <= DOUBT), track.score / DOUBT, track.score)


def spikes_of(track: Track) -> NDArray[np.bool_]:
    """(T, 21) where joints jump away and come back at once; told by places and times alone, so a second time as the first."""
    found, skeleton = np.zeros(track.score.shape, dtype=bool), load_skeleton("vnect21")
    height_px = _steady(body_height_px(track.xy_px), track.time_s)
    for side, (root, names) in product(("left", "right"), zip(ROOTS, LIMBS, strict=True)):
        for joint in skeleton.indices([f"{side}_{name}" for name in names]):
            xy_px = track.xy_px[:, joint] - track.xy_px[:, skeleton.index(f"{side}_{root}")]
            for start, stop in _spikes(xy_px, height_px, track.time_s):
                found[start:stop, joint] = True
    return found


def _steady(height_px: Floats, time_s: Floats) -> Floats:
    """(T,) heights to their medians over STEADY_S around each row, at the ends over the first and the last STEADY_S.

    The longer side of a box goes with one joint that is far off; of this frame's height all others would seem to jump.
    """
    low = np.clip(time_s - STEADY_S / 2, time_s[0], max(time_s[-1] - STEADY_S, time_s[0]))
    start = np.searchsorted(time_s, low, side="left")
    stop = np.searchsorted(time_s, np.maximum(low + STEADY_S, time_s), side="right")
    return np.array([np.median(height_px[a:b]) for a, b in zip(start, stop, strict=True)])


def _spikes(xy_px: Floats, height_px: Floats, time_s: Floats) -> list[tuple[int, int]]:
    """Rows (start, stop) of one joint's way (T, 2) of a person of heights (T,), from a jump to the first that leads back."""
    step = np.linalg.norm(np.diff(xy_px, axis=0), axis=1)
    jumps = np.flatnonzero(step > JUMP * np.maximum(30 * np.diff(time_s), 1.0) * height_px[1:]) + 1
    last = np.searchsorted(time_s[jumps], time_s[jumps - 1] + LONGEST_S, side="right")  # of the jumps that may lead back
    found: list[tuple[int, int]] = []
    for k, start in enumerate(jumps.tolist()):
        if not found or start > found[-1][1]:
            back = (stop for stop in jumps[k + 1 : last[k]].tolist() if _leads_back(xy_px, height_px, time_s, start, stop))
            found += [(start, stop) for stop in islice(back, 1)]
    return found


def _leads_back(xy_px: Floats, height_px: Floats, time_s: Floats, start: int, stop: int) -> bool:
    """Whether the rows start to stop - 1 lie beside the way from the row before them to that after, which is short."""
    before, after = xy_px[start - 1], xy_px[stop]
    taken_s = max(time_s[stop] - time_s[start - 1], 1e-9)  # stamps may be equal
    share = (time_s[start:stop] - time_s[start - 1]) / taken_s
    off = np.linalg.norm(xy_px[start:stop] - before - share[:, None] * (after - before), axis=1)
    short = np.linalg.norm(after - before) <= PACE * taken_s * height_px[stop]
    return bool(short and (off > BESIDE * height_px[start:stop]).all())
