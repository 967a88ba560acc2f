"""Results of clips on the viewer's stage: which people, colours, trails and picture belong to a frame."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.result_folder import Result
from apps.viewer_caption import INK, Piece, bar, fitting_size, write
from apps.viewer_cast import cast_of
from apps.viewer_picture import ClipPictures
from apps.viewer_player import KEY_C, KEY_ESC, KEY_R, KEY_T, Player
from apps.viewer_scale import scale_of
from apps.viewer_stage import TRAIL_ROWS, Renderer, Viewer
from posecore.camera import world_to_camera
from posecore.errors import InputError
from posecore.timestamps import usual_step_s

if TYPE_CHECKING:
    from apps.viewer_open3d import Open3DRenderer

Floats = NDArray[np.float64]
_FRAME_RATE_CAP_S = 1 / 60
_LINE_PX, _SMALLEST = 40, 0.4  # from one line of words to the next at size 1; smaller words are made only to fit in
_INSET_SHARE = 0.26  # width of the clip's picture in the corner, of the whole picture's


class ResultShow:
    """Frames of one or more results of the same clip. `show` draws, `play` runs a window, `annotated` gives a picture."""

    def __init__(self, results: Sequence[Result], renderer: Renderer, colour: str = "person", pictures: bool = True) -> None:
        self._first = first = results[0]
        self.time_s = first.time_s
        self._cast = cast_of(results)
        self._colour, self._scale = colour, scale_of(colour)
        self._trails = True
        self._clip = ClipPictures(first.video) if pictures and first.video else None
        self._rgb: NDArray[np.uint8] | None = None
        self._inset = True  # the clip's picture lies in a corner, where it hides nobody; else in the camera's frustum
        self._inset_left_px: int | None = None
        self._xyz_world_m = first.in_scenes(self._cast.xyz_m, [world.T_world_camera for world in first.worlds])
        self.viewer = Viewer(first.world, first.camera, renderer, _floor_radius_m(self._xyz_world_m))

    @property
    def rate_fps(self) -> float:
        """Frames a second as they usually follow each other."""
        return 1 / usual_step_s(self.time_s)

    def frame_all(
        self, azimuth_deg: float = 45.0, elevation_deg: float = 14.0, with_camera: bool = False, around: bool = False
    ) -> None:
        """Look at everybody over the whole clip, so that the view can stand still (or turn around them)."""
        points = [self._xyz_world_m.reshape(-1, 3)]
        if with_camera and self.viewer.camera is not None:
            self._inset = False
            points += [world.points(self.viewer.camera_outline()) for world in self._first.worlds]
        seen_m = world_to_camera(np.concatenate(points), self.viewer.world.T_camera_world)  # from where the viewer now stands
        self.viewer.frame_all(seen_m, azimuth_deg, elevation_deg, around)

    def turn(self, degrees: float) -> None:
        """Walk around."""
        self.viewer.look(self.viewer.view.turned(degrees))

    def show(self, frame: int) -> bool:
        """Draw a frame of the clip; False after the window was closed."""
        scene = self._first.scene_at(frame)
        if self._first.worlds[scene] is not self.viewer.world:  # behind a cut
            self.viewer.stand_in(self._first.worlds[scene])
        first = max((0, *self._first.cuts)[scene], frame - TRAIL_ROWS + 1) if self._trails else frame
        paths = {key: xyz_m[first : frame + 1] for key, xyz_m in zip(self._cast.keys, self._cast.xyz_m, strict=True)}
        people = {key: path_m[-1] for key, path_m in paths.items()}
        if self._clip is not None:
            self._rgb = self._clip.at(float(self.time_s[frame]))
        in_frustum = None if self._inset else self._rgb
        return self.viewer.show(people, in_frustum, paths, self._cast.colours(self._colour, frame))

    def annotated(self, frame: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """What is shown as (H, W, 3) uint8 RGB, with the clip's picture in the corner; who, when, and what colours mean."""
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
        when: Piece = (f" frame {frame}   {self.time_s[frame]:.2f} s", INK)
        size, words = max(width / 2200, _SMALLEST), [*self._cast.legend, when]
        write(image, words, (margin, height - margin), fitting_size(words, width - 2 * margin, size))
        above_px = height - margin - round(_LINE_PX * size)
        write(image, self._scale, (margin, above_px), fitting_size(self._scale, width - 2 * margin, size))
        return image

    def play(self, frame: int = 0) -> None:
        """Run the window until it is closed; needs a renderer with a window."""
        if not self.viewer.renderer.interactive:
            raise InputError("this renderer has no window; use --screenshot or --movie")
        player = Player(self.time_s, frame)
        self._closing = self._inset = False
        self._bind(player)
        last = time.monotonic()
        while not self._closing:
            start = time.monotonic()
            frame = player.tick(start - last)
            last = start
            self.viewer.renderer.put_bar(self._bar(player))
            if not self.show(frame):
                break
            time.sleep(max(0.0, _FRAME_RATE_CAP_S - (time.monotonic() - start)))

    def _bar(self, player: Player) -> NDArray[np.uint8]:
        """What the window's foot says: who, where in the clip, how fast."""
        last = len(self.time_s) - 1
        state = f" frame {player.frame}/{last}   {self.time_s[player.frame]:.2f} s   x{player.speed:g}"
        words: list[Piece] = [*self._cast.legend, (f"{state}   {'' if player.playing else 'paused'}", INK)]
        return bar(self.viewer.renderer.size_wh[0], words, player.frame / max(last, 1), self._scale)

    def _bind(self, player: Player) -> None:
        renderer: Open3DRenderer = self.viewer.renderer  # type: ignore[assignment]
        for key, action in player.keys().items():
            renderer.on_key(key, action)
        renderer.on_key(KEY_R, self.frame_all)
        renderer.on_key(KEY_C, self._behind_camera)
        renderer.on_key(KEY_T, self._toggle_trails)
        renderer.on_key(KEY_ESC, self._close_soon)

    def _behind_camera(self) -> None:
        depth_m = self._cast.xyz_m[..., 2]
        self.viewer.look_from_behind_camera(float(np.nanmedian(depth_m)) if np.isfinite(depth_m).any() else 4.0)

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


def _floor_radius_m(xyz_world_m: Floats) -> float:
    """A ground that reaches two metres beyond everybody."""
    xy = xyz_world_m[..., :2]
    known = xy[np.isfinite(xy).all(axis=-1)]
    return float(np.clip(np.percentile(np.linalg.norm(known, axis=1), 99) + 2, 3, 30)) if len(known) else 4.0
