"""Second opinions: exchanged sides and limbs bent the wrong way in depth, decided over time by the energy.

A picture of a bent limb allows two depths, and a network sometimes calls the left leg the right one. Both leave a mark: where
the error begins and ends, the motion jumps.
- `settle_sides` looks at the measurements alone: a shortest path over time (Viterbi) through "as called" and "exchanged".
- `settle_limbs` looks at a fitted motion: where a limb costs unusually much, its mirror images in depth and a plain bridge are
  fitted as well, and the cheapest is kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, uniform_filter1d

from fitting import costs, rotation
from fitting.body import load_body
from fitting.descent import descend
from fitting.energy import Problem, evaluate, motion_sigma, point_terms
from fitting.initial import limb_turn
from fitting.kinematics import Pose, concatenate, place
from fitting.measure import Measurements
from posecore.oks import body_height_px

Floats = NDArray[np.float64]
SIDES = {"arms": ("shoulder", "elbow", "wrist", "hand"), "legs": ("hip", "knee", "ankle", "toe")}
IMAGE_STEP, BODY_STEP_M, STEP_CAP = 0.08, 0.15, 4.0  # what a joint may move in 1/30 s: share of body height, metres; its cap
SWITCH_COST, EXCHANGED_COST = 10.0, 0.5  # per change of opinion and per 1/30 s exchanged: networks are mostly right
MARGIN_S, MARGIN_FRAMES, MOST_TRIALS, GAIN = 0.2, 12, 12, 8.0  # a trial takes so much of what comes before and next
TRIAL_STEPS, FIRST_STEPS, LEADERS = 5, 1, 2  # all trials take the first step, the leaders the rest


def _steps(measured: Measurements, first: list[int], second: list[int]) -> Floats:
    """(T - 1,) cost of joints `first` of every row becoming `second` of the next."""
    seen, known = measured.inverse_px > 0, measured.inverse_m[..., 0] > 0
    height = body_height_px(np.where(seen[..., None], measured.xy_px, np.nan))[:-1, None]
    time = np.maximum(np.diff(measured.time_s) * 30, 1.0)[:, None]
    total = np.zeros(len(measured) - 1)
    evidence = ((measured.xy_px, seen, IMAGE_STEP * height), (measured.lifted_m, known, BODY_STEP_M))
    for values, there, unit in evidence:
        moved = np.linalg.norm(values[1:, second] - values[:-1, first], axis=2) / (unit * time)
        both = there[1:, second] & there[:-1, first]
        total += np.sum(np.where(both, np.minimum(moved**2, STEP_CAP), 0.0), axis=1)
    return np.where(measured.joined, total, 0.0)


def _cheapest_path(stay: Floats, switch: Floats, second: Floats) -> NDArray[np.bool_]:
    """(T,) whether the second of two states holds, by Viterbi; stay, switch (T - 1,) cost of keeping and changing the state,
    second (T,) of being in the second one."""
    cost, came = np.array([0.0, second[0]]), np.zeros((len(stay), 2), dtype=int)
    for t, (a, b) in enumerate(zip(stay, switch, strict=True)):
        options = cost[None, :] + np.array([[a, b], [b, a]])
        came[t] = options.argmin(axis=1)
        cost = options.min(axis=1) + [0.0, second[t + 1]]
    state = np.zeros(len(stay) + 1, dtype=bool)
    state[-1] = cost[1] < cost[0]
    for t in range(len(stay) - 1, -1, -1):
        state[t] = came[t, int(state[t + 1])]
    return state


def settle_sides(measured: Measurements) -> tuple[Measurements, dict[str, int]]:
    """The measurements with exchanged arms and legs put right, and in how many frames that was done, by pair."""
    skeleton, report = load_body().skeleton, dict.fromkeys(SIDES, 0)
    if len(measured) < 2:
        return measured, report
    names = ("xy_px", "inverse_px", "lifted_m", "inverse_m", "score")
    values = {name: getattr(measured, name).copy() for name in names}
    for pair, parts in SIDES.items():
        left, right = (skeleton.indices([f"{side}_{part}" for part in parts]) for side in ("left", "right"))
        stay = _steps(measured, left, left) + _steps(measured, right, right)
        switch = _steps(measured, left, right) + _steps(measured, right, left) + SWITCH_COST
        rows = np.flatnonzero(_cheapest_path(stay, switch, EXCHANGED_COST * measured.fresh))
        report[pair] = len(rows)
        for array in values.values():
            array[rows[:, None], left + right] = array[rows[:, None], right + left]
    return replace(measured, **values), report


def _limbs() -> dict[str, tuple[int, int, tuple[int, int, int], tuple[int, ...]]]:
    """Per limb: its ball's number, its bend's hinge number, its joints from trunk to end, and its columns."""
    body, index = load_body(), load_body().skeleton.index
    out = {}
    for side in ("left", "right"):
        for name, chain in (("arm", ("shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle"))):
            a, b, c = (index(f"{side}_{part}") for part in chain)
            ball = next(i for i, item in enumerate(body.balls) if item.joint == b)
            hinge = next(i for i, item in enumerate(body.hinges) if item.joint == c)
            out[f"{side}_{name}"] = (ball, hinge, (a, b, c), (*body.ball_dof[ball], body.hinge_dof[hinge]))
    return out


def limb_energy(problem: Problem, pose: Pose) -> dict[str, Floats]:
    """(T,) energy of each limb by frame: its joints' measurements and its own accelerations."""
    placed = place(pose, problem.bone_length_m)
    joints = np.zeros(placed.xyz_m.shape[:2])
    for term, scale in point_terms(problem, placed):
        joints += costs.robust_weight(term.residual, scale)[0]
    motion = np.zeros((len(pose), load_body().dofs))
    if len(pose) > 2:
        m = problem.measured
        motion[1:-1] = costs.smoothness(pose, m.time_s, motion_sigma(problem.settings), m.joined).residual ** 2
    return {
        name: joints[:, [b, c]].sum(axis=1) + motion[:, list(columns)].sum(axis=1)
        for name, (_, _, (_, b, c), columns) in _limbs().items()
    }


def suspicious(energy: Floats, rate: float) -> list[tuple[float, int, int]]:
    """Stretches (total energy, first, last + 1) of about half a second in which a limb costs far more than it usually does."""
    width = max(int(0.15 * rate), 3)
    level = uniform_filter1d(energy, width, mode="nearest")
    high = binary_dilation(level > 5 * np.median(level) + 15, np.ones(2 * width + 1, dtype=bool))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(int), [0]])))
    return [(float(energy[a:b].sum()), int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a <= 2 * rate]


def _mirrored(problem: Problem, pose: Pose, limb: str, rows: slice, bones: tuple[bool, bool]) -> Pose:
    """The pose with the limb's upper and/or lower bone mirrored in depth, across the plane its ray is normal to."""
    body, (ball, hinge, (a, b, c), _) = load_body(), _limbs()[limb]
    placed = place(pose[rows], problem.bone_length_m)
    xyz, R = placed.xyz_m, placed.R_camera_bone
    ray = xyz[:, b] / np.linalg.norm(xyz[:, b], axis=1, keepdims=True)
    upper, lower = xyz[:, b] - xyz[:, a], xyz[:, c] - xyz[:, b]
    upper, lower = (
        v - 2 * np.sum(v * ray, axis=1, keepdims=True) * ray * flip for v, flip in zip((upper, lower), bones, strict=True)
    )
    turn, bend = limb_turn(R[:, a], upper, lower, body.rest[b], body.hinges[hinge].axis)
    balls, angles = pose.ball.copy(), pose.angle_rad.copy()
    balls[rows, ball], angles[rows, hinge] = turn, bend
    return Pose(pose.root_m, balls, angles)


def _bridged(pose: Pose, limb: str, rows: slice) -> Pose:
    """The pose with the limb moving straight from before the rows to after them."""
    ball, hinge, _, _ = _limbs()[limb]
    first, last = max(rows.start - 1, 0), min(rows.stop, len(pose) - 1)
    share = (np.arange(rows.start, rows.stop) - first) / max(last - first, 1)
    turn = rotation.log(pose.ball[last, ball] @ pose.ball[first, ball].T)
    balls, angles = pose.ball.copy(), pose.angle_rad.copy()
    balls[rows, ball] = rotation.exp(share[:, None] * turn) @ pose.ball[first, ball]
    angles[rows, hinge] = (1 - share) * pose.angle_rad[first, hinge] + share * pose.angle_rad[last, hinge]
    return Pose(pose.root_m, balls, angles)


def _with_margins(a: int, b: int, count: int, rate: float) -> tuple[int, int]:
    """First and last + 1 of `count` rows for a trial of the rows a .. b - 1."""
    margin = max(round(MARGIN_S * rate), MARGIN_FRAMES)
    return max(a - margin, 0), min(b + margin, count)


def settle_limbs(problem: Problem, pose: Pose) -> tuple[Pose, list[dict[str, Any]]]:
    """The pose with limbs put on the cheaper side of the picture, and what was changed: limb, how, time, energy saved."""
    if len(pose) < 5:
        return pose, []
    rate = 1 / float(np.median(np.diff(problem.measured.time_s)))
    found = [(*s, limb) for limb, energy in limb_energy(problem, pose).items() for s in suspicious(energy, rate)]
    changed = []
    for _, a, b, limb in sorted(found, reverse=True)[: MOST_TRIALS + len(pose) // 1000]:
        first, last = _with_margins(a, b, len(pose), rate)
        part, here, rows = problem.rows(first, last), pose[first:last], slice(a - first, b - first)
        trials = [("as it was", here), ("bridged", _bridged(here, limb, rows))]
        for bones in ((True, True), (False, True), (True, False)):
            trials.append(("turned over", _mirrored(part, here, limb, rows, bones)))
        how, best, saved = _race(part, trials)
        if saved > GAIN:
            pose = concatenate([pose[:first], best, pose[last:]])
            times = [round(float(problem.measured.time_s[k]), 3) for k in (a, b - 1)]
            changed.append({"limb": limb, "how": how, "from_to_s": times, "energy_saved": round(saved, 1)})
    return pose, changed


def _race(part: Problem, trials: list[tuple[str, Pose]]) -> tuple[str, Pose, float]:
    """The cheapest of the trials by name, fitted, and what it saves over the first; only the leaders are fitted to the end."""

    def fitted(name: str, pose: Pose, steps: int) -> tuple[float, str, Pose]:
        pose = descend(replace(part, settings=replace(part.settings, iterations=steps)), pose).pose
        return evaluate(part, pose).energy, name, pose

    here, *others = (fitted(name, pose, FIRST_STEPS) for name, pose in trials)
    leaders = [here, *sorted(others, key=lambda found: found[0])[:LEADERS]]
    (energy, *_), *_ = ended = [fitted(name, pose, TRIAL_STEPS - FIRST_STEPS) for _, name, pose in leaders]
    lowest, how, best = min(ended, key=lambda found: found[0])
    return how, best, energy - lowest
