"""Where the viewer stands: a pinhole that looks at a place in the world (z up), in OpenCV axes like every camera here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.camera import Camera, camera_from_fov, world_to_camera

Floats = NDArray[np.float64]
_FILL = 0.88  # share of the picture that the points may fill; bones have some width around their joints
_NEAREST_M = 1.5


@dataclass(frozen=True)
class View:
    """A place to look from: `target` (x, y, z) metres in the world, and from where around it."""

    target: tuple[float, float, float]
    distance_m: float
    azimuth_deg: float = 30.0  # 0 looks along +y (as the camera of the clip does), positive walks to the right of it
    elevation_deg: float = 14.0  # above the horizon
    vertical_fov_deg: float = 36.0  # narrow: little perspective, true proportions

    def turned(self, degrees: float) -> View:
        """The same, further around the target."""
        return replace(self, azimuth_deg=self.azimuth_deg + degrees)

    @property
    def T_view_world(self) -> Floats:
        """(4, 4) world to view axes (x right, y down, z forward)."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        forward = np.array([-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), -np.sin(elevation)])
        right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        eye = np.asarray(self.target) - self.distance_m * forward
        T = np.eye(4)
        T[:3, :3] = np.stack([right, np.cross(forward, right), forward])
        T[:3, 3] = -T[:3, :3] @ eye
        return T

    def camera(self, size_wh: tuple[int, int]) -> Camera:
        """The pinhole that draws a picture of this size."""
        return camera_from_fov(size_wh, self.vertical_fov_deg, "viewer")


def view_on(
    xyz_world_m: ArrayLike, aspect: float, azimuth_deg: float = 30.0, elevation_deg: float = 14.0, around: bool = False
) -> View:
    """A view that shows all of (..., 3) points in a picture of this width over height; unknown points are skipped.

    around: far enough away that the points stay in the picture from every azimuth.
    """
    points = np.asarray(xyz_world_m, dtype=np.float64).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return View((0.0, 0.0, 1.0), 5.0, azimuth_deg, elevation_deg)
    x, y, z = 0.5 * (points.min(axis=0) + points.max(axis=0))
    view = View((float(x), float(y), float(z)), 1.0, azimuth_deg, elevation_deg)
    if around:
        turned = [view.turned(angle) for angle in range(0, 360, 15)]
        return replace(view, distance_m=max(_distance_m(points, other, aspect) for other in turned))
    for _ in range(3):  # perspective: what is near fills more of the picture, so centre it there
        view = replace(view, distance_m=_distance_m(points, view, aspect))
        view = replace(view, target=_centred(points, view))
    return replace(view, distance_m=_distance_m(points, view, aspect))


def _distance_m(points: Floats, view: View, aspect: float) -> float:
    """How far from its target a view must be to have all points inside, with a margin."""
    seen = (points - np.asarray(view.target)) @ view.T_view_world[:3, :3].T
    half_tan = np.tan(np.radians(view.vertical_fov_deg) / 2) * _FILL
    needed = np.maximum(np.abs(seen[:, 0]) / (half_tan * aspect), np.abs(seen[:, 1]) / half_tan) - seen[:, 2]
    return float(max(needed.max(), _NEAREST_M))


def _centred(points: Floats, view: View) -> tuple[float, float, float]:
    """The target moved sideways and up so that the points' outline lies in the middle of the picture."""
    T = view.T_view_world
    seen = world_to_camera(points, T)
    xy = seen[:, :2] / np.maximum(seen[:, 2:], 0.1)
    middle = 0.5 * (xy.min(axis=0) + xy.max(axis=0)) * view.distance_m
    x, y, z = np.asarray(view.target) + middle @ T[:2, :3]
    return float(x), float(y), float(z)
