"""Results of clips on the viewer's stage: which people, colours, trails and picture belong to a frame."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.result_folder import Result
from apps.viewer_picture import ClipPictures
from apps.viewer_player import KEY_C, KEY_ESC, KEY_R, KEY_T, Player
from apps.viewer_stage import TRAIL_ROWS, Renderer, Viewer, sigma_colours, source_colours
from apps.viewer_view import View
from posecore.errors import InputError

if TYPE_CHECKING:
    from apps.viewer_open3d import Open3DRenderer

Floats = NDArray[np.float64]
_FRAME_RATE_CAP_S = 1 / 60
_INSET_SHARE = 0.26  # width of the clip's picture in the corner, of the whole picture's
BEHIND_M, ABOVE_M, BESIDE_M = 2.2, 1.1, 1.8  # where the key c stands, from the clip's camera
_INK = (70, 76, 88)


class ResultShow:
    """Frames of one or more results of the same clip. `show` draws, `play` runs a window, `annotated` gives a picture."""

    def __init__(self, results: Sequence[Result], renderer: Renderer, colour: str = "person", pictures: bool = True) -> None:
        first = results[0]
        self.time_s = first.time_s
        self._xyz_m, self._sigma_m, self._source = _stack(results)
        self._colour = colour
        self._trails = True
        self._clip = ClipPictures(first.video) if pictures and first.video else None
        self._rgb: NDArray[np.uint8] | None = None
        self._inset = True
        self._inset_left_px: int | None = None
        self.viewer = Viewer(first.world, first.camera, renderer, _floor_radius_m(first, self._xyz_m))
        self._title = " and ".join(result.name for result in results)

    @property
    def rate_fps(self) -> float:
        """Mean frame rate."""
        return 1 / float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else 30.0

    def frame_all(
        self, azimuth_deg: float = 30.0, elevation_deg: float = 14.0, with_camera: bool = False, around: bool = False
    ) -> None:
        """Look at everybody over the whole clip, so that the view can stand still (or turn around them)."""
        points = self._xyz_m.reshape(-1, 3)
        self._inset = not with_camera  # the camera carries the picture already
        if with_camera and self.viewer.camera is not None:
            points = np.concatenate([points, self.viewer.camera_outline()])
        self.viewer.frame_all(points, azimuth_deg, elevation_deg, around)

    def turn(self, degrees: float) -> None:
        """Walk around."""
        self.viewer.look(self.viewer.view.turned(degrees))

    def show(self, frame: int) -> bool:
        """Draw a frame of the clip; False after the window was closed."""
        people = {p + 1: xyz[frame] for p, xyz in enumerate(self._xyz_m)}
        first = max(0, frame - TRAIL_ROWS + 1) if self._trails else frame
        trails = {p + 1: xyz[first : frame + 1] for p, xyz in enumerate(self._xyz_m)}
        if self._clip is not None:
            self._rgb = self._clip.at(float(self.time_s[frame]))
        return self.viewer.show(people, self._rgb, trails, self._colours(frame))

    def _colours(self, frame: int) -> dict[int, Floats] | None:
        if self._colour == "sigma":
            return {p + 1: sigma_colours(sigma[frame]) for p, sigma in enumerate(self._sigma_m)}
        if self._colour == "source":
            return {p + 1: source_colours(source[frame]) for p, source in enumerate(self._source)}
        return None

    def annotated(self, frame: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """What is shown as (H, W, 3) uint8 RGB, with the clip's picture in the corner, frame number and time."""
        image = np.ascontiguousarray(self.viewer.picture(size_wh))
        width, height = size_wh
        margin = max(8, width // 80)
        if self._rgb is not None and self._inset:
            inset_w = round(_INSET_SHARE * width)
            inset_h = min(round(inset_w * self._rgb.shape[0] / self._rgb.shape[1]), height - 2 * margin)
            inset_w = round(inset_h * self._rgb.shape[1] / self._rgb.shape[0])
            inset = cv2.resize(self._rgb, (inset_w, inset_h), interpolation=cv2.INTER_AREA)
            if self._inset_left_px is None:  # chosen once, so that it stands still in a film
                self._inset_left_px = emptier_side(image, inset_h, inset_w, margin)
            left = self._inset_left_px
            image[margin : margin + inset_h, left : left + inset_w] = inset
        label = f"{self._title}   frame {frame}   {self.time_s[frame]:.2f} s"
        place = (margin, height - margin)
        cv2.putText(image, label, place, cv2.FONT_HERSHEY_SIMPLEX, width / 2200, _INK, max(1, width // 1000), cv2.LINE_AA)
        return image

    def play(self, frame: int = 0) -> None:
        """Run the window until it is closed; needs a renderer with a window."""
        if not self.viewer.renderer.interactive:
            raise InputError("this renderer has no window; use --screenshot or --movie")
        player = Player(self.time_s, frame)
        self._closing = False
        self._bind(player)
        shown, last = "", time.monotonic()
        while not self._closing:
            start = time.monotonic()
            number = player.tick(start - last)
            last = start
            if not self.show(number):
                break
            state = f"frame {number}/{len(self.time_s) - 1}  {self.time_s[number]:.2f} s  x{player.speed:g}"
            if sys.stdout.isatty() and state != shown:
                print(f"\r{state} {'playing' if player.playing else 'paused '}", end="", flush=True)
                shown = state
            time.sleep(max(0.0, _FRAME_RATE_CAP_S - (time.monotonic() - start)))

    def _bind(self, player: Player) -> None:
        renderer: Open3DRenderer = self.viewer.renderer  # type: ignore[assignment]
        for key, action in player.keys().items():
            renderer.on_key(key, action)
        renderer.on_key(KEY_R, self.frame_all)
        renderer.on_key(KEY_C, self._behind_camera)
        renderer.on_key(KEY_T, self._toggle_trails)
        renderer.on_key(KEY_ESC, self._close_soon)

    def _behind_camera(self) -> None:
        """Stand behind, above and beside the clip's camera, so that it and the people are in view."""
        T = self.viewer.world.T_world_camera
        centre, forward = T[:3, 3], T[:3, 2]
        depth_m = float(np.nan_to_num(np.nanmedian(self._xyz_m[..., 2]), nan=4.0)) if self._xyz_m.size else 4.0
        target = centre + depth_m * forward
        level = forward[:2] / max(np.hypot(*forward[:2]), 1e-6)
        beside = BESIDE_M * np.array([level[1], -level[0]])
        eye = centre + [*(beside - BEHIND_M * level), ABOVE_M]
        x, y, z = target - eye
        azimuth, elevation = np.degrees([np.arctan2(-x, y), np.arctan2(-z, np.hypot(x, y))])
        place = (float(target[0]), float(target[1]), float(target[2]))
        self.viewer.look(View(place, float(np.linalg.norm(target - eye)), float(azimuth), float(elevation), 45.0))

    def _toggle_trails(self) -> None:
        self._trails = not self._trails

    def _close_soon(self) -> None:
        self._closing = True

    def close(self) -> None:
        """Close window and clip."""
        self.viewer.close()
        if self._clip is not None:
            self._clip.close()


def emptier_side(image: NDArray[np.uint8], height: int, width: int, margin: int) -> int:
    """Left edge in pixels of the upper corner, left or right, in which less is drawn: there an inset hides nobody."""
    edges = (margin, image.shape[1] - margin - width)
    return min(edges, key=lambda left: float(image[margin : margin + height, left : left + width].std()))


def _stack(results: Sequence[Result]) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """All results' people on the first one's frames: xyz_m (P, F, 21, 3), sigma_m (P, F, 21, 2), source (P, F, 21)."""
    frames = len(results[0].time_s)
    for result in results[1:]:
        if len(result.time_s) != frames:
            raise InputError(
                f"{result.folder}: {len(result.time_s)} frames, but {results[0].folder} has {frames}; compare one clip"
            )
    joints = [result.joints for result in results]
    return (
        np.concatenate([j.xyz_m for j in joints]),
        np.concatenate([j.sigma_m for j in joints]),
        np.concatenate([j.source for j in joints]),
    )


def _floor_radius_m(result: Result, xyz_m: Floats) -> float:
    """A ground that reaches two metres beyond everybody."""
    xy = result.world.points(xyz_m)[..., :2]
    known = xy[np.isfinite(xy).all(axis=-1)]
    return float(np.clip(np.percentile(np.linalg.norm(known, axis=1), 99) + 2, 3, 30)) if len(known) else 4.0
