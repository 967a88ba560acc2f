"""`Viewer`: skeletons in their world, one call per frame. The caller keeps the loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.viewer_display import display_fault
from apps.viewer_scene import (
    PERSON_COLOURS,
    Mesh,
    floor_mesh,
    frustum_corners,
    frustum_mesh,
    person_mesh,
    shadow_mesh,
    side_colours,
    trail_mesh,
)
from apps.viewer_view import View, view_on
from posecore.camera import Camera
from posecore.errors import ConfigError, MissingDependencyError
from posecore.skeleton import load_skeleton
from posecore.types import Source
from posecore.world import World

Floats = NDArray[np.float64]
TRAIL_JOINTS = ("pelvis", "right_hand", "left_hand", "right_toe", "left_toe")
TRAIL_ROWS = 40  # points of a trail: 1.3 s at 30 frames per second
BEHIND_M, ABOVE_M, BESIDE_M = 2.2, 1.6, 2.6  # from the clip's camera, where `look_from_behind_camera` stands
FRUSTUM_DEPTH_M = 0.7  # where the clip's picture hangs in front of its camera
SIGMA_RANGE_M = (0.01, 0.08)  # standard deviations shown in the first and the last colour
_SURE, _UNSURE = np.array([0.13, 0.40, 0.67]), np.array([0.84, 0.19, 0.15])
SOURCE_COLOURS = {
    Source.EMPTY: (0.6, 0.6, 0.6),
    Source.MEASURED: (0.15, 0.55, 0.30),
    Source.WEAK: (0.85, 0.70, 0.10),
    Source.OCCLUDED: (0.90, 0.45, 0.10),
    Source.OUTSIDE: (0.80, 0.15, 0.15),
    Source.FILLED: (0.55, 0.40, 0.70),
}


class Renderer(Protocol):
    """What draws: Open3DRenderer or PainterRenderer."""

    size_wh: tuple[int, int]
    interactive: bool

    def put(self, name: str, mesh: Mesh) -> None:
        """Show a mesh, or move the one of that name."""

    def remove(self, name: str) -> None:
        """Show the mesh of that name no more."""

    def put_picture(self, name: str, corners: Floats, rgb: NDArray[np.uint8]) -> None:
        """Show an image on a rectangle of the world."""

    def put_bar(self, rgb: NDArray[np.uint8]) -> None:
        """Show an image along the lower edge of the window, from wherever one looks."""

    def look(self, view: View) -> None:
        """Stand at `view`."""

    def draw(self) -> bool:
        """Render; False after the window was closed."""

    def picture(self) -> NDArray[np.uint8]:
        """What is shown."""

    def close(self) -> None:
        """Free the window."""


def make_renderer(name: str, size_wh: tuple[int, int], visible: bool) -> Renderer:
    """A renderer by name. MissingDependencyError if Open3D or a window cannot be had here, ConfigError for an unknown name."""
    if visible and (fault := display_fault()):
        raise MissingDependencyError(f"there is no display for a window ({fault})")
    if name == "open3d":
        from apps.viewer_open3d import Open3DRenderer

        return Open3DRenderer(size_wh, visible)
    if name == "opencv":
        from apps.viewer_opencv import PainterRenderer

        return PainterRenderer(size_wh, visible)
    raise ConfigError(f"no renderer '{name}'; there are open3d and opencv")


class Viewer:
    """Shows people in a world with ground, shadows, trails and the clip's camera.

        viewer = Viewer(world, camera, make_renderer("open3d", (1280, 720), visible=True))
        for people in source_of_poses:           # {person: (21, 3) joints in the camera frame, metres; NaN where unknown}
            if not viewer.show(people):          # False once the window is closed
                break

    `look` moves the view, `picture` returns what is shown.
    """

    def __init__(self, world: World, camera: Camera | None, renderer: Renderer, floor_m: float = 6.0) -> None:
        self.world, self.camera, self.renderer = world, camera, renderer
        self._trails: dict[int, Floats] = {}
        self._hidden = np.full((len(load_skeleton("vnect21")), 3), np.nan)
        self._people: set[int] = set()
        renderer.put("floor", floor_mesh((0.0, 0.0), floor_m))
        self.stand_in(world)
        self.look(View((0.0, 0.0, 0.9), 6.0))

    def stand_in(self, world: World) -> None:
        """Put camera and people into another world, as from the next frame."""
        self.world = world
        if self.camera is not None:
            self._frustum = frustum_corners(self.camera, world.T_world_camera, FRUSTUM_DEPTH_M)
            self.renderer.put("camera", frustum_mesh(*self._frustum))

    def look(self, view: View) -> None:
        """Look from elsewhere."""
        self.view = view
        self.renderer.look(view)

    def frame_all(
        self, xyz_camera_m: Floats, azimuth_deg: float = 30.0, elevation_deg: float = 14.0, around: bool = False
    ) -> None:
        """Stand so that all (..., 3) points fit into the picture; `around`: also while the view turns about them."""
        width, height = self.renderer.size_wh
        self.look(view_on(self.world.points(xyz_camera_m), width / height, azimuth_deg, elevation_deg, around))

    def look_from_behind_camera(self, depth_m: float) -> None:
        """Stand behind, above and beside the clip's camera, so that it and people at this depth are in view."""
        T = self.world.T_world_camera
        centre, forward = T[:3, 3], T[:3, 2]
        target = centre + depth_m * forward
        level = forward[:2] / max(np.hypot(*forward[:2]), 1e-6)
        eye = centre + [*(BESIDE_M * np.array([level[1], -level[0]]) - BEHIND_M * level), ABOVE_M]
        x, y, z = target - eye
        azimuth, elevation = np.degrees([np.arctan2(-x, y), np.arctan2(-z, np.hypot(x, y))])
        place = (float(target[0]), float(target[1]), float(target[2]))
        self.look(View(place, float(np.linalg.norm(target - eye)), float(azimuth), float(elevation), 45.0))

    def show(
        self,
        people: Mapping[int, Floats],
        rgb: NDArray[np.uint8] | None = None,
        trails: Mapping[int, Floats] | None = None,
        colours: Mapping[int, Floats] | None = None,
    ) -> bool:
        """Draw one frame; people shown before and missing now vanish, and are forgotten once their trails have run out.

        people: person number to (21, 3) joints, camera frame, metres; rgb: the clip's picture, shown in the camera's frustum;
        trails: person number to (L, 21, 3) earlier joints, oldest first; left out, the viewer remembers what it was shown;
        colours: person number to (21, 3) joint colours 0..1; the round head has the person's own. Returns False after the
        window was closed.
        """
        for person in sorted(self._people | set(people)):
            past = (trails or {}).get(person)
            if past is None:
                past = self._remembered(person, people.get(person, self._hidden))
            if np.isnan(past).all():
                self._forget(person)
                continue
            self._people.add(person)
            self._show_person(person, people.get(person, self._hidden), (colours or {}).get(person))
            self._show_trail(person, past)
        if rgb is not None and self.camera is not None:
            self.renderer.put_picture("clip", self._frustum[1], rgb)
        return self.renderer.draw()

    def picture(self, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """What is shown, (H, W, 3) uint8 RGB, scaled down to `size_wh` if given."""
        image = self.renderer.picture()
        if size_wh is None or size_wh == self.renderer.size_wh:
            return image
        return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def camera_outline(self) -> Floats:
        """(5, 3) the drawn camera's centre and picture corners, camera frame; empty without a camera."""
        if self.camera is None:
            return np.empty((0, 3))
        return np.vstack(frustum_corners(self.camera, np.eye(4), FRUSTUM_DEPTH_M))

    def close(self) -> None:
        """Close the window."""
        self.renderer.close()

    def _show_person(self, person: int, xyz_camera_m: Floats, colours: Floats | None) -> None:
        joint_colours = side_colours(person_colour(person)) if colours is None else colours
        mesh = person_mesh(self.world.points(xyz_camera_m), joint_colours, person_colour(person))
        self.renderer.put(f"shadow {person}", shadow_mesh(mesh))
        self.renderer.put(f"person {person}", mesh)

    def _show_trail(self, person: int, past: Floats) -> None:
        joints = load_skeleton("vnect21").indices(TRAIL_JOINTS)
        paths = np.full((TRAIL_ROWS, len(joints), 3), np.nan)
        paths[TRAIL_ROWS - len(past) :] = self.world.points(past[-TRAIL_ROWS:, joints])
        self.renderer.put(f"trail {person}", trail_mesh(paths.transpose(1, 0, 2), person_colour(person)))

    def _remembered(self, person: int, xyz_camera_m: Floats) -> Floats:
        """(L, 21, 3) what was shown of somebody, now included."""
        past = np.concatenate([self._trails.get(person, self._hidden[None]), xyz_camera_m[None]])[-TRAIL_ROWS:]
        self._trails[person] = past
        return past

    def _forget(self, person: int) -> None:
        """Draw somebody no more, who is neither there nor has a trail: every mesh costs time in every frame."""
        for what in ("shadow", "person", "trail"):
            self.renderer.remove(f"{what} {person}")
        self._trails.pop(person, None)
        self._people.discard(person)


def person_colour(person: int) -> Floats:
    """(3,) colour of a person's number, 0..1."""
    return PERSON_COLOURS[(person - 1) % len(PERSON_COLOURS)]


def sigma_colours(sigma_m: Floats) -> Floats:
    """(21, 2) standard deviations to (21, 3) colours: blue is sure, red is not (NaN: not at all).

    By the first one, across the viewing direction: doubt about the distance is common to all joints and would paint all red.
    """
    low, high = np.log(SIGMA_RANGE_M)
    return _doubt_colours((np.log(np.maximum(sigma_m[:, 0], 1e-9)) - low) / (high - low))


def score_colours(score: Floats) -> Floats:
    """(21,) the network's confidence 0..1 to (21, 3) colours: blue is sure, red is not (NaN: not seen)."""
    return _doubt_colours(1 - score)


def _doubt_colours(doubt: Floats) -> Floats:
    """(21,) from 0, sure, to 1; unknown counts as 1."""
    level = np.where(np.isnan(doubt), 1.0, np.clip(doubt, 0, 1))[:, None]
    return _SURE * (1 - level) + _UNSURE * level


def source_colours(source: NDArray[np.uint8]) -> Floats:
    """(21,) Source codes to (21, 3) colours: green measured, yellow weak, orange occluded, red outside, violet filled."""
    return np.array([SOURCE_COLOURS[Source(code)] for code in source.tolist()])
