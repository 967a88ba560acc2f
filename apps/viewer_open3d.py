"""Draws the viewer's scene with Open3D: a window where there is a display, else into memory by EGL."""

from __future__ import annotations

import os
from collections.abc import Callable
from tempfile import gettempdir
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.viewer_scene import BACKGROUND, Mesh
from apps.viewer_view import View
from posecore.camera import Camera, image_to_ray, world_to_camera
from posecore.errors import MissingDependencyError


def import_open3d() -> Any:
    """Open3D, or MissingDependencyError that names the package which brings the missing library."""
    try:
        os.environ.setdefault("XDG_RUNTIME_DIR", gettempdir())  # without one its window library prints an error of no account
        import open3d

        return open3d
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"Open3D cannot be loaded ({error}); on Debian or Ubuntu: apt-get install libusb-1.0-0 libgl1 libegl1 "
            "libgl1-mesa-dri libx11-6; or use --renderer opencv, which needs none of them"
        ) from None


_BAR_DEPTH_M = 0.05  # the bar hangs this near before the eye, where nothing else is
_FARTHEST_M = 200.0


class Open3DRenderer:
    """A window (`visible`) or an off-screen picture of `size_wh` pixels.

    `put` adds a mesh or moves it, `look` sets the view, `draw` renders. MissingDependencyError where neither a display nor EGL
    is to be had.
    """

    interactive = True

    def __init__(self, size_wh: tuple[int, int], visible: bool, title: str = "video3d") -> None:
        self._o3d = import_open3d()
        self._o3d.utility.set_verbosity_level(self._o3d.utility.VerbosityLevel.Error)
        self.size_wh = size_wh
        self._window = self._o3d.visualization.VisualizerWithKeyCallback()
        made = self._window.create_window(title, size_wh[0], size_wh[1], visible=visible)
        if not made or self._window.get_view_control() is None:
            raise MissingDependencyError(
                "Open3D found neither a display nor EGL; on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri; "
                "or use --renderer opencv"
            )
        option = self._window.get_render_option()
        option.background_color = BACKGROUND
        option.light_on = False  # the scene's colours carry their light
        option.mesh_show_back_face = True
        control = self._window.get_view_control()
        control.set_constant_z_near(0.5 * _BAR_DEPTH_M)
        control.set_constant_z_far(_FARTHEST_M)
        self._shown: dict[str, Any] = {}
        self._bar: NDArray[np.uint8] | None = None
        self._looked = False

    def put(self, name: str, mesh: Mesh) -> None:
        """Show a mesh, or move the one of that name: its triangles must stay the same."""
        new = name not in self._shown
        shape = self._shown.setdefault(name, self._o3d.geometry.TriangleMesh())
        shape.vertices = self._o3d.utility.Vector3dVector(mesh.vertices)
        shape.vertex_colors = self._o3d.utility.Vector3dVector(np.ascontiguousarray(mesh.colours))
        if new:
            shape.triangles = self._o3d.utility.Vector3iVector(mesh.triangles)
        self._refresh(shape, new)

    def remove(self, name: str) -> None:
        """Show the mesh of that name no more; nothing where there is none."""
        if name in self._shown:
            self._window.remove_geometry(self._shown.pop(name), reset_bounding_box=False)

    def put_picture(self, name: str, corners: NDArray[np.float64], rgb: NDArray[np.uint8]) -> None:
        """Show an image on the rectangle (4, 3) given from its top left corner clockwise, in the world."""
        new = name not in self._shown
        shape = self._shown.setdefault(name, self._o3d.geometry.TriangleMesh())
        shape.vertices = self._o3d.utility.Vector3dVector(corners)
        shape.textures = [self._o3d.geometry.Image(np.ascontiguousarray(rgb))]
        if new:
            triangles = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
            uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float64)
            shape.triangles = self._o3d.utility.Vector3iVector(triangles)
            shape.triangle_uvs = self._o3d.utility.Vector2dVector(uv[triangles.ravel()])
            shape.triangle_material_ids = self._o3d.utility.IntVector([0, 0])
        self._refresh(shape, new)

    def put_bar(self, rgb: NDArray[np.uint8]) -> None:
        """Show an image along the lower edge of the window, from wherever one looks."""
        self._bar = rgb

    def _hang_bar(self, rgb: NDArray[np.uint8]) -> None:
        """Move the bar before the eye, wherever the mouse has turned the view."""
        seen = self._window.get_view_control().convert_to_pinhole_camera_parameters()
        width, height = seen.intrinsic.width, seen.intrinsic.height
        top = height - rgb.shape[0] * width / rgb.shape[1]
        corners_px = np.array([(0, top), (width, top), (width, height), (0, height)]) - 0.5
        corners = image_to_ray(corners_px, Camera(np.array(seen.intrinsic.intrinsic_matrix), (width, height))) * _BAR_DEPTH_M
        self.put_picture("bar", world_to_camera(corners, np.linalg.inv(seen.extrinsic)), rgb)

    def _refresh(self, shape: Any, new: bool) -> None:
        if not new:
            self._window.update_geometry(shape)
            return
        control = self._window.get_view_control()
        seen = control.convert_to_pinhole_camera_parameters()  # as the mouse has turned it
        self._window.add_geometry(shape, reset_bounding_box=True)
        if self._looked:
            control.convert_from_pinhole_camera_parameters(seen, True)  # adding a shape lets Open3D choose a view of its own

    def look(self, view: View) -> None:
        """Stand at `view`."""
        self._looked = True
        parameters = self._o3d.camera.PinholeCameraParameters()
        width, height = self.size_wh
        fx, fy = view.camera(self.size_wh).focal_px
        parameters.intrinsic = self._o3d.camera.PinholeCameraIntrinsic(width, height, fx, fy, (width - 1) / 2, (height - 1) / 2)
        parameters.extrinsic = view.T_view_world
        self._window.get_view_control().convert_from_pinhole_camera_parameters(parameters, True)

    def on_key(self, key: int, action: Callable[[], None]) -> None:
        """Call `action` when the key (GLFW code) is pressed in the window."""

        def pressed(_window: Any) -> bool:
            action()
            return False

        self._window.register_key_callback(key, pressed)

    def draw(self) -> bool:
        """Render once and handle the window's events; False after the window was closed."""
        alive = bool(self._window.poll_events())
        if self._bar is not None:
            self._hang_bar(self._bar)
        self._window.update_renderer()
        return alive

    def picture(self) -> NDArray[np.uint8]:
        """What is shown, (H, W, 3) uint8 RGB."""
        image = np.asarray(self._window.capture_screen_float_buffer(True))
        return (image * 255 + 0.5).astype(np.uint8)

    def close(self) -> None:
        """Destroy the window."""
        self._window.destroy_window()
