"""Cholesky factor of a matrix whose blocks of D reach two frames ahead, frame by frame.

LAPACK's banded routine (dpbtrf) takes a single column or 32 at a time; taken in whole frames, nearly all work is products of
dense matrices, which is twice as fast. With P_t = [L_(t+1,t); L_(t+2,t)] (2D, D), the rows below frame t,

    L_tt L_tt^T = H_tt - what earlier frames take,    P_t = [H_(t+1,t) - what they take; H_(t+2,t)] L_tt^-T

and frame t takes P_t P_t^T from the next two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrf, dtrtri

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """H = L L^T: inverse (T, D, D) L_tt^-1, lower triangular; under (T - 1, D, D) L_(t+1,t).

    second (T, D): diagonal of H_(t+2,t), from which L_(t+2,t) = second L_tt^-T is made when needed.
    """

    inverse: Floats
    under: Floats
    second: Floats

    def forward(self, right: Floats) -> Floats:
        """(T, D, k) y with L y = right (T, D, k)."""
        out, taken = np.empty_like(right), np.zeros((3, *right.shape[1:]))  # taken from this frame and the next two
        for t, inverse in enumerate(self.inverse):
            out[t] = inverse @ (right[t] - taken[0])
            taken[0] = taken[1] + self.under[t] @ out[t] if t < len(self.under) else 0.0
            taken[1] = self.second[t][:, None] * (inverse.T @ out[t])
        return out

    def backward(self, right: Floats) -> Floats:
        """(T, D, k) x with L^T x = right (T, D, k)."""
        out = np.zeros((len(right) + 2, *right.shape[1:]))
        for t in range(len(right) - 1, -1, -1):
            here = right[t] - self.under[t].T @ out[t + 1] if t < len(self.under) else right[t]
            out[t] = self.inverse[t].T @ (here - self.inverse[t] @ (self.second[t][:, None] * out[t + 2]))
        return out[:-2]

    def solve(self, right: Floats) -> Floats:
        """(T, D, k) x with H x = right (T, D, k)."""
        return self.backward(self.forward(right))


def decompose(block: Floats, following: Floats, second: Floats, diagonal: Floats) -> Factor | None:
    """The factor, or None if the matrix is not positive definite.

    block (T, D, D): H_tt, of which the lower triangle counts, its diagonal replaced by `diagonal` (T, D); following
    (T - 1, D, D): H_(t+1,t); second (T, D): the diagonal of H_(t+2,t), which has no other entries.
    """
    frames, D = diagonal.shape
    inverse, under, every = np.empty_like(block), np.empty_like(following), np.arange(D)
    P, last, before = np.empty((2 * D, D)), np.zeros((2 * D, 2 * D)), np.zeros((2 * D, 2 * D))
    for t in range(frames):
        here = block[t] - last[:D, :D]
        here -= before[D:, D:]
        here[every, every] += diagonal[t] - block[t, every, every]
        upper, fault = dpotrf(here.T, lower=0, clean=1, overwrite_a=1)
        if fault:
            return None
        turned, _ = dtrtri(upper, lower=0, overwrite_c=1)
        inverse[t] = turned.T
        if t + 1 < frames:
            under[t] = P[:D] = (following[t] - last[D:, :D]) @ turned
            np.multiply(second[t][:, None], turned, out=P[D:])
            last, before = dsyrk(1.0, P.T, trans=1, lower=1), last  # of which the lower triangle is all that is needed
    return Factor(inverse, under, second)
