"""Cameras and coordinate spaces (docs/conventions.md). Camera axes are OpenCV's: x right, y down, z forward, metres.

Pixels: the centre of the first pixel is (0, 0). `scale_xy_px` is the one place that writes the half pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.errors import InputError

DEFAULT_VERTICAL_FOV_DEG = 54.0  # VNect's rule for a camera of which nothing is known
ASSUMED = "assumed"  # how the source of such a camera begins
_STEPS_OUTWARDS, _NEWTON_STEPS = 8, 15  # the rest of the steps are made on the spot
_REACH_SAMPLES = 32  # along each side of the picture, and from the principal point to it
_UNDONE_PX = 0.5


@dataclass(frozen=True)
class Camera:
    """A static pinhole camera with the distortion (k1, k2, p1, p2, k3) of OpenCV.

    K_px: (3, 3) intrinsics in pixels; size_wh: image width and height in pixels; source: where the intrinsics came from, for
    the report ("given", "--fov 42", "assumed 54 degrees vertically", ...).
    """

    K_px: NDArray[np.float64]
    size_wh: tuple[int, int]
    distortion: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))
    source: str = "given"

    def __post_init__(self) -> None:
        K = np.asarray(self.K_px, dtype=np.float64)
        d = np.asarray(self.distortion, dtype=np.float64).ravel()
        if K.shape != (3, 3) or not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
            raise InputError(f"camera: K must be a finite 3x3 matrix with positive focal lengths, got {K.tolist()}")
        if len(d) > 5 or not np.isfinite(d).all():
            raise InputError(f"camera: at most 5 finite distortion values (k1 k2 p1 p2 k3) are known, got {d.tolist()}")
        object.__setattr__(self, "K_px", K)
        object.__setattr__(self, "distortion", np.pad(d, (0, 5 - len(d))))

    @property
    def is_assumed(self) -> bool:
        """Whether nothing was known of the lens."""
        return self.source.startswith(ASSUMED)

    @property
    def focal_px(self) -> tuple[float, float]:
        """Focal lengths (fx, fy) in pixels."""
        return float(self.K_px[0, 0]), float(self.K_px[1, 1])

    @property
    def vertical_fov_deg(self) -> float:
        """Vertical field of view in degrees."""
        return float(np.degrees(2 * np.arctan(0.5 * self.size_wh[1] / self.K_px[1, 1])))


def camera_from_fov(size_wh: tuple[int, int], vertical_fov_deg: float, source: str) -> Camera:
    """Square pixels, principal point in the middle: f = h / (2 tan(fov / 2))."""
    if not 1.0 <= vertical_fov_deg <= 170.0:
        raise InputError(f"the vertical field of view must lie in 1..170 degrees, got {vertical_fov_deg:g}")
    return camera_from_focal(size_wh, 0.5 * size_wh[1] / np.tan(np.radians(vertical_fov_deg) / 2), source)


def camera_from_focal(size_wh: tuple[int, int], focal_px: float, source: str) -> Camera:
    """Square pixels of the given focal length, principal point in the middle of the image."""
    if not np.isfinite(focal_px) or focal_px <= 0:
        raise InputError(f"the focal length must be a positive number of pixels, got {focal_px}")
    width, height = size_wh
    K = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(K, size_wh, source=source)


def scale_xy_px(xy_px: ArrayLike, scale: float | NDArray) -> NDArray[np.float64]:
    """Pixel positions in an image resized by `scale`: x' = s (x + 0.5) - 0.5."""
    return scale * (np.asarray(xy_px, dtype=np.float64) + 0.5) - 0.5


def world_to_camera(xyz_world: ArrayLike, T_camera_world: ArrayLike) -> NDArray[np.float64]:
    """(..., 3) world points to camera points by the (4, 4) rigid transform T_camera_world."""
    T = np.asarray(T_camera_world, dtype=np.float64)
    return np.asarray(xyz_world, dtype=np.float64) @ T[:3, :3].T + T[:3, 3]


def distort(xy_normalised: NDArray, distortion: NDArray) -> NDArray[np.float64]:
    """OpenCV's radial and tangential model on (..., 2) points of the plane z = 1."""
    k1, k2, p1, p2, k3 = distortion
    x, y = xy_normalised[..., 0], xy_normalised[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )


def distortion_derivative(xy_normalised: NDArray, distortion: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Derivative of `distort` at (..., 2) points, a symmetric 2 x 2 matrix: its elements xx, xy and yy, (...) each."""
    k1, k2, p1, p2, k3 = distortion
    x, y = xy_normalised[..., 0], xy_normalised[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3))
    return (
        radial + slope * x * x + 2 * p1 * y + 6 * p2 * x,
        slope * x * y + 2 * p1 * x + 2 * p2 * y,
        radial + slope * y * y + 6 * p1 * y + 2 * p2 * x,
    )


def camera_to_image(xyz_m: ArrayLike, camera: Camera) -> NDArray[np.float64]:
    """(..., 3) camera points in metres to (..., 2) pixels; NaN for points not in front of the camera (z <= 0)."""
    xyz = np.asarray(xyz_m, dtype=np.float64)
    z = np.where(xyz[..., 2:] > 0, xyz[..., 2:], np.nan)
    xy = distort(xyz[..., :2] / z, camera.distortion)
    return xy @ camera.K_px[:2, :2].T + camera.K_px[:2, 2]


def in_picture(xy_px: NDArray, size_wh: ArrayLike) -> NDArray[np.bool_]:
    """(...,) whether pixels (..., 2) lie in a picture of this width and height; those that are unknown do not."""
    return np.asarray(((xy_px > -0.5) & (xy_px < np.asarray(size_wh) - 0.5)).all(axis=-1))


def beyond_picture(xy_px: NDArray[np.float64], camera: Camera) -> NDArray[np.bool_]:
    """(T, 21) whether pixels (T, 21, 2) lie outside the camera's picture, as those do that are unknown."""
    return ~in_picture(xy_px, camera.size_wh)


def way_beyond_px(xy_px: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """(...,) how far pixels (..., 2) lie beyond the camera's picture; 0 in it and where they are unknown."""
    last_px = np.array(camera.size_wh) - 0.5
    return np.nan_to_num(np.linalg.norm(xy_px - np.clip(xy_px, -0.5, last_px), axis=-1))


def image_to_ray(xy_px: ArrayLike, camera: Camera) -> NDArray[np.float64]:
    """(..., 2) pixels to (..., 3) viewing rays (x/z, y/z, 1), lens distortion removed as far as `undistorted_reach_px`."""
    xy = np.asarray(xy_px, dtype=np.float64)
    point = (xy - camera.K_px[:2, 2]) @ np.linalg.inv(camera.K_px[:2, :2]).T
    if np.any(camera.distortion):
        point = undistort(point, camera.distortion)
    return np.concatenate([point, np.ones_like(point[..., :1])], axis=-1)


def undistort(xy_distorted: NDArray, distortion: NDArray) -> NDArray[np.float64]:
    """The (..., 2) points of the plane z = 1 that `distort` takes to these: by Newton's method, outwards from the middle, where
    both are the same, so that what is found is the nearest of several."""
    point = np.zeros_like(xy_distorted)
    for share in np.minimum(1, np.arange(1, _NEWTON_STEPS + 1) / _STEPS_OUTWARDS):
        xx, xy, yy = distortion_derivative(point, distortion)
        miss = share * xy_distorted - distort(point, distortion)
        step = np.stack([yy * miss[..., 0] - xy * miss[..., 1], xx * miss[..., 1] - xy * miss[..., 0]], axis=-1)
        point = point + step / (xx * yy - xy * xy)[..., None]
    return point


def undistorted_reach_px(camera: Camera) -> float:
    """How far from the principal point the distortion can be undone, in pixels; infinite if as far as the picture goes.

    Beyond it the polynomial folds (several rays fall on one pixel, or none does), as it may where nothing was calibrated.
    """
    (width, height), centre = camera.size_wh, camera.K_px[:2, 2]
    share = np.linspace(0, 1, _REACH_SAMPLES + 1)
    x, y = share * width - 0.5, share * height - 0.5
    sides = [(x, y[0]), (x, y[-1]), (x[0], y), (x[-1], y)]
    border = np.concatenate([np.stack(np.broadcast_arrays(*side), axis=-1) for side in sides])
    way = share[1:, None, None] * (border - centre)
    with np.errstate(all="ignore"):  # beyond the fold
        ray = image_to_ray(centre + way, camera)
        miss_px = np.linalg.norm(camera_to_image(ray, camera) - (centre + way), axis=-1)
        xx, xy, yy = distortion_derivative(share[:, None, None, None] * ray[..., :2], camera.distortion)
        unfolded = ((xx > 0) & (xx * yy > xy * xy)).all(axis=0)
    return float(np.linalg.norm(way, axis=-1)[~(unfolded & (miss_px < _UNDONE_PX))].min(initial=np.inf))


def rotation_to_ray(ray: ArrayLike) -> NDArray[np.float64]:
    """(3, 3) R_camera_crop: turns the crop's own viewing axes (z through the crop's centre) into the camera's axes.

    A network that sees only a crop cannot know where in the image it lay; its x, y, z are those of a camera that looks at the
    crop's centre. This is the smallest rotation that takes (0, 0, 1) onto the ray.
    """
    d = np.asarray(ray, dtype=np.float64)
    x, y, z = d / np.linalg.norm(d)
    k = 1 / (1 + z)
    return np.array([[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]])
