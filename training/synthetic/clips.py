"""Whole clips of moving people with exact truth: a video file and OUT.truth.npz beside it.

The truth of T frames and P people:

    frame (T,), time_s (T,)     index and time stamp, the container's to 1/90000 s
    fps, size_wh (2,), K_px (3, 3)
    joints (21,)                names, the order of posecore/skeletons/vnect21.yaml
    xyz_m (P, T, 21, 3)         joints in camera axes, metres
    xy_px (P, T, 21, 2)         their projection, pixel centres at integers; NaN behind the camera
    visibility (P, T, 21)       0 outside, 1 behind another thing, 2 behind the own body, 3 visible
    stature_m (P,)              height of the standing person
    T_camera_world (4, 4)       the static camera in a z-up world whose floor is z = 0
    motion (P,), seed           kind of motion; the same seed makes the same clip
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera, camera_from_fov, camera_to_image
from posecore.errors import InputError
from posecore.skeleton import load_skeleton
from posecore.video import VideoWriter
from training.synthetic.assets import AssetPack, Part
from training.synthetic.labels import label_person
from training.synthetic.lighting import backdrop_light, room_light
from training.synthetic.motion import RATE_HZ, MotionBank
from training.synthetic.people import Person, Troupe
from training.synthetic.poses import sample_curl
from training.synthetic.rendered import JOINTS, PersonLabel
from training.synthetic.renderer import Draw, Renderer
from training.synthetic.scene import SceneTextures, backdrop_image, room
from training.synthetic.sensor import SensorLook, develop, exposure_gain
from training.synthetic.staging import Performance, Rehearsal, rehearse
from training.synthetic.takes import long_take, resample
from training.synthetic.viewpoint import T_STAGE_WORLD, look_at

Floats = NDArray[np.float64]
_BODY = len(load_skeleton("vnect21"))
_PELVIS = JOINTS.index("pelvis")
_APART_M = 0.5  # nearest that two pelvises may come
_MARGIN = 0.06  # of the picture, kept free around the joints' box
_FARTHEST_M = 7.5  # of the camera from the middle of the scene
_TRIES = 12  # places tried for each person, and times that all begin anew


@dataclass(frozen=True)
class ClipPlan:
    """What to film."""

    seconds: float = 10.0
    fps: float = 30.0
    size_wh: tuple[int, int] = (640, 360)
    people: int = 1
    crossing: bool = False  # all walk to and fro through the middle
    motion: str = ""  # a category of the motion bank; empty: random kinds
    photo: bool = False  # a photograph behind the people instead of a room
    vertical_fov_deg: float = 54.0  # what is assumed of an unknown camera
    look: SensorLook = field(default_factory=lambda: SensorLook(blur_px=0.45, noise=0.005, contact_shade=0.8, saturation=0.9))

    def __post_init__(self) -> None:
        if self.size_wh[0] % 2 or self.size_wh[1] % 2:
            raise InputError(f"H.264 needs an even width and height, got {self.size_wh[0]}x{self.size_wh[1]}")

    @property
    def frames(self) -> int:
        """Number of frames."""
        return max(1, round(self.seconds * self.fps))


@dataclass(frozen=True)
class ClipFrame:
    """One frame: rgb (H, W, 3) uint8 and the labels of all people in a fixed order."""

    rgb: NDArray[np.uint8]
    people: list[PersonLabel]


class Film:
    """A staged clip: performers, camera and set, ready to be shot frame by frame."""

    def __init__(self, pack: AssetPack, plan: ClipPlan, seed: int, part: Part = "train") -> None:
        self.plan, self.seed = plan, seed
        self._rng = np.random.default_rng([seed, 77])
        self._renderer = Renderer(shadow_size=1024)
        self._textures = SceneTextures(pack, part, self._renderer, photos=plan.photo)
        self._troupe = Troupe(pack, part, self._renderer, self._textures)
        self._bank = MotionBank(pack, part)
        self.motions = [self._motion() for _ in range(plan.people)]
        self.cast = self._cast()
        self.camera = camera_from_fov(plan.size_wh, plan.vertical_fov_deg, "rendered")
        self.T_camera_stage = _filming_place(self.cast, self.camera, self._rng)
        self._build_set()

    def _motion(self) -> str:
        if self.plan.crossing:
            return "walking"
        still = [
            c for c in self._bank.categories if c not in ("running", "washwindow")
        ]  # they leave the room; they need a window
        return self.plan.motion or still[int(self._rng.integers(len(still)))]

    def _cast(self) -> list[Performance]:
        """The performers, placed so that they never run into each other. InputError if there is no room for all."""
        people = self._troupe.pick(self.plan.people, self._rng, renewal=1.0)
        rehearsals = [self._rehearse(index, person) for index, person in enumerate(people)]
        for _ in range(_TRIES):
            cast: list[Performance] = []
            for index, rehearsal in enumerate(rehearsals):
                tries = (self._place(rehearsal, index) for _ in range(_TRIES))
                free = (p for p in tries if all(_nearest_m(p, other) > _APART_M for other in cast))
                cast += [p for p in [next(free, None)] if p is not None]
            if len(cast) == len(people):
                return cast
        raise InputError(f"{self.plan.people} people always collide with seed {self.seed}; take another --seed")

    def _rehearse(self, index: int, person: Person) -> Rehearsal:
        plan = self.plan
        needed = int(np.ceil(plan.frames * RATE_HZ / plan.fps)) + 2
        take = resample(long_take(self._bank, self.motions[index], needed, self._rng), plan.fps, plan.frames)
        return rehearse(self._troupe, person, take, sample_curl(self._troupe.retargeter.fingers, self._rng), plan.fps)

    def _place(self, rehearsal: Rehearsal, index: int) -> Performance:
        rng, people = self._rng, self.plan.people
        angle = 2 * np.pi * index / people + rng.uniform(-0.8, 0.8)
        if self.motions[index] == "walking":
            return rehearsal.walk(_waypoints(angle, self.plan.crossing, rng))
        performance = rehearsal.perform().turned(np.array(rng.uniform(-np.pi, np.pi)))
        centre = performance.joints_m[:, _PELVIS].mean(axis=0) * [1, 0, 1]
        place = rng.uniform(0.7, 1.1) * (people - 1) ** 0.7 * np.array([np.cos(angle), 0, np.sin(angle)])
        return performance.moved(place - centre)

    def _build_set(self) -> None:
        everywhere = np.concatenate([p.joints_m.reshape(-1, 3) for p in self.cast])
        self._reach_m = float(np.abs(everywhere[:, [0, 2]]).max()) + 0.6
        image = backdrop_image(self._textures, self.plan.size_wh, self._rng)
        self._backdrop = self._renderer.texture(image)
        self._set: list[Draw] = []
        centre = np.array([0.0, 0.9, 0.0])
        if self.plan.photo:
            self._light = backdrop_light(image, centre, self._rng, self._reach_m + 1)
            self._floor_shadow = 0.45
            return
        forward, eye = self.T_camera_stage[2, :3], _eye(self.T_camera_stage)
        facing = float(np.arctan2(forward[0], forward[2]))
        shell, furniture = room(self._textures, facing, eye[1], self._rng, self._reach_m, closed=True)
        self._set = self._renderer.still_life(shell, furniture)
        self._light, self._floor_shadow = room_light(centre, self._rng, self._reach_m + 1), 0.0

    def shoot(self) -> Iterator[ClipFrame]:
        """All frames, in order."""
        noise = np.random.default_rng([self.seed, 78])
        gain: float | None = None
        for t in range(self.plan.frames):
            draws = [d for k, p in enumerate(self.cast) for d in p.person.draws(self._renderer.bones(p.T_bones[t]), k + 1)]
            picture = self._renderer.render(
                draws + self._set, self.camera, self.T_camera_stage, self._light, self._backdrop, self._floor_shadow
            )
            gain = exposure_gain(picture, self.plan.look) if gain is None else gain  # exposure stays as the clip begins
            labels = []
            for k, performance in enumerate(self.cast):
                xyz = performance.joints_m[t] @ self.T_camera_stage[:3, :3].T + self.T_camera_stage[:3, 3]
                labels.append(label_person(xyz, self.camera, picture, k + 1, performance.person.shape.stature_m))
            yield ClipFrame(develop(picture, self.plan.look, noise, gain), labels)


def _waypoints(angle: float, crossing: bool, rng: np.random.Generator) -> Floats:
    """(N, 3) places a walker visits: to and fro past the middle, or around a loop; the walk begins at the last one."""
    along, across = np.array([np.cos(angle), 0, np.sin(angle)]), np.array([-np.sin(angle), 0, np.cos(angle)])
    if crossing:
        aside = rng.uniform(-0.7, 0.7) * across
        return np.array([aside - rng.uniform(1.1, 2.0) * along, aside + rng.uniform(1.1, 2.0) * along])
    return rng.uniform(0.9, 1.3) * np.array([across, -along, -across, along])


def _nearest_m(a: Performance, b: Performance) -> float:
    """How near two people's pelvises ever come."""
    return float(np.linalg.norm(a.joints_m[:, _PELVIS] - b.joints_m[:, _PELVIS], axis=-1).min())


def _eye(T_camera_stage: Floats) -> Floats:
    return -T_camera_stage[:3, :3].T @ T_camera_stage[:3, 3]


def _filming_place(cast: list[Performance], camera: Camera, rng: np.random.Generator) -> Floats:
    """(4, 4) T_camera_stage of the nearest place, at a random yaw and chest height, from which everybody is always whole.

    InputError if there is none within _FARTHEST_M.
    """
    points = np.concatenate([performance.joints_m.reshape(-1, 3) for performance in cast])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    yaw, height = rng.uniform(-np.pi, np.pi), rng.uniform(1.1, 1.9)
    size = np.array(camera.size_wh)
    for distance in np.arange(1.8, _FARTHEST_M + 0.1, 0.1):
        eye = middle + distance * np.array([np.sin(yaw), 0, np.cos(yaw)])
        T = look_at(np.array([eye[0], height, eye[2]]), middle)
        xy = camera_to_image(points @ T[:3, :3].T + T[:3, 3], camera)
        if np.isfinite(xy).all() and (xy > _MARGIN * size).all() and (xy < (1 - _MARGIN) * size).all():
            return T
    raise InputError(
        f"no place within {_FARTHEST_M:g} m shows everybody whole at a vertical field of view of {camera.vertical_fov_deg:g} "
        "degrees; take a wider --fov, fewer --seconds or another --seed"
    )


def write_clip(film: Film, path: Path, report: Callable[[int, int], None]) -> Path:
    """Film the clip to `path` (H.264) and its truth beside it; returns the truth's path. `report` is told frame and count."""
    labels: list[list[PersonLabel]] = []
    with VideoWriter(path, film.plan.size_wh, film.plan.fps, crf=21, preset="slow") as video:
        for t, frame in enumerate(film.shoot()):
            video.write(frame.rgb, t / film.plan.fps)
            labels.append(frame.people)
            report(t + 1, film.plan.frames)
    truth = path.with_suffix(".truth.npz")
    frames = np.arange(film.plan.frames)
    np.savez_compressed(
        truth,
        frame=frames,
        time_s=frames / film.plan.fps,
        fps=np.array(film.plan.fps),
        size_wh=np.array(film.plan.size_wh),
        K_px=film.camera.K_px,
        joints=np.array(JOINTS[:_BODY]),
        xyz_m=np.array([[person.xyz_m[:_BODY] for person in people] for people in labels], np.float32).swapaxes(0, 1),
        xy_px=np.array([[person.xy_px[:_BODY] for person in people] for people in labels], np.float32).swapaxes(0, 1),
        visibility=np.array([[person.visibility[:_BODY] for person in people] for people in labels]).swapaxes(0, 1),
        stature_m=np.array([performance.person.shape.stature_m for performance in film.cast]),
        T_camera_world=film.T_camera_stage @ T_STAGE_WORLD,
        motion=np.array(film.motions),
        seed=np.array(film.seed),
    )
    return truth
