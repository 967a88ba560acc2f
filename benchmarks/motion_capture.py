"""Real motion (CMU motion capture, 139 clips at 30 Hz) on the body of the fit, before a virtual camera, with a lift's noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.spatial.transform import Rotation

from fitting import rotation
from fitting.body import load_body
from fitting.solve import prior_lengths
from posecore.camera import Camera, camera_from_fov, camera_to_image
from posecore.errors import InputError
from posecore.scale import person_scale
from posecore.types import Track

Floats = NDArray[np.float64]
Clip = tuple[str, Floats, Floats]  # name, turns from the T-pose (T, 21, 3, 3) by role, root path (T, 3)
ROLES = [*("pelvis", "spine", "chest", "neck", "head")]
ROLES += [f"{part}{side}" for side in "LR" for part in ("clav", "uarm", "farm", "hand")]
ROLES += [f"{part}{side}" for side in "LR" for part in ("thigh", "shin", "foot", "toe")]
_SIDED = {"shoulder": "clav", "elbow": "uarm", "wrist": "farm", "hand": "hand", "knee": "thigh", "ankle": "shin", "toe": "foot"}
# joint: the captured role whose turn from the T-pose the bone that ends in the joint has
BONE_ROLE = {"pelvis": "pelvis", "spine": "pelvis", "neck": "chest", "head": "neck", "head_top": "head"}
BONE_ROLE |= {f"{side}_{joint}": role + side[0].upper() for side in ("left", "right") for joint, role in _SIDED.items()}
BONE_ROLE |= {"left_hip": "pelvis", "right_hip": "pelvis"}


@dataclass(frozen=True)
class Scene:
    """A clip with its truth: camera, time_s (T,), xyz_m (T, 21, 3) in the camera's frame, stature, what the networks 'saw'."""

    name: str
    camera: Camera
    time_s: Floats
    xyz_m: Floats
    height_m: float
    length_m: Floats
    track: Track

    @property
    def parents(self) -> tuple[int, ...]:
        """Each joint's parent."""
        return load_body().skeleton.parent


@dataclass(frozen=True)
class Noise:
    """Errors of the networks: 2D in pixels, independent; 3D in metres with a memory in seconds; drop-outs of joints."""

    pixel_px: float = 3.0
    lift_m: float = 0.060
    memory_s: float = 0.10
    drop: float = 0.10
    drop_s: float = 0.15  # mean length of a drop-out


def load_clips(assets: Path) -> list[Clip]:
    """(name, turns from the T-pose (T, 21, 3, 3) by role, root path (T, 3)) in stage axes: y up. InputError without them."""
    pack = assets / "motion.npz"
    if not pack.is_file():
        raise InputError(f"no motion.npz in '{assets}'; name the folder of the asset pack (docs/training.md) with --assets")
    raw = np.load(pack)
    q = raw["q"].astype(np.float64)
    R = Rotation.from_quat(q.reshape(-1, 4)).as_matrix().reshape(*q.shape[:-1], 3, 3)
    path, bounds = raw["t"].astype(np.float64), raw["start"]
    clips = [(str(n), R[a:b], path[a:b]) for n, a, b in zip(raw["names"], bounds[:-1], bounds[1:], strict=True)]
    return [clip for clip in clips if _head_is_up(clip[1])]


def _head_is_up(R_role: Floats) -> bool:
    """Whether the captured head stands on its neck; a few clips have it turned over, a fault of their rig."""
    neck, head = (R_role[:, ROLES.index(role), :, 1] for role in ("neck", "head"))
    return float(np.median(np.sum(neck * head, axis=1))) > 0.3


def draw_lengths(height_m: float, rng: np.random.Generator) -> Floats:
    """(21,) bone lengths of one person: average proportions times their spread, knee-to-neck height as the stature demands."""
    body, mean = load_body(), prior_lengths(height_m)
    factor = 1 + body.spread * rng.standard_normal(len(mean)).clip(-2, 2)
    length = mean * np.where(np.arange(len(mean)) <= body.skeleton.mirror, factor, factor[body.skeleton.mirror])
    chain = body.skeleton.indices(["left_knee", "spine", "neck"])
    return length * mean[chain].sum() / length[chain].sum()


def retarget(R_role: Floats, path_m: Floats, length_m: Floats) -> Floats:
    """(T, 21, 3) joints in stage axes of our body moving like the capture: every bone takes the turn of its role."""
    body = load_body()
    turn = np.stack([R_role[:, ROLES.index(BONE_ROLE[joint])] for joint in body.skeleton.joints], axis=1)
    offset = np.einsum("tjik,jk->tji", turn, body.rest * length_m[:, None])
    xyz = np.repeat(path_m[:, None], len(body.skeleton), axis=1)
    for j in body.skeleton.order[1:]:
        xyz[:, j] = xyz[:, body.skeleton.parent[j]] + offset[:, j]
    return xyz


def _coloured(shape: tuple[int, ...], steps_s: float, memory_s: float, rng: np.random.Generator) -> Floats:
    """Unit noise along the first axis whose correlation fades as exp(-t / memory)."""
    keep = np.exp(-steps_s / memory_s) if memory_s > 0 else 0.0
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], white, axis=0)


def drop_outs(shape: tuple[int, int], share: float, mean_frames: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T, J) a two-state chain per joint that is out for `share` of the time, `mean_frames` at a time."""
    leave = 1 / max(mean_frames, 1.0)
    enter = leave * share / (1 - share)
    out = np.zeros(shape, dtype=bool)
    state = rng.random(shape[1]) < share
    for t in range(shape[0]):
        draw = rng.random(shape[1])
        state = np.where(state, draw >= leave, draw < enter)
        out[t] = state
    return out


def observe(xyz_m: Floats, time_s: Floats, camera: Camera, height_m: float, noise: Noise, rng: np.random.Generator) -> Track:
    """What networks with this noise would report of true joints (T, 21, 3)."""
    root, step = load_body().skeleton.root, float(np.median(np.diff(time_s)))
    xy = camera_to_image(xyz_m, camera) + noise.pixel_px * rng.standard_normal((*xyz_m.shape[:2], 2))
    local = xyz_m - xyz_m[:, root : root + 1] + noise.lift_m * _coloured(xyz_m.shape, step, noise.memory_s, rng)
    inside = ((xy > -0.5) & (xy < np.array(camera.size_wh) - 0.5)).all(axis=2)
    lost = drop_outs(xyz_m.shape[:2], noise.drop, noise.drop_s / step, rng) | ~inside
    xy[lost], local[lost] = np.nan, np.nan
    sigma = np.full((*xyz_m.shape[:2], 2), max(noise.lift_m, 1e-3))
    scale = person_scale(height_m)
    return Track(0, np.arange(len(xyz_m)), time_s, xy, np.where(lost, 0.0, 0.9), local / scale, sigma / scale)


def make_scene(clip: Clip, noise: Noise, rng: np.random.Generator, frames: int = 300) -> Scene:
    """A clip of at most `frames` frames seen by a 720p camera (54 degrees) 3 to 5 m from the middle of the motion."""
    name, R_role, path = clip
    height = float(rng.uniform(1.55, 1.90))
    length = draw_lengths(height, rng)
    stage = retarget(R_role[:frames], path[:frames] * height / 1.75, length)
    middle = 0.5 * (stage[:, 14].min(axis=0) + stage[:, 14].max(axis=0))
    heading, pitch, distance = rng.uniform(0, 2 * np.pi), rng.uniform(-0.25, 0.1), rng.uniform(3.0, 5.0)
    R = rotation.exp(np.array([pitch, 0.0, 0.0])) @ np.diag([1.0, -1.0, -1.0]) @ rotation.exp(np.array([0.0, heading, 0.0]))
    distance = max(distance, 2.0 + np.linalg.norm(stage[:, 14] - middle, axis=1).max())
    xyz = (stage - middle) @ R.T + [0.0, 0.0, distance]
    camera = camera_from_fov((1280, 720), 54.0, "true")
    outside = ~((camera_to_image(xyz, camera) > 0) & (camera_to_image(xyz, camera) < [1279, 719])).all(axis=(1, 2))
    xyz = xyz[: np.argmax(outside) if outside.any() else len(xyz)]
    time = np.arange(len(xyz)) / 30.0
    return Scene(name, camera, time, xyz, height, length, observe(xyz, time, camera, height, noise, rng))


def long_scene(clips: list[Clip], frames: int, noise: Noise, rng: np.random.Generator) -> Scene:
    """One person moving for `frames` frames: clips there and back, one after another, 9 m from the camera."""
    turns, path, count = [], [], 0
    for _, R_role, root in clips:
        if count < frames and len(root) >= 250:
            turns += [R_role[:250], R_role[249::-1]]
            path += [root[:250] - root[0], root[249::-1] - root[0]]
            count += 500
    if count < frames:
        return long_scene(clips + clips, frames, noise, rng)
    height, camera, time = 1.75, camera_from_fov((1280, 720), 54.0, "true"), np.arange(frames) / 30.0
    length = prior_lengths(height)
    stage = retarget(np.concatenate(turns)[:frames], np.concatenate(path)[:frames], length)
    xyz = (stage - stage[:, 14].mean(axis=0)) * [1.0, -1.0, -1.0] + [0.0, 0.0, 9.0]
    return Scene("long", camera, time, xyz, height, length, observe(xyz, time, camera, height, noise, rng))
