"""Which of its two places a joint is at, decided over time.

A network that sees two legs and cannot tell them apart gives both ankles' maps both places; read one by one, both ankles end
up on the same leg. A body shows otherwise: two joints rarely share a place, and a joint moves little from one frame to the
next. So the places of a pair of limbs are chosen together, by a shortest path over time (Viterbi 1967), with the cost

    -log score of the places  +  SHARED for two joints of a pair in one place  +  min((way / step)^2, CAP) for each joint's way.

What a network takes for the better place lives for a while, in however many frames: above 60 frames a second the first two
terms count by time, 60 dt, so that the third, which is paid where places change, keeps its weight.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from posecore.oks import body_height_px
from posecore.skeleton import load_skeleton
from posecore.types import Track

Floats = NDArray[np.float64]
LIMBS = (("elbow", "wrist", "hand"), ("knee", "ankle", "toe"))  # the last goes where the one before it goes
STEP = 0.08  # what a joint may move in 1/30 s, of the person's height in the picture
NEAR = 0.08  # of that height: nearer joints share a place
SHARED, CAP = 2.0, 4.0  # nats; a joint that jumps costs no more than CAP
FULL_HZ = 60  # up to this rate every frame's own cost counts in full
GAP_S = 0.2  # rows further apart do not bind each other
LOWEST, FORBIDDEN = 1e-3, 1e6  # score below which a place is none, and what it costs to go there


def choose_places(best: Track, second: Track) -> Track:
    """`best` with those joints at their second place that fit the body and its motion better there.

    Both tracks have the same rows; `second` is NaN with score 0 where a joint has no second place. Only elbows, wrists, hands,
    knees, ankles and toes have a choice.
    """
    chosen = np.zeros(best.score.shape, dtype=bool)
    height = body_height_px(best.xy_px)
    for names in LIMBS:
        joints = load_skeleton("vnect21").indices([f"{side}_{name}" for side in ("left", "right") for name in names[:2]])
        followers = load_skeleton("vnect21").indices([f"{side}_{names[2]}" for side in ("left", "right")])
        xy_px = np.stack([best.xy_px[:, joints], second.xy_px[:, joints]], axis=2)
        score = np.stack([best.score[:, joints], second.score[:, joints]], axis=2)
        chosen[:, joints] = _cheapest(xy_px, score, best.time_s, height)
        chosen[:, followers] = chosen[:, joints[1::2]] & (second.score[:, followers] > LOWEST)
    return replace(
        best,
        xy_px=_pick(chosen, best.xy_px, second.xy_px),
        score=_pick(chosen, best.score, second.score),
        xyz_m=_pick(chosen, best.xyz_m, second.xyz_m),
        sigma_m=_pick(chosen, best.sigma_m, second.sigma_m),
    )


def _pick(chosen: NDArray[np.bool_], best: Floats, second: Floats) -> Floats:
    return np.where(chosen.reshape(chosen.shape + (1,) * (best.ndim - 2)), second, best)


def _cheapest(xy_px: Floats, score: Floats, time_s: Floats, height_px: Floats) -> NDArray[np.bool_]:
    """(T, 4): whether the second place is taken, for two left and two right joints.

    xy_px (T, 4, 2, 2): joints, places, x and y; score (T, 4, 2); height_px (T,). Ways and distances are taken in pixels, and
    those in heights: where in the picture somebody is says nothing.
    """
    states = np.array(list(product((0, 1), repeat=4)))
    index = np.arange(4)
    places = np.nan_to_num(xy_px)[:, index, states]  # (T, 16, 4, 2)
    there = score > LOWEST
    own = np.where(there, -np.log(np.maximum(score, LOWEST)), 0.0)[:, index, states].sum(axis=2)
    apart_px = np.linalg.norm(places[:, :, :2] - places[:, :, 2:], axis=3)
    own += SHARED * (apart_px < NEAR * height_px[:, None, None]).sum(axis=2)
    own *= np.minimum(FULL_HZ * np.diff(time_s, prepend=-np.inf), 1.0)[:, None]
    own += FORBIDDEN * (~there)[:, index, states].sum(axis=2)  # however short a row lasts
    step_px = STEP * np.maximum(30 * np.diff(time_s), 1.0) * height_px[1:]
    bound = np.diff(time_s) <= GAP_S
    total, came = own[0], np.zeros((len(own), len(states)), dtype=int)
    for t in range(1, len(own)):
        way = np.linalg.norm(places[t] - places[t - 1][:, None], axis=3) / step_px[t - 1]
        options = total[:, None] + bound[t - 1] * np.minimum(way**2, CAP).sum(axis=2)
        came[t] = options.argmin(axis=0)
        total = options.min(axis=0) + own[t]
    path = [int(total.argmin())]
    for t in range(len(own) - 1, 0, -1):
        path.append(int(came[t, path[-1]]))
    return states[path[::-1]].astype(bool)
