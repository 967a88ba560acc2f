"""The field's measures of 3D pose and motion. Arrays are (T, J, 3) in metres; lengths come back in millimetres.

A joint that is NaN in the prediction or in the truth is left out of every mean; a mean over nothing is NaN. Alignments use
only the joints known in both. Definitions: Ionescu et al. 2014 (MPJPE), Rhodin et al. 2018 (N-MPJPE), Mehta et al. 2017
(3DPCK, AUC), Moon et al. 2019 (MRPE), Shin et al. 2024 (acceleration error, jitter, foot skating).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.errors import InputError

MM = 1000.0
PCK_THRESHOLD_M = 0.150
AUC_THRESHOLDS_M = np.linspace(0.0, 0.150, 31)
STILL_FOOT_M = 0.010  # a foot that moves less than this per frame in the truth is on the ground (WHAM)


def _pair(predicted_m: ArrayLike, truth_m: ArrayLike) -> tuple[NDArray, NDArray]:
    """Both arrays as float64, NaN wherever either is; InputError unless both are (T, J, 3)."""
    p, t = np.array(predicted_m, dtype=np.float64), np.array(truth_m, dtype=np.float64)
    if p.shape != t.shape or p.ndim != 3 or p.shape[2] != 3:
        raise InputError(f"metrics: expected two arrays of one shape (T, J, 3), got {p.shape} and {t.shape}")
    unknown = ~(np.isfinite(p).all(axis=2) & np.isfinite(t).all(axis=2))
    p[unknown], t[unknown] = np.nan, np.nan
    return p, t


def _mean(values: NDArray) -> float:
    """Mean of the finite values, NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def inside_percent(off: ArrayLike, sigma: ArrayLike, percent: float) -> float:
    """Percent of the errors, of those that are known, inside the `percent` interval of normal distributions of widths sigma."""
    ratio = np.abs(np.asarray(off, dtype=np.float64)) / np.asarray(sigma, dtype=np.float64)
    held = ratio < NormalDist().inv_cdf(0.5 + percent / 200)
    return 100 * _mean(np.where(np.isfinite(ratio), held, np.nan))


def joint_errors_mm(predicted_m: ArrayLike, truth_m: ArrayLike, root: int | None = None) -> NDArray[np.float64]:
    """(T, J) distances in mm, after both roots are put at the origin if `root` is given."""
    p, t = _pair(predicted_m, truth_m)
    if root is not None:
        p, t = p - p[:, root : root + 1], t - t[:, root : root + 1]
    return MM * np.linalg.norm(p - t, axis=2)


def mpjpe_mm(predicted_m: ArrayLike, truth_m: ArrayLike, root: int | None) -> float:
    """Mean per-joint position error in mm; root-aligned with `root`, in the camera's frame with None."""
    return _mean(joint_errors_mm(predicted_m, truth_m, root))


def n_mpjpe_mm(predicted_m: ArrayLike, truth_m: ArrayLike, root: int) -> float:
    """MPJPE after every root-aligned frame got its least-squares scale (Rhodin et al. 2018), mm."""
    p, t = _pair(predicted_m, truth_m)
    p, t = p - p[:, root : root + 1], t - t[:, root : root + 1]
    power = np.nansum(p * p, axis=(1, 2))
    scale = np.nansum(p * t, axis=(1, 2)) / np.where(power > 0, power, np.nan)
    return mpjpe_mm(p * scale[:, None, None], t, None)


def align_similarity(points_m: NDArray, target_m: NDArray) -> NDArray[np.float64]:
    """(J, 3) points moved onto (J, 3) targets by the best scale, rotation (no reflection) and shift (Umeyama 1991)."""
    known = np.isfinite(points_m).all(axis=1) & np.isfinite(target_m).all(axis=1)
    if known.sum() < 3:
        return np.full_like(points_m, np.nan)
    a, b = points_m[known], target_m[known]
    a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
    u, s, vt = np.linalg.svd(a0.T @ b0)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    power = np.sum(a0**2)
    scale = np.sum(s * sign) / power if power > 0 else 1.0
    return scale * (points_m - a.mean(axis=0)) @ ((u * sign) @ vt) + b.mean(axis=0)


def pa_mpjpe_mm(predicted_m: ArrayLike, truth_m: ArrayLike) -> float:
    """MPJPE after a similarity alignment of every frame, mm; frames with fewer than three known joints do not count."""
    p, t = _pair(predicted_m, truth_m)
    aligned = [align_similarity(a, b) for a, b in zip(p, t, strict=True)]
    return mpjpe_mm(np.array(aligned).reshape(p.shape), t, None)


def pck3d_percent(predicted_m: ArrayLike, truth_m: ArrayLike, root: int | None, threshold_m: float = PCK_THRESHOLD_M) -> float:
    """Share of joints closer than the threshold, in percent; root-aligned with `root`, which then counts as right."""
    errors = joint_errors_mm(predicted_m, truth_m, root)
    errors = errors[np.isfinite(errors)]
    return 100.0 * float(np.mean(errors < MM * threshold_m)) if errors.size else float("nan")


def auc_percent(predicted_m: ArrayLike, truth_m: ArrayLike, root: int | None) -> float:
    """Mean of `pck3d_percent` over the 31 thresholds 0, 5, ... 150 mm, in percent."""
    return float(np.mean([pck3d_percent(predicted_m, truth_m, root, t) for t in AUC_THRESHOLDS_M]))


def mrpe_mm(predicted_m: ArrayLike, truth_m: ArrayLike, root: int) -> dict[str, float]:
    """Mean root position error in the camera's frame: the distance 'all' and the mean absolute parts 'x', 'y', 'z', in mm."""
    p, t = _pair(predicted_m, truth_m)
    difference = MM * (p[:, root] - t[:, root])
    parts = {axis: _mean(np.abs(difference[:, k])) for k, axis in enumerate("xyz")}
    return {"all": _mean(np.linalg.norm(difference, axis=1)), **parts}


def acceleration_mps2(xyz_m: ArrayLike, time_s: ArrayLike) -> NDArray[np.float64]:
    """(T - 2, J, 3) second differences with the true time steps, m/s^2 (exact for parabolas)."""
    xyz, time = np.asarray(xyz_m, dtype=np.float64), np.asarray(time_s, dtype=np.float64)
    velocity = np.diff(xyz, axis=0) / np.diff(time)[:, None, None]
    return np.diff(velocity, axis=0) / (0.5 * (time[2:] - time[:-2]))[:, None, None]


def acceleration_error_mps2(predicted_m: ArrayLike, truth_m: ArrayLike, time_s: ArrayLike) -> float:
    """Mean length of the difference of the two accelerations, m/s^2."""
    p, t = _pair(predicted_m, truth_m)
    return _mean(np.linalg.norm(acceleration_mps2(p, time_s) - acceleration_mps2(t, time_s), axis=2))


def jitter_mps3(xyz_m: ArrayLike, time_s: ArrayLike) -> float:
    """Mean length of the jerk (third difference with the true time steps), m/s^3. Compare with the truth's: 1 is right."""
    time = np.asarray(time_s, dtype=np.float64)
    acceleration = acceleration_mps2(xyz_m, time)
    steps = (time[3:] - time[:-3]) / 3  # so that a cubic has its exact third derivative
    return _mean(np.linalg.norm(np.diff(acceleration, axis=0) / steps[:, None, None], axis=2))


def foot_skating_mm(predicted_m: ArrayLike, truth_m: ArrayLike, feet: list[int], still_m: float = STILL_FOOT_M) -> float:
    """Mean shift per frame, in mm, of the foot joints between frames in which the truth's foot moves less than `still_m`."""
    p, t = _pair(predicted_m, truth_m)
    moved = np.linalg.norm(np.diff(p[:, feet], axis=0), axis=2)
    still = np.linalg.norm(np.diff(t[:, feet], axis=0), axis=2) < still_m
    return MM * _mean(np.where(still, moved, np.nan))


def bone_deviation_mm(xyz_m: ArrayLike, parent: ArrayLike) -> NDArray[np.float64]:
    """(J,) standard deviation over time of each joint's distance to its parent, mm; 0 for the root, NaN if never known."""
    xyz = np.asarray(xyz_m, dtype=np.float64)
    length = np.linalg.norm(xyz - xyz[:, np.asarray(parent)], axis=2)
    out = np.full(length.shape[1], np.nan)
    for joint, column in enumerate(length.T):
        if np.isfinite(column).any():
            out[joint] = MM * np.nanstd(column)
    return out
