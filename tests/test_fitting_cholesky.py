"""The factor by blocks against dense linear algebra."""

import numpy as np
import pytest

from fitting.cholesky import decompose

RNG = np.random.default_rng(8)


def blocks(frames: int, dofs: int):
    """Blocks of a positive definite matrix, and the dense matrix (T D, T D)."""
    block = RNG.normal(size=(frames, dofs, dofs))
    block = block @ block.swapaxes(1, 2) + 8 * dofs * np.eye(dofs)
    following, second = RNG.normal(size=(max(frames - 1, 0), dofs, dofs)), RNG.normal(size=(frames, dofs))
    dense = np.zeros((frames, dofs, frames, dofs))
    for t in range(frames):
        dense[t, :, t] = block[t]
        if t + 1 < frames:
            dense[t + 1, :, t], dense[t, :, t + 1] = following[t], following[t].T
        if t + 2 < frames:
            dense[t + 2, :, t] = dense[t, :, t + 2] = np.diag(second[t])
    return np.tril(block), following, second, np.einsum("tii->ti", block), dense.reshape(frames * dofs, frames * dofs)


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_it_solves_and_its_rows_have_the_inverse_as_covariance(frames):
    *parts, dense = blocks(frames, 5)
    factor = decompose(*parts)
    assert factor is not None
    right = RNG.normal(size=(frames, 5, 2))
    assert np.allclose(factor.solve(right).reshape(-1, 2), np.linalg.solve(dense, right.reshape(-1, 2)))
    spread = factor.backward(np.eye(frames * 5).reshape(frames, 5, -1)).reshape(frames * 5, -1)
    assert np.allclose(spread @ spread.T, np.linalg.inv(dense))


def test_a_matrix_that_is_not_positive_definite_has_none():
    block, following, second, diagonal, _ = blocks(4, 3)
    diagonal[2, 1] = -1.0
    assert decompose(block, following, second, diagonal) is None
