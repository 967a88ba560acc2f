"""Rotations by rotation vectors, vectorised over any leading axes; exact near 0, and the Jacobians of exp and log.

Formulas: Sola, Deray & Atchuthan 2018, "A micro Lie theory for state estimation in robotics", equations 132-146.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SMALL = 1e-6


def hat(v: Floats) -> Floats:
    """(..., 3) vectors to (..., 3, 3) cross-product matrices: hat(v) @ w = v x w."""
    out = np.zeros((*v.shape[:-1], 3, 3))
    out[..., 0, 1], out[..., 0, 2] = -v[..., 2], v[..., 1]
    out[..., 1, 0], out[..., 1, 2] = v[..., 2], -v[..., 0]
    out[..., 2, 0], out[..., 2, 1] = -v[..., 1], v[..., 0]
    return out


def exp(v: Floats) -> Floats:
    """(..., 3) rotation vectors in rad to (..., 3, 3) matrices (Rodrigues)."""
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    small = angle < _SMALL
    safe = np.where(small, 1.0, angle)
    K = hat(v)
    a = np.where(small, 1 - angle**2 / 6, np.sin(safe) / safe)
    b = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    return np.eye(3) + a * K + b * (K @ K)


def quaternion(R: Floats) -> Floats:
    """(..., 3, 3) matrices to (..., 4) quaternions x y z w with w >= 0, by the best conditioned of four formulas."""
    trace = np.trace(R, axis1=-2, axis2=-1)[..., None]
    diagonal = np.diagonal(R, axis1=-2, axis2=-1)
    pick = np.argmax(np.concatenate([diagonal, trace], axis=-1), axis=-1)
    x, y, z = diagonal[..., 0], diagonal[..., 1], diagonal[..., 2]
    rows = np.empty((*R.shape[:-2], 4, 4))
    rows[..., 0, 0], rows[..., 1, 1] = 1 + x - y - z, 1 - x + y - z
    rows[..., 2, 2], rows[..., 3, 3] = 1 - x - y + z, 1 + x + y + z
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        rows[..., i, j] = rows[..., j, i] = R[..., i, j] + R[..., j, i]
        rows[..., k, 3] = rows[..., 3, k] = R[..., j, i] - R[..., i, j]
    q = np.take_along_axis(rows, pick[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., 3:] < 0, -q, q)


def log(R: Floats) -> Floats:
    """(..., 3, 3) matrices to (..., 3) rotation vectors of length at most pi."""
    q = quaternion(R)
    sine = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., 3:])
    return q[..., :3] * np.where(sine < _SMALL, 2.0, angle / np.where(sine < _SMALL, 1.0, sine))


def inverse_left_jacobian(v: Floats) -> Floats:
    """(..., 3, 3) J with log(exp(d) exp(v)) = v + J d + O(d^2); its transpose serves log(exp(v) exp(d))."""
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    small = angle < 1e-3
    safe = np.where(small, 1.0, angle)
    c = np.where(small, 1 / 12 + angle**2 / 720, 1 / safe**2 - 1 / (2 * safe * np.tan(safe / 2)))
    K = hat(v)
    return np.eye(3) - 0.5 * K + c * (K @ K)


def nearest(M: Floats) -> Floats:
    """(..., 3, 3) matrices to the nearest rotations in the least-squares sense (SVD)."""
    u, _, vt = np.linalg.svd(M)
    u[..., 2] *= np.linalg.det(u @ vt)[..., None]
    return u @ vt
