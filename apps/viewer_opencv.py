"""Draws the viewer's scene with OpenCV alone (painter's algorithm), for where there is no OpenGL and for tests."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.viewer_scene import BACKGROUND, Mesh
from apps.viewer_view import View
from posecore.camera import camera_to_image, world_to_camera

Floats = NDArray[np.float64]
_NEAR_M = 0.1  # triangles that reach nearer to the eye are left out
_SUBPIXEL_BITS = 4
_UNDER = ("floor", "shadow")  # name prefixes of what lies flat on the ground: painted first, in this order


class PainterRenderer:
    """The same interface as Open3DRenderer, pictures only: it has no window of its own."""

    interactive = False

    def __init__(self, size_wh: tuple[int, int], visible: bool = False, title: str = "video3d") -> None:
        self.size_wh = size_wh
        self._meshes: dict[str, Mesh] = {}
        self._pictures: dict[str, tuple[Floats, NDArray[np.uint8]]] = {}
        self._bar: NDArray[np.uint8] | None = None
        self._view = View((0.0, 0.0, 1.0), 5.0)

    def put(self, name: str, mesh: Mesh) -> None:
        """Show a mesh, or replace the one of that name."""
        self._meshes[name] = mesh

    def remove(self, name: str) -> None:
        """Show the mesh of that name no more; nothing where there is none."""
        self._meshes.pop(name, None)

    def put_picture(self, name: str, corners: Floats, rgb: NDArray[np.uint8]) -> None:
        """Show an image on the rectangle (4, 3) given from its top left corner clockwise, in the world."""
        self._pictures[name] = (corners, rgb)

    def put_bar(self, rgb: NDArray[np.uint8]) -> None:
        """Show an image along the lower edge of the picture."""
        self._bar = rgb

    def look(self, view: View) -> None:
        """Stand at `view`."""
        self._view = view

    def on_key(self, key: int, action: Callable[[], None]) -> None:
        """Without a window there are no keys."""

    def draw(self) -> bool:
        """Nothing to do: pictures are painted when they are asked for."""
        return True

    def close(self) -> None:
        """Forget the scene."""
        self._meshes.clear()
        self._pictures.clear()

    def picture(self) -> NDArray[np.uint8]:
        """The scene, (H, W, 3) uint8 RGB: the ground, the video picture, then all triangles from far to near."""
        width, height = self.size_wh
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = np.round(BACKGROUND * 255)
        for prefix in _UNDER:
            self._paint(canvas, [mesh for name, mesh in self._meshes.items() if name.startswith(prefix)])
        for corners, rgb in self._pictures.values():
            self._paste(canvas, corners, rgb)
        self._paint(canvas, [mesh for name, mesh in self._meshes.items() if not name.startswith(_UNDER)])
        if self._bar is not None:
            canvas[-len(self._bar) :] = cv2.resize(self._bar, (width, len(self._bar)))
        return canvas

    def _project(self, xyz_world_m: Floats) -> tuple[Floats, Floats]:
        """(V, 3) world points to (V, 2) pixels and (V,) depths."""
        xyz = world_to_camera(xyz_world_m, self._view.T_view_world)
        return camera_to_image(xyz, self._view.camera(self.size_wh)), xyz[:, 2]

    def _paint(self, canvas: NDArray[np.uint8], meshes: list[Mesh]) -> None:
        corners, depths, colours = [], [], []
        for mesh in meshes:
            xy, depth = self._project(mesh.vertices)
            keep = (depth[mesh.triangles] > _NEAR_M).all(axis=1)
            triangles = mesh.triangles[keep]
            corners.append(xy[triangles])
            depths.append(depth[triangles].mean(axis=1))
            colours.append(mesh.colours[triangles].mean(axis=1))
        if not corners:
            return
        xy_px, depth_m, colour = np.concatenate(corners), np.concatenate(depths), np.concatenate(colours)
        fixed = np.round(np.clip(xy_px, -1e4, 1e4) * 2**_SUBPIXEL_BITS).astype(np.int32)
        a, b = (fixed[:, 1] - fixed[:, 0]).astype(np.int64), (fixed[:, 2] - fixed[:, 0]).astype(np.int64)
        area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        levels = np.round(colour * 255)
        for k in np.argsort(-depth_m, kind="stable"):
            if area[k]:
                cv2.fillConvexPoly(canvas, fixed[k], levels[k].tolist(), cv2.LINE_AA, _SUBPIXEL_BITS)

    def _paste(self, canvas: NDArray[np.uint8], corners: Floats, rgb: NDArray[np.uint8]) -> None:
        xy, depth = self._project(corners)
        if depth.min() < _NEAR_M:
            return
        height, width = rgb.shape[:2]
        outline = np.array([(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)])
        H = cv2.getPerspectiveTransform(outline.astype(np.float32), xy.astype(np.float32))
        cv2.warpPerspective(rgb, H, self.size_wh, dst=canvas, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
