"""The Gauss-Newton system of the whole clip: blocks of D degrees of freedom per frame, coupled to the next two frames.

Point residuals enter by composite bodies (Featherstone 2008, chapter 6): every joint's 3x3 weight becomes a 6x6 inertia about
the root, inertias are summed from the tips to the root, and H_ab = S_a . M_b S_b for every a at or above b. That costs 16 times
fewer operations than multiplying out the Jacobian, and is the same matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitting import rotation
from fitting.body import Body, load_body
from fitting.cholesky import Factor, decompose
from fitting.costs import DofTerm, PointTerm, Smoothness
from fitting.kinematics import Placed, below, tips_first

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]
CHUNK = 64  # frames whose inertias fit the processor's cache


@dataclass
class System:
    """block (T, D, D): H_tt, of which the lower triangle counts; next (T - 1, D, D): H_{t+1,t}; second (T, D): diagonal of
    H_{t+2,t}; gradient (T, D).
    """

    block: Floats
    next: Floats
    second: Floats
    gradient: Floats

    @classmethod
    def empty(cls, frames: int, dofs: int) -> System:
        """A system of no terms."""
        square = np.zeros((frames, dofs, dofs))
        return cls(square, np.zeros((max(frames - 1, 0), dofs, dofs)), np.zeros((frames, dofs)), np.zeros((frames, dofs)))


def _gather(values: Floats, body: Body) -> Floats:
    """Sums (T, 21, ...) from the tips to the root, in place: row j becomes the sum over j and everything below it."""
    for j in tips_first():
        values[:, body.skeleton.parent[j]] += values[:, j]
    return values


def add_points(system: System, placed: Placed, terms: list[tuple[PointTerm, Floats]]) -> None:
    """Add point terms, each with its weights (T, J), to the blocks and the gradient."""
    root = load_body().skeleton.root
    arm = placed.xyz_m - placed.xyz_m[:, root, None]
    W, f = [np.zeros((*arm.shape, 3)) for _ in range(2)], [np.zeros_like(arm) for _ in range(2)]
    for term, weight in terms:
        scaled = np.swapaxes(term.jacobian * weight[..., None, None], -1, -2)
        W[term.relative] += scaled @ term.jacobian
        f[term.relative] += (scaled @ term.residual[..., None])[..., 0]
    for start in range(0, len(arm), CHUNK):
        rows = slice(start, start + CHUNK)
        weights, forces = (W[0][rows], W[1][rows]), (f[0][rows], f[1][rows])
        _add_rows(system.block[rows], system.gradient[rows], placed.screw[rows], arm[rows], weights, forces)


def _add_rows(block: Floats, gradient: Floats, screw: Floats, arm: Floats, W: Pair, f: Pair) -> None:
    """Composite bodies of some rows. W, f: weights and forces of absolute terms and of those relative to the root."""
    body = load_body()
    carry = np.empty((*arm.shape, 6))
    carry[..., :3], carry[..., 3:] = -rotation.hat(arm), np.eye(3)
    turned = np.swapaxes(carry, -1, -2)
    absolute = _gather(W[0] @ carry, body)[:, body.dof_joint]
    inertia = _gather(turned @ ((W[0] + W[1]) @ carry), body)[:, body.dof_joint]
    wrench = _gather((turned @ (f[0] + f[1])[..., None])[..., 0], body)[:, body.dof_joint]
    momentum = (inertia @ screw[..., None])[..., 0]
    coupled = (momentum @ np.swapaxes(screw, -1, -2)) * below()[body.dof_joint]
    # the root's translation does not see terms relative to the root: its columns come from the absolute terms alone
    coupled[:, :, :3] = (absolute @ screw[..., None])[..., 0]
    pull = np.sum(wrench * screw, axis=-1)
    pull[:, :3] = f[0].sum(axis=1)
    block += coupled
    gradient += pull


def add_dofs(system: System, term: DofTerm) -> None:
    """Add a term of degrees of freedom to the blocks and the gradient."""
    turned = np.swapaxes(term.jacobian, -1, -2)
    square, pull = turned @ term.jacobian, (turned @ term.residual[..., None])[..., 0]
    rows, columns = term.columns[:, :, None], term.columns[:, None, :]
    system.block[:, rows, columns] += square
    system.gradient[:, term.columns] += pull


def add_smoothness(system: System, term: Smoothness, gradient: Floats) -> None:
    """Add accelerations with Jacobians (before, -(before + after), after); on balls exact to first order in the turn."""
    a, b, c = term.before, -(term.before + term.after), term.after
    D = np.arange(system.gradient.shape[1])
    system.block[:-2, D, D] += a * a
    system.block[1:-1, D, D] += b * b
    system.block[2:, D, D] += c * c
    system.next[:-1, D, D] += a * b
    system.next[1:, D, D] += b * c
    system.second[:-2] += a * c
    system.gradient += gradient


def add_depth(system: System, residual: Floats, slope: Floats) -> None:
    """Add velocities along the ray: residual (T - 1,), slope (T - 1, 3) by the later frame's root."""
    square = slope[:, :, None] * slope[:, None, :]
    system.block[1:, :3, :3] += square
    system.block[:-1, :3, :3] += square
    system.next[:, :3, :3] -= square
    system.gradient[1:, :3] += slope * residual[:, None]
    system.gradient[:-1, :3] -= slope * residual[:, None]


def add_feet(system: System, jacobian: Floats, residual: Floats, slope: Floats, columns: NDArray[np.int64]) -> None:
    """Add velocities of foot points.

    jacobian (T, F, 3, C) by the C columns that move feet; residual (T - 1, F, 3), slope (T - 1, F) by the later position.
    """
    steps = len(residual)
    late = (jacobian[1:] * slope[..., None, None]).reshape(steps, -1, len(columns))
    early = (jacobian[:-1] * slope[..., None, None]).reshape(steps, -1, len(columns))
    force = residual.reshape(steps, -1, 1)
    turned_late, turned_early = np.swapaxes(late, 1, 2), np.swapaxes(early, 1, 2)
    rows = columns[:, None]
    system.block[1:, rows, columns] += turned_late @ late
    system.block[:-1, rows, columns] += turned_early @ early
    system.next[:, rows, columns] -= turned_late @ early
    system.gradient[1:, columns] += (turned_late @ force)[..., 0]
    system.gradient[:-1, columns] -= (turned_early @ force)[..., 0]


def factor(system: System, damping: float) -> Factor | None:
    """Cholesky factor of the matrix with its diagonal scaled by 1 + damping, or None if it is not positive definite."""
    diagonal = np.einsum("tii->ti", system.block) * (1 + damping) + 1e-9 + 1e-3 * damping
    return decompose(system.block, system.next, system.second, diagonal)


def newton_step(system: System, L: Factor) -> Floats:
    """(T, D) step -H^-1 g."""
    return -L.solve(system.gradient[..., None])[..., 0]


def sample_steps(L: Factor, count: int, rng: np.random.Generator) -> Floats:
    """(T, D, count) random steps with covariance H^-1, from its factor: L^T x = noise."""
    return L.backward(rng.standard_normal((*L.second.shape, count)))
