"""People in the viewer while they are being found: `video3d --view` and `webcam --view 3d`."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from apps.live import CausalPeople, motion_of
from apps.settings import Settings
from apps.viewer_caption import INK, Piece, bar
from apps.viewer_picture import shrunk
from apps.viewer_stage import Renderer, Viewer, make_renderer, person_colour
from fitting.causal import FittedFrame
from posecore.camera import Camera
from posecore.errors import MissingDependencyError
from posecore.skeleton import load_skeleton
from posecore.types import Frame, Pose3D
from posecore.world import World, estimate_world, upright_world

WINDOW_WH = (1120, 700)
CAMERA_HEIGHT_M = 1.5  # assumed until feet have shown where the floor is
SETTLE_FROM_S, SETTLE_UNTIL_S = 1.0, 20.0  # the floor is looked for after 1, 2, 4, ... seconds with somebody in view
_REDRAW_S = 1 / 20  # a window that is drawn more often would slow the run
_ROOT = load_skeleton("vnect21").root


class LiveView:
    """A window to `show` one frame after the other in; the ground settles as more is seen of people's feet."""

    def __init__(self, camera: Camera, renderer: Renderer) -> None:
        self.viewer = Viewer(upright_world(CAMERA_HEIGHT_M), camera, renderer)
        self._seen: dict[int, list[tuple[int, FittedFrame]]] = defaultdict(list)
        self.forget_floor()

    def show(self, frame: Frame, people: Mapping[int, FittedFrame], words: str, share: float = 0.0) -> bool:
        """Draw one frame with its people, words and share 0..1 of the bar; False after the window was closed."""
        self._learn(frame, people)
        legend: list[Piece] = [(f"{person}  ", person_colour(person)) for person in sorted(people)]
        self.viewer.renderer.put_bar(bar(self.viewer.renderer.size_wh[0], [*legend, (words, INK)], share))
        return self.viewer.show({person: fitted.xyz_m for person, fitted in people.items()}, shrunk(frame.rgb))

    def forget_floor(self) -> None:
        """Find the floor anew, from what is seen from now on."""
        self._seen.clear()
        self._since_s: float | None = None
        self._settle_s = SETTLE_FROM_S

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()

    def _learn(self, frame: Frame, people: Mapping[int, FittedFrame]) -> None:
        """Look at the first people from behind the camera, and find the floor below them, again and again for a while."""
        if not people or self._settle_s > SETTLE_UNTIL_S:
            return
        if self._since_s is None:
            self._since_s = frame.time_s
            self._stand_in(self.viewer.world, float(np.median([fitted.xyz_m[_ROOT, 2] for fitted in people.values()])))
        for person, fitted in people.items():
            self._seen[person].append((frame.index, fitted))
        if frame.time_s - self._since_s >= self._settle_s:
            self._settle_s *= 2
            motions = [motion_of(person, rows) for person, rows in self._seen.items()]
            depth_m = float(np.median(np.concatenate([motion.xyz_m[:, _ROOT, 2] for motion in motions])))
            self._stand_in(_below_camera(estimate_world(motions)), depth_m)

    def _stand_in(self, world: World, depth_m: float) -> None:
        self.viewer.stand_in(world)
        self.viewer.look_from_behind_camera(depth_m)


class RunView:
    """What `video3d --view` shows of a run: each frame's people, fitted from the frames up to it."""

    def __init__(self, camera: Camera, settings: Settings, renderer: Renderer, clock: Callable[[], float] = time.monotonic):
        self._view, self._people, self._clock = LiveView(camera, renderer), CausalPeople(camera, settings), clock
        self._drawn_s = -np.inf
        self._is_open, self._scene = True, 0

    def see(self, frame: Frame, poses: Mapping[int, Pose3D], share: float, scene: int = 0) -> None:
        """Show a frame of the clip, `share` 0..1 of it done; nothing once the user has closed the window.

        scene: cuts before this frame; behind each stands another camera, on another floor.
        """
        if not self._is_open:
            return
        if scene != self._scene:
            self._view.forget_floor()
            self._scene = scene
        people = self._people.update(frame.time_s, poses, scene)
        if self._clock() - self._drawn_s >= _REDRAW_S:
            self._is_open = self._view.show(frame, people, f"lifting   frame {frame.index}   {frame.time_s:.2f} s", share)
            self._drawn_s = self._clock()
            if not self._is_open:
                self._view.close()

    def close(self) -> None:
        """Close the window."""
        if self._is_open:
            self._view.close()


def watch_run(settings: Settings, quiet: bool = False) -> Callable[[Camera], RunView | None]:
    """For apps.pipeline.run_clip: opens the window when the camera is known; without a display it says so, and no more."""

    def open_window(camera: Camera) -> RunView | None:
        try:
            return RunView(camera, settings, window())
        except MissingDependencyError as error:
            if not quiet:
                print(f"warning: --view: {error}; the run goes on without a window", file=sys.stderr)
            return None

    return open_window


def window() -> Renderer:
    """An Open3D window. MissingDependencyError without a display or Open3D."""
    return make_renderer("open3d", WINDOW_WH, visible=True)


def _below_camera(world: World) -> World:
    """The same with its origin on the floor below the camera, where it can stand still before people have come."""
    T = world.T_world_camera.copy()
    T[:2, 3] = 0
    return World(T, world.source)
