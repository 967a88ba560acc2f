"""Joint angles of a motion in degrees, with names and signs that are written once, here.

An angle is named by the joint about which a bone turns: `left_knee_flexion` turns the shank. Signs: flexion is positive towards
the body's front (head, trunk, arm, hip), for elbows and knees the way they bend; `side` is positive to the person's left; twist
is positive by the right hand about the bone from joint to child. Left and right therefore mirror: flexion alike, side and twist
opposite. Angles are continuous in time, so they may pass 180.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fitting import rotation
from fitting.body import Ball, Hinge, load_body
from posecore.types import Motion

Floats = NDArray[np.float64]


def turning_joint(joint: int) -> str:
    """Name of the joint about which the bone that ends in `joint` turns; a shoulder girdle is called clavicle."""
    skeleton = load_body().skeleton
    name = skeleton.joints[joint]
    if name.endswith("_shoulder"):
        return name.replace("shoulder", "clavicle")
    return skeleton.joints[skeleton.parent[joint]]


def joint_angles_deg(motion: Motion) -> dict[str, Floats]:
    """(T,) angles in degrees by name, NaN in empty frames.

    Bones with hinges give one angle per hinge of body.yaml. Balls give `flexion` and `side`, the components of the swing's
    rotation vector about the parent's left axis (negated: forward is positive) and forward axis, and `twist`; the root, whose
    parent is the camera, gives `pelvis_turn_x`, `_y`, `_z`, its whole rotation vector in the camera's axes.
    """
    body, known = load_body(), np.asarray(np.isfinite(motion.xyz_m).all(axis=(1, 2)))
    R = rotation.matrix(motion.quaternion_xyzw[known])
    out: dict[str, Floats] = {}
    for ball in body.balls[1:]:
        out |= _ball_angles(R[:, ball.joint], ball)
    for joint in sorted({hinge.joint for hinge in body.hinges}):
        out |= _hinge_angles(R[:, joint], [hinge for hinge in body.hinges if hinge.joint == joint])
    root = _continuous(rotation.log(R[:, body.skeleton.root]))
    out |= {f"pelvis_turn_{axis}": root[:, k] for k, axis in enumerate("xyz")}
    return {name: _with_gaps(np.degrees(angle), known) for name, angle in out.items()}


def _ball_angles(R: Floats, ball: Ball) -> dict[str, Floats]:
    """Swing and twist of (T, 3, 3): R = swing twist, the twist about the resting bone."""
    q, axis = rotation.quaternion(R), load_body().rest[ball.joint]
    twist = 2 * np.arctan2(q[:, :3] @ axis, q[:, 3])
    swing = rotation.log(R @ np.swapaxes(rotation.exp(twist[:, None] * axis), 1, 2))
    name = turning_joint(ball.joint)
    front = 1.0 if axis[1] > 0.5 else -1.0  # a turn about +x takes what points up to the front, what hangs down to the back
    return {f"{name}_flexion": front * swing[:, 0], f"{name}_side": -front * swing[:, 2], f"{name}_twist": np.unwrap(twist)}


def _hinge_angles(R: Floats, hinges: list[Hinge]) -> dict[str, Floats]:
    """Angles of one hinge, or of two at right angles, from their product (T, 3, 3)."""
    a = hinges[0].axis
    b = hinges[1].axis if len(hinges) > 1 else np.linalg.svd(a[None])[2][1]
    turned = R @ b
    angles = [np.arctan2(turned @ np.cross(a, b), turned @ b)]
    if len(hinges) > 1:
        back = np.swapaxes(R, 1, 2) @ a
        angles.append(np.arctan2(back @ np.cross(a, b), back @ a))
    names = [f"{turning_joint(hinge.joint)}_{hinge.name}" for hinge in hinges]
    return {name: np.unwrap(angle) for name, angle in zip(names, angles, strict=True)}


def _continuous(vector: Floats) -> Floats:
    """(T, 3) rotation vectors with, at every step, the one of v (1 + 2 pi k / |v|) that is nearest to the one before."""
    out = vector.copy()
    for t in range(1, len(out)):
        length = np.linalg.norm(out[t])
        if length > 1e-9:
            axis = out[t] / length
            turns = np.round((out[t - 1] @ axis - length) / (2 * np.pi))
            out[t] = axis * (length + 2 * np.pi * turns)
    return out


def _with_gaps(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """(T,) with NaN where nothing is known."""
    out = np.full(len(known), np.nan)
    out[known] = values
    return out
