"""The figures of a clip's report: how much was seen, how well the fit agrees with the picture, what to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.result_folder import Result
from posecore.camera import Camera
from posecore.skeleton import load_skeleton
from posecore.types import Motion, Source
from posecore.world import STILL_SPEED_M_S, STILL_TIME_S

Floats = NDArray[np.float64]
SEEN_SCORE = 0.3  # joints the network saw with at least this confidence count for residuals
TYPICAL_FOVS_DEG = (36.0, 45.0, 54.0, 60.0, 69.0)  # vertical: phones held wide 36-45, held tall 60-69
LOOK_AT_MOST = 12  # frames listed for the eye
LOOK_APART = 5  # frames between two of the same person that are listed
HUMAN_ACCELERATION_M_S2 = 150.0  # of a hand in a throw; more is a jump of the result
SAME_WITHIN_S, SAME_SPEED_M_S, SAME_RADIUS_M = 2.0, 2.5, 0.5  # who reappears so soon, within a walk's reach, may be the same
RESIDUAL_SHARE = 0.12  # of a person's height in pixels: a median residual above it deserves a look


@dataclass(frozen=True)
class LookAt:
    """A frame that deserves a look, and why."""

    person: int
    frame: int
    reason: str
    weight: float


def residuals_px(result: Result, person: int) -> Floats:
    """(F, 21) distance between fitted and seen joints in pixels; NaN where one of them is unknown."""
    seen, fitted = result.joints_2d, np.full((len(result.time_s), len(load_skeleton("vnect21")), 2), np.nan)
    motion = next(m for m in result.motions if m.person == person)
    fitted[motion.frame] = motion.xy_px
    row = seen.persons.tolist().index(person)
    distance = np.linalg.norm(fitted - seen.xy_px[row], axis=-1)
    return np.where(np.nan_to_num(seen.score[row]) >= SEEN_SCORE, distance, np.nan)


def source_shares(motion: Motion, frames: int) -> dict[str, float]:
    """Share of all joints in all frames of the clip by where they come from, 0..1."""
    counts = np.bincount(motion.source.ravel(), minlength=len(Source)).astype(float)
    total = frames * motion.source.shape[1]
    counts[Source.EMPTY] = total - counts[1:].sum()
    return {source.name.lower(): float(counts[source] / total) for source in Source}


def foot_slide_mm(motion: Motion) -> float:
    """Mean movement of a standing toe from frame to frame, millimetres; NaN if no foot ever stands."""
    moved = []
    for joint in load_skeleton("vnect21").indices(["right_toe", "left_toe"]):
        xyz = motion.xyz_m[:, joint]
        if len(xyz) < 2:
            continue
        step_m = np.linalg.norm(np.diff(xyz, axis=0), axis=1)
        speed = step_m / np.diff(motion.time_s)
        still = np.concatenate([[0], (np.nan_to_num(speed, nan=np.inf) < STILL_SPEED_M_S).astype(int), [0]])
        for first, last in np.flatnonzero(np.diff(still)).reshape(-1, 2):
            if motion.time_s[last] - motion.time_s[first] >= STILL_TIME_S:
                moved.append(step_m[first:last])
    return float(1000 * np.concatenate(moved).mean()) if moved else float("nan")


def depth_band(depth_m: float, camera: Camera, fovs_deg: tuple[float, ...]) -> list[tuple[float, float]]:
    """(field of view in degrees, depth in metres) that the same picture means: depth goes with 1 / tan(fov / 2)."""
    here = np.tan(np.radians(camera.vertical_fov_deg) / 2)
    return [(fov, float(depth_m * here / np.tan(np.radians(fov) / 2))) for fov in fovs_deg]


def median_depth_m(result: Result) -> float:
    """Median distance of all pelvises along the viewing direction; NaN without people."""
    depth = result.joints.xyz_m[:, :, load_skeleton("vnect21").root, 2]
    return float(np.median(depth[np.isfinite(depth)])) if np.isfinite(depth).any() else float("nan")


def presence(motion: Motion) -> list[tuple[int, int]]:
    """(first, last) frame of every stretch in which the person is there."""
    there = np.concatenate([[False], np.isfinite(motion.xyz_m).all(axis=(1, 2)), [False]])
    rows = np.flatnonzero(np.diff(there.astype(int))).reshape(-1, 2)
    return [(int(motion.frame[a]), int(motion.frame[b - 1])) for a, b in rows]


def first_frame(result: Result) -> int:
    """The first frame with somebody in it; 0 where nobody ever is."""
    return min((stretch[0][0] for stretch in map(presence, result.motions) if stretch), default=0)


@dataclass(frozen=True)
class NumberChange:
    """A person who comes up shortly after another was lost, near by: perhaps the same one under a new number."""

    before: int
    after: int
    frame: int
    gap_s: float
    distance_m: float


def number_changes(result: Result, cuts: Sequence[int] = ()) -> list[NumberChange]:
    """People who come up, for the first time or again, where and when another was lost, unless a cut lies between.

    Not who comes up nearer to where he was lost himself, as two do who hide one another and keep their numbers.
    """
    found, there = [], [(motion, presence(motion)) for motion in result.motions]
    for motion, comes in there:
        for first, _ in comes:
            own = _lost(comes, first)
            own_m = np.inf if own is None else _moved_m(motion, own, motion, first)
            for other, stretches in there:
                last = _lost(stretches, first)
                if other is motion or last is None or any(last < cut <= first for cut in cuts):
                    continue
                gap_s, distance_m = float(result.time_s[first] - result.time_s[last]), _moved_m(other, last, motion, first)
                if gap_s <= SAME_WITHIN_S and distance_m <= min(SAME_RADIUS_M + SAME_SPEED_M_S * gap_s, own_m):
                    found.append(NumberChange(other.person, motion.person, first, gap_s, distance_m))
    return sorted(found, key=lambda change: (change.frame, change.before, change.after))


def _lost(stretches: list[tuple[int, int]], frame: int) -> int | None:
    """Last frame in which somebody was there before `frame`; None if he never was, or is there from before until then."""
    lasts = [last for first, last in stretches if first < frame]
    return lasts[-1] if lasts and lasts[-1] < frame else None


def _moved_m(one: Motion, last: int, other: Motion, first: int) -> float:
    """From one's pelvis in the clip's frame `last` to the other's in the frame `first`, metres."""
    root = load_skeleton("vnect21").root
    places = [m.xyz_m[int(np.searchsorted(m.frame, frame)), root] for m, frame in ((one, last), (other, first))]
    return float(np.linalg.norm(places[1] - places[0]))


def frames_to_look_at(result: Result) -> list[LookAt]:
    """The frames most worth a look: large residuals, hardly anything seen, motion that no body makes."""
    found = [item for motion in result.motions for item in _suspects(result, motion)]
    chosen: list[LookAt] = []
    for item in sorted(found, key=lambda item: (-item.weight, item.person, item.frame)):
        near = any(c.person == item.person and abs(c.frame - item.frame) < LOOK_APART for c in chosen)
        if not near and len(chosen) < LOOK_AT_MOST:
            chosen.append(item)
    return sorted(chosen, key=lambda item: (item.frame, item.person))


def _suspects(result: Result, motion: Motion) -> list[LookAt]:
    residual = residuals_px(result, motion.person)[motion.frame]
    found = []
    y_px, known_px = motion.xy_px[..., 1], np.isfinite(motion.xy_px[..., 1])
    height_px = np.where(known_px, y_px, -np.inf).max(axis=1) - np.where(known_px, y_px, np.inf).min(axis=1)
    for k, frame in enumerate(motion.frame.tolist()):
        row = residual[k][np.isfinite(residual[k])]
        if len(row) and height_px[k] > 0 and np.median(row) > RESIDUAL_SHARE * height_px[k]:
            share = float(np.median(row) / height_px[k])
            found.append(
                LookAt(motion.person, frame, f"fit and picture differ by {np.median(row):.0f} px", share / RESIDUAL_SHARE)
            )
        known = motion.source[k] != Source.EMPTY
        if known.any() and (motion.source[k] == Source.MEASURED).sum() < 0.25 * known.sum():
            found.append(LookAt(motion.person, frame, "hardly a joint was seen", 1.2))
    return found + _jumps(motion)


def _jumps(motion: Motion) -> list[LookAt]:
    """Rows in which a joint accelerates more than a body can."""
    if len(motion.frame) < 3:
        return []
    dt = np.diff(motion.time_s)[:, None, None]
    velocity = np.diff(motion.xyz_m, axis=0) / dt
    acceleration = np.linalg.norm(np.diff(velocity, axis=0) / (0.5 * (dt[1:] + dt[:-1])), axis=-1)
    worst = np.where(np.isfinite(acceleration), acceleration, 0).max(axis=1)
    joint = np.nan_to_num(acceleration).argmax(axis=1)
    names = load_skeleton("vnect21").joints
    return [
        LookAt(
            motion.person,
            int(motion.frame[k + 1]),
            f"{names[joint[k]]} jumps ({worst[k]:.0f} m/s²)",
            worst[k] / HUMAN_ACCELERATION_M_S2,
        )
        for k in np.flatnonzero(worst > HUMAN_ACCELERATION_M_S2).tolist()
    ]


def person_figures(result: Result, motion: Motion) -> dict[str, Any]:
    """What the report says of one person, plain numbers rounded for reading."""
    residual = residuals_px(result, motion.person)
    names = load_skeleton("vnect21").joints
    per_joint = {}
    for j, name in enumerate(names):
        values = residual[np.isfinite(residual[:, j]), j]
        if len(values):
            per_joint[name] = [round(float(q), 2) for q in np.percentile(values, [50, 95])]
    everything = residual[np.isfinite(residual)]
    return {
        "person": motion.person,
        "present": presence(motion),
        "shares": {name: round(share, 4) for name, share in source_shares(motion, len(result.time_s)).items()},
        "residual_px": per_joint,
        "residual_all_px": [round(float(q), 2) for q in np.percentile(everything, [50, 95])] if len(everything) else None,
        "bone_length_mm": {
            name: round(1000 * float(m), 1) for name, m in zip(names, motion.bone_length_m, strict=True) if m > 0
        },
        "foot_slide_mm": _rounded(foot_slide_mm(motion)),
        "findings": motion.report,
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 2)
