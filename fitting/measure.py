"""What the networks saw of one person, as the fit weighs it: one row per frame of the clip that is fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from fitting.settings import FitSettings
from posecore.camera import Camera, way_beyond_px
from posecore.errors import InputError
from posecore.oks import body_height_px
from posecore.scale import person_scale
from posecore.types import Track

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measurements:
    """T rows. xy_px (T, 21, 2) and 1/sigma in 1/px (T, 21); lifted_m (T, 21, 3) in true metres and 1/sigma in 1/m (T, 21, 3).

    1/sigma is 0 where a joint was not measured (its value is then 0 too). score (T, 21); joined (T - 1,): whether a row and the
    next belong to one motion; fresh (T,): `fresh_share`; outlier_px, outlier_m (T, 1): scales of the robust loss
    of residuals times 1/sigma.
    """

    time_s: Floats
    xy_px: Floats
    inverse_px: Floats
    lifted_m: Floats
    inverse_m: Floats
    score: Floats
    joined: NDArray[np.bool_]
    fresh: Floats
    outlier_px: Floats
    outlier_m: Floats

    def __len__(self) -> int:
        return len(self.time_s)

    def rows(self, start: int, stop: int) -> Measurements:
        """The rows start .. stop - 1."""
        parts = {f.name: getattr(self, f.name)[start:stop] for f in fields(self) if f.name != "joined"}
        return Measurements(**parts, joined=self.joined[start : stop - 1])


def news_share(time_s: Floats, memory_s: float) -> Floats:
    """(T,) new share of every row's evidence if errors fade as r = exp(-dt / memory).

    These are the row sums of the errors' inverse correlation matrix: the mean of (1 - r) / (1 + r) = tanh(dt / (2 memory)) of
    the steps before and after the row.
    """
    return _beside(time_s, lambda dt_s: np.tanh(0.5 * dt_s / memory_s) if memory_s > 0 else np.ones_like(dt_s))


def outlier_scale(outlier: float, news: Floats, memory_s: float) -> Floats:
    """(T, 1) scale of the robust loss for residuals that carry the root of the rows' `news_share` news (T,).

    It is `outlier` up to 60 frames a second. Above, a row tells less and less anew; the residual of a joint that is off by so
    much falls with the root of its share, and so must the scale, or the more would be believed the higher the rate.
    """
    at_60 = news_share(np.arange(2) / 60, memory_s)[0]
    return outlier * np.sqrt(np.minimum(news / at_60, 1.0))[:, None]


def fresh_share(time_s: Floats) -> Floats:
    """(T,) share of a frame that a memory-less prior counts in every row: the mean of 30 dt, at most 1, of its two steps."""
    return _beside(time_s, lambda dt_s: np.minimum(30 * dt_s, 1.0))


def doubt_outside(measured: Measurements, camera: Camera, share: float) -> Measurements:
    """The measurements with `share` of the way beyond the picture's border added to the standard deviation of every joint that
    a network saw out there: it guesses from what is in the picture, and wrong in all frames alike."""
    more = share * way_beyond_px(measured.xy_px, camera) * measured.inverse_px
    return replace(measured, inverse_px=measured.inverse_px / np.hypot(1.0, more))


def _beside(time_s: Floats, share: Callable[[Floats], Floats]) -> Floats:
    """(T,) mean share of the steps before and after every row. The only step of a first or last row counts as both: with 1
    beyond the ends, as the correlation has it, single rows would bend a motion's ends. A row alone counts 1."""
    told = share(np.diff(time_s)) if len(time_s) > 1 else np.ones(1)
    return 0.5 * (np.append(told[:1], told) + np.append(told, told[-1:]))[: len(time_s)]


def _check(track: Track, frame: NDArray, time_s: Floats) -> None:
    """Raise InputError unless the clip's frames and times increase together and contain the track's."""
    if len(frame) != len(time_s) or not (np.diff(time_s) > 0).all() or not (np.diff(frame) > 0).all():
        raise InputError("fit: the clip's frames and time stamps must be equally many and strictly increase")
    if not np.isin(track.frame, frame).all():
        raise InputError("fit: the track has frames that the clip's list of frames lacks; pass the frames of the same clip")


def expand(track: Track, frame: NDArray[np.int64], time_s: Floats) -> Track:
    """The track with one row for every frame of the clip, NaN and score 0 where it had none."""
    _check(track, frame, time_s)
    rows = np.searchsorted(frame, track.frame)
    parts = {}
    for name in ("xy_px", "score", "xyz_m", "sigma_m"):
        values = getattr(track, name)
        parts[name] = np.full((len(frame), *values.shape[1:]), 0.0 if name == "score" else np.nan)
        parts[name][rows] = values
    parts["score"] = np.nan_to_num(parts["score"])
    return Track(track.person, frame, time_s, **parts)


def present_rows(measured: Measurements, settings: FitSettings) -> NDArray[np.int64]:
    """Rows that are fitted: those in which anything was measured, and those of absences short enough to be filled."""
    seen = np.flatnonzero((measured.inverse_px > 0).any(axis=1) | (measured.inverse_m > 0).any(axis=(1, 2)))
    if len(seen) == 0:
        return seen
    time = measured.time_s
    short = np.diff(time[seen]) <= settings.fill_gap_s + 1.5 * np.diff(time).min(initial=np.inf)
    filled = [np.arange(a + 1, b) for a, b, ok in zip(seen[:-1], seen[1:], short, strict=True) if ok]
    return np.sort(np.concatenate([seen, *filled]))


def pick(measured: Measurements, rows: NDArray[np.int64]) -> Measurements:
    """The given rows; two that were not neighbours are not joined."""
    parts = {f.name: getattr(measured, f.name)[rows] for f in fields(measured) if f.name != "joined"}
    return Measurements(**parts, joined=np.diff(rows) == 1)


def joined(first: Measurements, second: Measurements) -> Measurements:
    """One after the other, as one motion."""
    names = [f.name for f in fields(first) if f.name != "joined"]
    parts = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    return Measurements(**parts, joined=np.concatenate([first.joined, [True], second.joined]))


def weigh(track: Track, height_m: float | None, settings: FitSettings) -> Measurements:
    """The track's rows as measurements: noise from its sigmas, scores and the settings, lengths scaled to the person."""
    scale, time = person_scale(height_m), track.time_s
    seen = (track.score >= settings.score_floor) & np.isfinite(track.xy_px).all(axis=2)
    known = (track.score >= settings.score_floor) & np.isfinite(track.xyz_m).all(axis=2)
    trust = np.sqrt(np.clip(track.score, settings.score_floor, 1.0))
    sigma_px = np.hypot(settings.pixel_sigma_px, settings.pixel_sigma_body * body_height_px(track.xy_px)[:, None]) / trust
    sigma_m = np.where(np.isfinite(track.sigma_m), track.sigma_m, 0.1)[:, :, [0, 0, 1]] * settings.lift_sigma * scale
    sigma_m = np.maximum(sigma_m, settings.lift_sigma_floor_m) / trust[..., None]
    news_px, news_m = (news_share(time, memory_s) for memory_s in (settings.pixel_memory_s, settings.lift_memory_s))
    return Measurements(
        time_s=time,
        xy_px=np.where(seen[..., None], track.xy_px, 0.0),
        inverse_px=np.where(seen, np.sqrt(news_px)[:, None] / sigma_px, 0.0),
        lifted_m=np.where(known[..., None], track.xyz_m * scale, 0.0),
        inverse_m=np.where(known[..., None], np.sqrt(news_m)[:, None, None] / sigma_m, 0.0),
        score=track.score,
        joined=np.ones(max(len(time) - 1, 0), dtype=bool),
        fresh=fresh_share(time),
        outlier_px=outlier_scale(settings.pixel_outlier, news_px, settings.pixel_memory_s),
        outlier_m=outlier_scale(settings.lift_outlier, news_m, settings.lift_memory_s),
    )
