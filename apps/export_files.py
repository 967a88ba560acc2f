"""A result's people in the frame asked for, written as files of each format."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.result_folder import ANGLES, Result
from posecore.export.angles import write_joint_angles
from posecore.export.axes import y_up_from_camera, z_up_from_camera
from posecore.export.bvh import write_bvh
from posecore.export.clock import even_times
from posecore.export.coco import write_coco
from posecore.export.glb import write_glb
from posecore.export.markers import write_c3d, write_trc
from posecore.export.rig import Rig, rig_motion
from posecore.results import whole_file
from posecore.skeleton import load_skeleton

Floats = NDArray[np.float64]
ONE_FOR_EACH = ("bvh", "trc", "c3d")  # formats that hold one person a file


class Exporter:
    """Writes one result in one frame ('world' or 'camera') into a folder; `write` takes the name of a format."""

    def __init__(self, result: Result, frame: str, folder: Path, bvh_unit_m: float = 1.0) -> None:
        self._result, self._frame, self._folder, self._bvh_unit_m = result, frame, folder, bvh_unit_m
        self._T_zup_camera = [z_up_from_camera(frame, world) for world in result.worlds]  # by scene
        self._T_yup_camera = [y_up_from_camera(frame, world) for world in result.worlds]

    def write(self, name: str) -> list[Path]:
        """The files of a format."""
        return getattr(self, f"_{name}")()

    def notes(self, formats: Sequence[str]) -> list[str]:
        """What the user should know of the files just written."""
        found = [f"gravity from: {self._result.gravity}"] if self._frame == "world" else []
        bare = [name for name in formats if name in ONE_FOR_EACH] if not self._result.motions else []
        if bare:
            found.append(f"nobody was found, so there is no {', '.join(bare)}: of these every person has a file")
        time_s = self._result.time_s
        if {"bvh", "c3d"} & set(formats) and even_times(time_s) is not time_s:
            found.append("the clip's frames are not even in time; BVH and C3D know only a frame rate and are put on one")
        if {"bvh", "glb"} & set(formats):
            for rig in self._rigs:
                missing = int((~rig.known).sum())
                if missing:
                    found.append(
                        f"person {rig.person} was not seen in {missing} of {len(rig.known)} frames; "
                        "BVH and GLB cannot leave gaps, the pose is bridged or held there"
                    )
        return found

    @cached_property
    def _rigs(self) -> list[Rig]:
        people = [m for m in self._result.motions if np.isfinite(m.xyz_m).all(axis=(1, 2)).any()]
        scenes = [self._result.scene_at(int(motion.frame[0])) for motion in people]
        return [rig_motion(m, self._result.time_s, self._T_yup_camera[k]) for m, k in zip(people, scenes, strict=True)]

    @cached_property
    def _y_up_m(self) -> Floats:
        """(P, F, 21, 3) all joints in the y-up axes of the frame."""
        return self._result.in_scenes(self._result.joints.xyz_m, self._T_yup_camera)

    @cached_property
    def _z_up_m(self) -> Floats:
        """(P, F, 21, 3) all joints in the z-up axes of the frame."""
        return self._result.in_scenes(self._result.joints.xyz_m, self._T_zup_camera)

    def _path(self, ending: str, person: int | None = None) -> Path:
        who = "" if person is None else f"_person{person}"
        return self._folder / f"{self._result.name}{who}{ending}"

    def _bvh(self) -> list[Path]:
        paths = [self._path(".bvh", rig.person) for rig in self._rigs]
        for path, rig in zip(paths, self._rigs, strict=True):
            write_bvh(path, rig, self._bvh_unit_m)
        return paths

    def _glb(self) -> list[Path]:
        path = self._path(".glb")
        write_glb(path, self._rigs)
        return [path]

    def _trc(self) -> list[Path]:
        joints, paths = self._result.joints, []
        for person, xyz_m in zip(joints.persons.tolist(), self._y_up_m, strict=True):
            paths.append(self._path(".trc", person))
            write_trc(paths[-1], xyz_m, joints.time_s)
        return paths

    def _c3d(self) -> list[Path]:
        joints, paths = self._result.joints, []
        for person, xyz_m in zip(joints.persons.tolist(), self._z_up_m, strict=True):
            paths.append(self._path(".c3d", person))
            write_c3d(paths[-1], xyz_m, joints.time_s)
        return paths

    def _json(self) -> list[Path]:
        path = self._path("_2d.json")
        write_coco(path, self._result.joints_2d, self._result.camera.size_wh, self._result.name)
        return [path]

    def _angles(self) -> list[Path]:
        path, joints = self._folder / ANGLES, self._result.joints
        write_joint_angles(path, joints.persons, joints.frame, joints.time_s, self._y_up_m)
        return [path]

    def _npz(self) -> list[Path]:
        path, joints = self._path(".npz"), self._result.joints
        arrays = {
            "persons": joints.persons,
            "frame": joints.frame,
            "time_s": joints.time_s,
            "xyz_m": self._z_up_m if self._frame == "world" else joints.xyz_m,
            "sigma_m": joints.sigma_m,
            "source": joints.source,
            "scene_frame": np.array([0, *self._result.cuts]),
            "T_world_camera": np.stack([world.T_world_camera for world in self._result.worlds]),
            "K_px": self._result.camera.K_px,
            "joint_names": np.array(load_skeleton("vnect21").joints),
        }
        with whole_file(path) as part, part.open("wb") as out:
            np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
        return [path]
