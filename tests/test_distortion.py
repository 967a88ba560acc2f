"""Lens distortion: what is undone is done again, and a lens that folds inside the picture is refused."""

import numpy as np
import pytest
import yaml

from apps.camera_choice import read_camera
from posecore.camera import Camera, camera_to_image, distort, distortion_derivative, image_to_ray, undistorted_reach_px
from posecore.errors import InputError

# fx, size, distortion: published calibrations (EuRoC, TUM, KITTI), and lenses as far out as they can be inverted
LENSES = {
    "euroc": (458.65, (752, 480), [-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]),
    "tum": (517.3, (640, 480), [0.2624, -0.9531, -0.0054, 0.0026, 1.1633]),
    "kitti": (984.24, (1392, 512), [-0.3728755, 0.2037299, 0.002219027, 0.001383707, -0.07233722]),
    "almost folded": (630.0, (640, 480), [-0.3333]),  # a pixel at its corner is four in the middle
    "pincushion": (600.0, (960, 540), [0.6, 0.3]),
}
FOLDED = {
    "barrel": (70.0, (160, 120), [-0.3]),
    "folded and back again": (700.0, (1280, 720), [-0.4, 0.05]),  # the corners have rays, on the polynomial's other branch
    "sideways": (500.0, (640, 480), [0.0, 0.0, 0.3, 0.0]),
}


def lens(fx: float, size_wh: tuple[int, int], distortion: list[float]) -> Camera:
    K = np.array([[fx, 0, 0.52 * size_wh[0]], [0, 1.01 * fx, 0.49 * size_wh[1]], [0, 0, 1]])
    return Camera(K, size_wh, np.array(distortion))


def lens_file(folder, camera, **more):
    path = folder / "camera.yaml"
    path.write_text(yaml.safe_dump({"K": camera.K_px.tolist(), "distortion": camera.distortion.tolist(), **more}))
    return path


def all_over(size_wh: tuple[int, int]) -> np.ndarray:
    x, y = (np.linspace(-0.5, n - 0.5, 41) for n in size_wh)
    return np.stack(np.meshgrid(x, y), axis=-1)


def test_derivative_is_that_of_the_distortion():
    rng, h = np.random.default_rng(0), 1e-6
    for distortion in rng.normal(0, 0.3, (5, 5)):
        xy = rng.normal(size=(7, 2))
        xx, xy_, yy = distortion_derivative(xy, distortion)
        by_x, by_y = ((distort(xy + d, distortion) - distort(xy - d, distortion)) / (2 * h) for d in ([h, 0], [0, h]))
        np.testing.assert_allclose(np.stack([xx, xy_], -1), by_x, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(np.stack([xy_, yy], -1), by_y, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LENSES)
def test_what_is_undone_is_done_again_in_the_whole_picture(name, tmp_path):
    camera = lens(*LENSES[name])
    xy_px = all_over(camera.size_wh)
    np.testing.assert_allclose(camera_to_image(image_to_ray(xy_px, camera), camera), xy_px, atol=1e-6)
    assert undistorted_reach_px(camera) == np.inf
    read = read_camera(lens_file(tmp_path, camera), camera.size_wh)
    np.testing.assert_array_equal(read.distortion, camera.distortion)


@pytest.mark.parametrize("name", FOLDED)
def test_a_lens_that_folds_inside_the_picture_is_refused(name, tmp_path):
    camera = lens(*FOLDED[name])
    width, height = camera.size_wh
    reach_px = undistorted_reach_px(camera)
    assert 0 < reach_px < np.hypot(width, height)
    whole = lens_file(tmp_path, camera, width=width, height=height)
    with pytest.raises(
        InputError, match=f"cannot be undone beyond {reach_px:.0f} px .* {width} x {height} reaches farther"
    ) as told:
        read_camera(whole, camera.size_wh)
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="cannot be undone beyond"):
        read_camera(whole, (width // 2, height // 2))
    middle_wh = (width // 4, height // 4)  # a cut-out from where the lens can be inverted
    cut = lens_file(tmp_path, camera, width=width, height=height, crop_offset_px=[3 * width // 8, 3 * height // 8])
    assert read_camera(cut, middle_wh).size_wh == middle_wh


@pytest.mark.parametrize("k1", [-0.2, -0.3, -0.6])
def test_the_reach_ends_where_the_polynomial_turns_back(k1):
    """r + k1 r^3 rises up to r = 1 / sqrt(-3 k1), and is two thirds of it there."""
    camera = Camera(np.array([[400.0, 0, 640], [0, 400, 360], [0, 0, 1]]), (1281, 721), np.array([k1]))
    sample_px = np.hypot(640, 360) / 32
    expected_px = 400 * 2 / 3 / np.sqrt(-3 * k1)
    assert 0.99 * expected_px < undistorted_reach_px(camera) < expected_px + sample_px
