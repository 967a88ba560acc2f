"""Bone lengths of a person, constant over the clip and the same left and right, estimated together with the motion.

The logarithm s of each of the twelve lengths is added to the unknowns of a few stretches of the clip. With the motion's matrix
A, the lengths' C and the coupling B, the lengths' step solves (C - B^T A^-1 B) ds = -(c - B^T A^-1 g): Gauss-Newton on both at
once, where taking turns would crawl. The knee-to-neck height is held, because the lift and the person's stature define it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fitting import costs, normal
from fitting.body import Body, load_body
from fitting.energy import Problem, linearise, point_terms
from fitting.kinematics import Placed, Pose, joint_jacobian, place, step
from fitting.measure import pick
from posecore.skeleton import swap_side

Floats = NDArray[np.float64]
STRETCHES, STRETCH_FRAMES = 5, 100
HELD = 0.005  # relative standard deviation of the knee-to-neck height
DAMPING = 1e-3


def groups(body: Body) -> Floats:
    """(G, 21) membership of every joint's bone in its left-right group."""
    names = [name for name in body.skeleton.joints if not name.startswith("right_") and name != "pelvis"]
    return np.array([[joint in (name, swap_side(name)) for joint in body.skeleton.joints] for name in names], dtype=np.float64)


def stretch_rows(count: int) -> NDArray[np.int64]:
    """All of a short clip's rows, or a few stretches spread evenly over a long one."""
    if count <= STRETCHES * STRETCH_FRAMES:
        return np.arange(count)
    starts = np.linspace(0, count - STRETCH_FRAMES, STRETCHES).astype(int)
    return np.concatenate([np.arange(start, start + STRETCH_FRAMES) for start in starts])


def length_jacobian(placed: Placed, body: Body, member: Floats) -> Floats:
    """(T, 21, 3, G) derivative of every joint's root-relative position by the logarithm of each group's length."""
    bone = placed.xyz_m - placed.xyz_m[:, list(body.skeleton.parent)]
    path = np.eye(len(body.skeleton))
    for j in body.skeleton.order[1:]:
        path[j] += path[body.skeleton.parent[j]]
    return np.einsum("jb,tbi,gb->tjig", path, bone, member)


def _coupled(problem: Problem, pose: Pose, member: Floats) -> tuple[Floats, Floats, Floats]:
    """Coupling B (T, D, G), matrix C (G, G) and gradient c (G,) of the lengths from the point terms."""
    body, placed = load_body(), place(pose, problem.bone_length_m)
    by_length, by_step = length_jacobian(placed, body, member), joint_jacobian(placed)
    B, C, c = np.zeros((len(pose), body.dofs, len(member))), np.zeros((len(member), len(member))), np.zeros(len(member))
    for term, scale in point_terms(problem, placed):
        _, weight = costs.robust_weight(term.residual, scale)
        direct = term.jacobian @ by_length
        moved = term.jacobian @ (by_step * (np.arange(body.dofs) >= 3) if term.relative else by_step)
        B += np.einsum("tjrd,tj,tjrg->tdg", moved, weight, direct, optimize=True)
        C += np.einsum("tjrg,tj,tjrh->gh", direct, weight, direct, optimize=True)
        c += np.einsum("tjrg,tj,tjr->g", direct, weight, term.residual, optimize=True)
    return B, C, c


def _prior(s: Floats, member: Floats, length: Floats, body: Body) -> tuple[float, Floats, Floats]:
    """Energy, matrix and gradient of what is known of proportions: their spread, and the knee-to-neck height."""
    spread = member @ body.spread / member.sum(axis=1)
    chain = np.zeros(len(length))
    chain[body.skeleton.indices(["left_knee", "spine", "neck"])] = 1.0
    lengths = length * np.exp(s @ member)
    slope = member @ (lengths * chain) / (HELD * (length @ chain))
    error = (lengths @ chain - length @ chain) / (HELD * (length @ chain))
    matrix = np.diag(1 / spread**2) + np.outer(slope, slope)
    return float(np.sum((s / spread) ** 2) + error**2), matrix, s / spread**2 + slope * error


def posterior(told: Floats, prior: Floats, lasting: Floats) -> Floats:
    """(G, G) covariance of the log lengths from two informations: what the clip told, and what was known before.

    The clip errs besides by `lasting` (G,), relative and in all frames alike, so that no number of frames makes it surer:
    prior + (told^-1 + diag(lasting)^2)^-1, written for `told` that may be singular.
    """
    believed = told @ np.linalg.inv(np.eye(len(prior)) + lasting[:, None] ** 2 * told)
    return np.asarray(np.linalg.inv(prior + believed))


def estimate_lengths(problem: Problem, pose: Pose, rounds: int = 8) -> tuple[Floats, Floats]:
    """(21,) bone lengths in metres and (21,) their relative standard deviations, starting from the problem's lengths."""
    body, rows = load_body(), stretch_rows(len(pose))
    member, start = groups(load_body()), problem.bone_length_m
    part, pose = replace(problem, measured=pick(problem.measured, rows), resting=None, floor=None), pose[rows]
    lasting = np.sqrt(2) * problem.settings.joint_sigma_m / (member @ start / member.sum(axis=1))  # of a bone's two ends
    s, covariance = np.zeros(len(member)), np.linalg.inv(_prior(np.zeros(len(member)), member, start, body)[1])
    energy, system = linearise(part, pose)
    energy += _prior(s, member, start, body)[0]
    for _ in range(rounds):
        L = normal.factor(system, DAMPING)
        if L is None:
            break
        B, C, c = _coupled(part, pose, member)
        _, P, p = _prior(s, member, start, body)
        columns = np.concatenate([system.gradient[..., None], B], axis=2)
        solved, columns = (a.reshape(-1, 1 + len(member)) for a in (L.solve(columns), columns))
        told = C - columns[:, 1:].T @ solved[:, 1:]
        ds = np.linalg.solve(told + P, columns[:, 1:].T @ solved[:, 0] - c - p)
        delta = -(solved[:, 0] + solved[:, 1:] @ ds).reshape(system.gradient.shape)
        trial_part = replace(part, bone_length_m=start * np.exp((s + ds) @ member))
        trial = step(pose, delta)
        lower, trial_system = linearise(trial_part, trial)
        lower += _prior(s + ds, member, start, body)[0]
        if lower >= energy:
            break
        done = energy - lower < 1e-4 * energy
        s, part, pose, system, energy, covariance = s + ds, trial_part, trial, trial_system, lower, posterior(told, P, lasting)
        if done:
            break
    return part.bone_length_m, np.sqrt(np.diag(covariance)) @ member
