"""Still crops of one or two clothed people with exact labels, for training; written as shards that `rendered.py` reads.

Deterministic: shard k of seed s depends on (s, k, part, mix) alone, so any number of workers writes the same files.
A shard tells its mix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.config import to_dict
from posecore.skeleton import halves
from training.synthetic.assets import AssetPack, Part
from training.synthetic.labels import Visibility, label_person
from training.synthetic.lighting import backdrop_light, room_light
from training.synthetic.motion import MotionBank
from training.synthetic.people import Person, Posed, Troupe
from training.synthetic.poses import PoseMix, sample_curl, sample_pose
from training.synthetic.rendered import JOINTS, PersonLabel, ShardWriter, check_same
from training.synthetic.renderer import Draw, Light, Picture, Renderer
from training.synthetic.scene import SceneTextures, backdrop_image, occluder, room, seat
from training.synthetic.sensor import SensorLook, develop
from training.synthetic.viewpoint import crop_camera, look_at, sample_eye, sample_high_eye

Rng = np.random.Generator
_PELVIS = JOINTS.index("pelvis")
HALVES = halves(JOINTS)  # what close-ups show
_LEAST_SEEN, _LEAST_OF_HALF = 9, 6  # joints of a picture's subject; one behind the own body counts half
_PEOPLE_APART_M = 0.5
_THIRD_PERSON = 0.35  # share of the pictures of people in line that show three
_IN_LINE_M = (0.5, 1.6)  # how far one stands before or behind the next
_NEAREST_TO_EYE_M = 1.2
_ASIDE_SD_M = 0.25


@dataclass(frozen=True)
class StillMix:
    """What stills show."""

    size_px: int = 320  # side of the square picture
    second_person: float = 0.25  # share of pictures with another person near by
    in_line: float = 0.0  # share of pictures in which one or two others stand before or behind the subject, as people cross
    room: float = 0.5  # share in a synthetic room; the others stand before a flat backdrop
    high: float = 0.0  # share from a camera high up that looks down at the subject, as those in the corners of rooms
    half: float = 0.0  # share of close-ups of the subject's upper or lower half, as before a webcam
    occluded: float = 0.22  # share with something held in front
    floor_shadow: float = 0.75  # share of flat backdrops with shadows on the invisible floor
    bare: float = 0.0  # share of people in shorts, men without a shirt (outfits.Dresser)
    pose: PoseMix = field(default_factory=PoseMix)


@dataclass(frozen=True)
class Still:
    """One labelled picture: rgb (H, W, 3) uint8; people: labels of everybody, the crop's subject first; person (H, W) uint8."""

    rgb: NDArray[np.uint8]
    camera: Camera
    people: list[PersonLabel]
    person: NDArray[np.uint8]
    jpeg_quality: int


@dataclass(frozen=True)
class _Cast:
    """Who is in the picture."""

    people: list[Person]
    poses: list[Posed]
    sitting: list[bool]
    in_line: bool = False  # with the camera: they half hide one another


class StillStudio:
    """Makes labelled stills."""

    def __init__(self, pack: AssetPack, part: Part = "train", mix: StillMix | None = None) -> None:
        self.mix = mix or StillMix()
        self.renderer = Renderer()
        self.textures = SceneTextures(pack, part, self.renderer)
        self.troupe = Troupe(pack, part, self.renderer, self.textures, self.mix.bare)
        self.bank = MotionBank(pack, part)

    def make(self, rng: Rng) -> Still:
        """A still whose subject can be seen."""
        while True:
            shown = HALVES[rng.integers(2)] if self.mix.half and rng.random() < self.mix.half else None
            still = self._try(rng, shown)
            codes = still.people[0].visibility
            seen = (codes == Visibility.VISIBLE).sum() + 0.5 * (codes == Visibility.BEHIND_SELF).sum()
            if seen >= (_LEAST_SEEN if shown is None else _LEAST_OF_HALF):
                return still

    def _try(self, rng: Rng, shown: NDArray[np.bool_] | None) -> Still:
        cast = self._cast(rng)
        subject = cast.poses[0].joints_m
        target = subject[_PELVIS] + rng.normal(0, 0.12, 3)
        high = self.mix.high > 0 and bool(rng.random() < self.mix.high)  # no number drawn where off
        eye = (sample_high_eye if high else sample_eye)(target, rng)
        if cast.in_line:
            cast = _lined_up(cast, eye, rng)
        T_camera_stage = look_at(eye, target, rng.normal(0, 3))
        camera = crop_camera(subject if shown is None else subject[shown], T_camera_stage, self.mix.size_px, rng)
        draws = [
            d for k, (p, pose) in enumerate(zip(cast.people, cast.poses, strict=True)) for d in self._person_draws(p, pose, k)
        ]
        draws += self._props(cast, eye, rng)
        picture = self._shoot(draws, camera, T_camera_stage, subject[_PELVIS], rng)
        rgb = develop(picture, SensorLook.sample(rng), rng)
        return Still(rgb, camera, _labels(cast, camera, T_camera_stage, picture), picture.person, int(rng.integers(40, 95)))

    def _person_draws(self, person: Person, pose: Posed, index: int) -> list[Draw]:
        return person.draws(self.renderer.bones(pose.T_bones), index + 1)

    def _cast(self, rng: Rng) -> _Cast:
        in_line = self.mix.in_line > 0 and bool(rng.random() < self.mix.in_line)  # no number drawn where off
        count = 2 if in_line or rng.random() < self.mix.second_person else 1
        count += in_line and bool(rng.random() < _THIRD_PERSON)
        people, poses, sitting = self.troupe.pick(count, rng), [], []
        for k, person in enumerate(people):
            still_pose = sample_pose(self.bank, rng, self.mix.pose)
            posed = self.troupe.pose(person, still_pose.Q_roles, sample_curl(self.troupe.retargeter.fingers, rng))
            poses.append(posed.on_floor(*(_beside(rng) if k else (0.0, 0.0))))
            sitting.append(still_pose.sitting)
        return _Cast(people, poses, sitting, in_line)

    def _props(self, cast: _Cast, eye: NDArray, rng: Rng) -> list[Draw]:
        parts = []
        for pose, sitting in zip(cast.poses, cast.sitting, strict=True):
            if sitting and rng.random() < 0.75:
                parts += seat(self.textures, pose.joints_m[_PELVIS], rng)
        draws = self.renderer.still_life([], parts)
        if rng.random() < self.mix.occluded:
            target = cast.poses[0].joints_m[int(rng.integers(len(JOINTS)))]
            draws += self.renderer.still_life([occluder(self.textures, target, eye, rng)], [])
        return draws

    def _shoot(self, draws: list[Draw], camera: Camera, T_camera_stage: NDArray, centre: NDArray, rng: Rng) -> Picture:
        image = backdrop_image(self.textures, camera.size_wh, rng)
        light: Light
        floor_shadow = 0.0
        if rng.random() < self.mix.room:
            forward, eye = T_camera_stage[2, :3], -T_camera_stage[:3, :3].T @ T_camera_stage[:3, 3]
            shell, furniture = room(self.textures, float(np.arctan2(forward[0], forward[2])), eye[1], rng)
            draws = draws + self.renderer.still_life(shell, furniture)
            light = room_light(centre, rng)
        else:
            light = backdrop_light(image, centre, rng)
            floor_shadow = float(rng.uniform(0.2, 0.65)) if rng.random() < self.mix.floor_shadow else 0.0
        return self.renderer.render(draws, camera, T_camera_stage, light, self.renderer.texture(image), floor_shadow)


def _beside(rng: Rng) -> tuple[float, float]:
    """A place for a second person, near but not inside the first."""
    while True:
        x, z = rng.uniform(-1.4, 1.4), rng.uniform(-1.3, 1.0)
        if np.hypot(x, z) > _PEOPLE_APART_M:
            return float(x), float(z)


def _lined_up(cast: _Cast, eye: NDArray, rng: Rng) -> _Cast:
    """The others before and behind the subject as the camera sees it, each a little aside."""
    subject = cast.poses[0].joints_m[_PELVIS, [0, 2]]
    distance = float(np.linalg.norm(subject - eye[[0, 2]]))
    ahead = (subject - eye[[0, 2]]) / distance
    sides = rng.permutation([-1, 1])
    poses = cast.poses[:1]
    for pose, side in zip(cast.poses[1:], sides, strict=False):
        depth = float(side * rng.uniform(*_IN_LINE_M))
        if distance + depth < _NEAREST_TO_EYE_M:
            depth = _IN_LINE_M[1] - depth  # behind whoever else is
        aside = rng.normal(0, _ASIDE_SD_M) * (distance + depth) / distance  # as wide in the picture at any depth
        x, z = subject + depth * ahead + aside * np.array([-ahead[1], ahead[0]])
        poses.append(pose.on_floor(float(x), float(z)))
    return replace(cast, poses=poses)


def _labels(cast: _Cast, camera: Camera, T_camera_stage: NDArray, picture: Picture) -> list[PersonLabel]:
    labels = []
    for k, (person, pose) in enumerate(zip(cast.people, cast.poses, strict=True)):
        xyz = pose.joints_m @ T_camera_stage[:3, :3].T + T_camera_stage[:3, 3]
        labels.append(label_person(xyz, camera, picture, k + 1, person.shape.stature_m))
    return labels


def write_shard(studio: StillStudio, seed: int, shard: int, count: int, path: Path) -> None:
    """Write `count` stills of shard `shard` to `path`."""
    rng = np.random.default_rng([seed, shard])
    studio.troupe.forget()
    writer = ShardWriter()
    for _ in range(count):
        still = studio.make(rng)
        writer.add(still.rgb, still.jpeg_quality, still.camera, still.people, still.person)
    writer.save(path, seed, to_dict(studio.mix))


def check_finished(out: Path, shards: list[tuple[int, int]], seed: int, part: Part, mix: StillMix) -> None:
    """InputError if one of the shards [(number, count), ...] is in the folder `out` and holds other pictures."""
    for number, count in shards:
        path = _shard_path(out, part, seed, number)
        if path.exists():
            check_same(path, to_dict(mix), count)


def _shard_path(out: Path, part: Part, seed: int, number: int) -> Path:
    return out / f"{part}_{seed}_{number:04d}.npz"


def write_shards(
    pack: AssetPack,
    out: Path,
    shards: list[tuple[int, int]],
    seed: int,
    part: Part,
    mix: StillMix,
    report: Callable[[Path], None],
) -> None:
    """Write shards [(number, count), ...] to the folder `out`, skipping what is there; `report` is told each finished file.

    InputError before anything is drawn if what is there shows something else.
    """
    check_finished(out, shards, seed, part, mix)
    studio = StillStudio(pack, part, mix)
    for number, count in shards:
        path = _shard_path(out, part, seed, number)
        if not path.exists():
            write_shard(studio, seed, number, count, path)
        report(path)
