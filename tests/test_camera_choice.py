import json

import cv2
import numpy as np
import pytest
import yaml

from apps.camera_choice import CameraSettings, choose_camera, read_camera, turn_to_camera
from posecore.camera import Camera, camera_from_fov, camera_to_image, image_to_ray, rotation_to_ray
from posecore.errors import ConfigError, InputError
from posecore.results import camera_to_dict
from posecore.types import Track

K = [[1000.0, 0.0, 950.0], [0.0, 1010.0, 530.0], [0.0, 0.0, 1.0]]
FULL = {"K": K, "distortion": [0.1, -0.05, 0.001, 0.002], "width": 1920, "height": 1080}


def write(folder, values):
    (folder / "camera.yaml").write_text(yaml.safe_dump(values))
    return folder / "camera.yaml"


def test_nothing_known_is_54_degrees_vertically_and_says_so():
    camera = choose_camera((640, 480), CameraSettings())
    assert camera.vertical_fov_deg == pytest.approx(54)
    assert camera.source == "assumed 54 degrees vertically"
    np.testing.assert_allclose(camera.K_px[:2, 2], [319.5, 239.5])


def test_given_field_of_view_and_focal_length():
    assert choose_camera((640, 480), CameraSettings(fov_deg=40)).vertical_fov_deg == pytest.approx(40)
    assert choose_camera((640, 480), CameraSettings(focal_px=777)).focal_px == (777, 777)


def test_two_answers_are_refused():
    with pytest.raises(ConfigError, match="fov_deg and file"):
        choose_camera((640, 480), CameraSettings(fov_deg=40, file="x.yaml"))


def test_a_calibration_of_the_clip_s_size_is_taken_as_it_is(tmp_path):
    camera = read_camera(write(tmp_path, FULL), (1920, 1080))
    assert camera.K_px.tolist() == K
    assert camera.distortion.tolist() == [0.1, -0.05, 0.001, 0.002, 0]
    assert camera.source == "camera file camera.yaml"


def test_json_and_single_numbers(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"fx": 900, "cx": 320.5, "cy": 240}))
    assert read_camera(tmp_path / "c.json", (640, 480)).K_px.tolist() == [[900, 0, 320.5], [0, 900, 240], [0, 0, 1]]


@pytest.mark.parametrize("ending", ["yaml", "json"])
@pytest.mark.parametrize("names", [("camera_matrix", "dist_coeffs"), ("K", "D"), ("cameraMatrix", "distCoeffs")])
def test_what_opencv_stores_serves(tmp_path, names, ending):
    path = tmp_path / f"stored.{ending}"
    out = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in zip((*names, "image_width", "image_height"), (np.array(K), FULL["distortion"], 1920, 1080), strict=True):
        out.write(name, np.array([value]) if isinstance(value, list) else value)
    out.write("avg_reprojection_error", 0.3)
    out.release()
    large, small = read_camera(path, (1920, 1080)), read_camera(path, (960, 540))
    assert large.K_px.tolist() == K
    assert large.distortion.tolist() == [0.1, -0.05, 0.001, 0.002, 0]
    assert small.focal_px == (500, 505)
    first, _, rest = path.read_text().partition("\n")
    if ending == "yaml":
        path.write_text(f"%YAML:1.0\n{rest}")  # which is no YAML
        np.testing.assert_array_equal(read_camera(path, (960, 540)).K_px, small.K_px, err_msg=first)


def test_what_ros_stores_serves(tmp_path):
    def matrix(values):
        return {"rows": 1, "cols": np.size(values), "data": np.ravel(values).tolist()}

    values = {"image_width": 1920, "image_height": 1080, "camera_name": "cam", "camera_matrix": matrix(K)}
    values |= {"distortion_model": "plumb_bob", "distortion_coefficients": matrix([0.1, 0, 0, 0, 0])}
    camera = read_camera(write(tmp_path, {**values, "rectification_matrix": matrix(np.eye(3))}), (1920, 1080))
    assert camera.K_px.tolist() == K
    assert camera.distortion.tolist() == [0.1, 0, 0, 0, 0]


def test_config_of_a_result_serves(tmp_path):
    camera = Camera(np.array(K), (1920, 1080), np.array([0.1]))
    path = write(tmp_path, {"clip": {}, "camera": camera_to_dict(camera)})
    np.testing.assert_array_equal(read_camera(path, (1920, 1080)).K_px, camera.K_px)


def test_an_assumed_lens_stays_one_whatever_file_hands_it_on(tmp_path):
    """Error bars in depth follow from it."""
    assumed = choose_camera((640, 480), CameraSettings())
    path = write(tmp_path, {"camera": camera_to_dict(assumed)})
    again = choose_camera((640, 480), CameraSettings(file=str(path)))
    assert again.is_assumed
    assert again.source == f"assumed 54 degrees vertically (camera file {path.name})"
    given = choose_camera((640, 480), CameraSettings(fov_deg=42))
    assert not read_camera(write(tmp_path, {"camera": camera_to_dict(given)}), (640, 480)).is_assumed


def test_a_smaller_copy_of_the_picture_sees_the_same_rays(tmp_path):
    """Half the size: the point in the middle of four pixels becomes the middle of one."""
    path = write(tmp_path, FULL)
    large, small = read_camera(path, (1920, 1080)), read_camera(path, (960, 540))
    xyz_m = np.array([[0.3, -0.2, 2.0], [-0.5, 0.4, 3.0]])
    expected = (camera_to_image(xyz_m, large) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(camera_to_image(xyz_m, small), expected, atol=1e-9)


def test_a_cut_out_sees_the_same_rays(tmp_path):
    whole = read_camera(write(tmp_path, FULL), (1920, 1080))
    cut = read_camera(write(tmp_path, {**FULL, "crop_offset_px": [8, 4]}), (1900, 1072))
    xyz_m = np.array([[0.3, -0.2, 2.0]])
    np.testing.assert_allclose(camera_to_image(xyz_m, cut), camera_to_image(xyz_m, whole) - [8, 4], atol=1e-9)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**FULL, "width": 1088, "height": 1920}, "calibrated for 1088 x 1920 but the clip is 1920 x 1080"),  # turned
        ({**FULL, "width": 1940}, "no plain scaling; if the clip is a cut-out, add crop_offset_px"),
        ({**FULL, "crop_offset_px": [8, 4]}, "leaves 1920 x 1080"),
        ({"K": K, "crop_offset_px": [8, 4]}, "needs width and height"),
        ({"K": K, "width": 1920}, "both width and height"),
        ({"K": K[:2]}, "K must be 3 x 3"),
        ({"K": np.transpose(K).tolist()}, "0, 0, 1 in its last row"),
        ({"K": "wide"}, "K must be numbers"),
        ({"fx": 900}, "no K and no cx, cy"),
        ({**FULL, "Distortion": [0]}, "unknown entries Distortion; did you mean 'distortion'?"),
        ({"K": K, "zz": 0, 7: 0}, "unknown entries 7, zz; there are K, crop_offset_px, cx"),
        (
            {"fx": -500, "cx": 9, "cy": 9},
            r"camera\.yaml: K must be a finite 3x3 matrix with positive focal lengths, got \[\[-500",
        ),
        ({**FULL, "width": 0}, "width and height must be pixels of the calibrated picture, got 0 x 1080"),
        ({"camera_matrix": {"data": K}, "distortion_model": "equidistant"}, "equidistant lens; calibrate with OpenCV's plain"),
        ({"rvec": {"data": [0, 0, 0]}}, r"camera\.yaml: holds rvec but no camera_matrix; write K: "),
        ({**FULL, "distortion": [0.0] * 8}, r"camera\.yaml: at most 5"),
        ({"K": [[-1.0, 0, 5], [0, 1, 5], [0, 0, 1]]}, "positive focal lengths"),
        ([1, 2], "expected a camera file"),
        ("{", "neither YAML nor JSON"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, values, words):
    path = tmp_path / "camera.yaml"
    path.write_text(values if values == "{" else yaml.safe_dump(values))
    with pytest.raises(InputError, match=words) as caught:
        read_camera(path, (1920, 1080))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{"K": K}, {"fx": 1000, "cx": 640, "cy": 200}, {"fx": 1000, "cx": 300, "cy": -0.6}])
def test_a_principal_point_outside_the_clip_asks_for_the_calibrated_size(tmp_path, values):
    """It had been taken for the clip's own, and people were put elsewhere."""
    path = write(tmp_path, values)
    with pytest.raises(
        InputError, match=r"camera\.yaml: cx, cy = .* lie outside the clip's 640 x 360; add width and height of"
    ):
        read_camera(path, (640, 360))
    told = read_camera(write(tmp_path, {**values, "width": 640, "height": 360}), (640, 360))
    assert told.source == "camera file camera.yaml", "who tells the clip's own size means it"


def test_a_principal_point_of_another_size_inside_the_clip_is_told(tmp_path):
    told = ", whose cx, cy fit a picture of about 1920 x 1080: if it was that, add width and height"
    other = {"fx": 1400, "cx": 959.5, "cy": 539.5}
    assert read_camera(write(tmp_path, other), (1280, 720)).source == f"camera file camera.yaml{told}"
    for cx, cy in ((800, 359.5), (900, 300), (639.5 * 1.25, 359.5 * 1.25), (639.5, 359.5)):  # shifted lenses, cut-outs
        assert read_camera(write(tmp_path, {"fx": 1400, "cx": cx, "cy": cy}), (1280, 720)).source == "camera file camera.yaml"


def test_turning_a_track_is_what_the_other_camera_s_lift_had_given():
    rng = np.random.default_rng(0)
    old, new = camera_from_fov((640, 480), 54, "old"), camera_from_fov((640, 480), 40, "new")
    local_m = rng.normal(0, 0.4, (3, 21, 3))
    xy_px = rng.uniform(20, 460, (3, 21, 2)) + np.array([[150, 0]])
    centre_px = 0.5 * (xy_px.min(axis=1) + xy_px.max(axis=1))

    def lifted(camera):
        turns = np.stack([rotation_to_ray(image_to_ray(c, camera)) for c in centre_px])
        return np.einsum("tij,tkj->tki", turns, local_m)

    ones = np.ones((3, 21))
    track = Track(1, np.arange(3), np.arange(3) / 30, xy_px, ones, lifted(old), np.ones((3, 21, 2)))
    turned = turn_to_camera(track, old, new)
    np.testing.assert_allclose(turned.xyz_m, lifted(new), atol=1e-12)
    np.testing.assert_allclose(turn_to_camera(turned, new, old).xyz_m, track.xyz_m, atol=1e-12)
    assert turn_to_camera(track, old, camera_from_fov((640, 480), 54, "again")) is track
