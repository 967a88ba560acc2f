import numpy as np
import pytest

from pose2d import estimator
from pose2d.codec import decode
from pose2d.estimator import PoseEstimator, detect_people, maps_at
from pose2d.second_look import LOOK
from pose2d.targets import encode
from posecore.camera import scale_xy_px
from posecore.errors import InputError
from posecore.heatmap import px_to_cells
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from posecore.weights import Weights
from tests.people2d import upright

STRIDE = 8


@pytest.fixture
def detector(monkeypatch):
    """Makes a detector whose network knows where people stand in pictures of a size, at whatever size it is shown them."""

    def make(people_xy_px, size_wh, heights_px):
        def run(rgb):
            height = min(heights_px, key=lambda h: abs(h - rgb.shape[1]))
            width = round(size_wh[0] * height / size_wh[1])
            seen = scale_xy_px(people_xy_px, np.array([width / size_wh[0], height / size_wh[1]]))  # as cv2.resize does
            heat, paf = encode(seen, np.ones(seen.shape[:2]), (rgb.shape[1] // STRIDE, rgb.shape[2] // STRIDE), STRIDE)
            return np.concatenate([heat, paf])[None]

        card = Weights(estimator.DEFAULT_WEIGHTS, {}, {"network": "openpose_light", "config": {}}, "0")
        monkeypatch.setattr(estimator, "load_weights", lambda path, *names: card)
        monkeypatch.setattr(estimator, "load_into", lambda network, weights: network)
        monkeypatch.setattr(estimator, "make_runner", lambda network, read, backend: run)
        return PoseEstimator(heights_px=heights_px, look=None)

    return make


@pytest.mark.parametrize("size_wh", [(1920, 1080), (1079, 607), (353, 641), (200, 150)])
@pytest.mark.parametrize("heights_px", [(368,), (368, 208)])
def test_joints_come_back_in_the_pixels_of_a_picture_of_any_size(detector, size_wh, heights_px):
    width, height = size_wh
    person = upright(width * 0.8, height * 0.2, min(height * 0.8, width * 0.7))
    (found,) = detector(person[None], size_wh, heights_px).detect(np.zeros((height, width, 3), np.uint8))
    np.testing.assert_allclose(found.xy_px, person, atol=0.1 * height / min(heights_px))


def test_maps_end_where_the_picture_ends(detector):
    person = upright(600, 200, 600)
    heat, paf, scale_xy = detector(person[None], (1000, 1080), (368,)).maps(np.zeros((1080, 1000, 3), np.uint8), 368)
    assert heat.shape == (19, 46, 43)
    assert paf.shape == (38, 46, 43)
    assert scale_xy == pytest.approx([341 / 1000, 368 / 1080])
    assert len(decode(heat, paf, STRIDE)) == 1


@pytest.mark.parametrize("look", [None, LOOK])
def test_people_come_the_surest_first_not_those_with_most_joints(look):
    whole, half = upright(160, 60, 280), upright(480, 60, 280)
    few = (np.arange(18) < 8).astype(float)  # nose, neck and arms

    def run(rgb):
        cells = (rgb.shape[1] // STRIDE, rgb.shape[2] // STRIDE)
        dim, bright = (encode(xy[None], np.ones((1, 18)) * valid, cells, STRIDE) for xy, valid in ((whole, 1), (half, few)))
        heat, paf = np.maximum(0.5 * dim[0], bright[0]), 0.5 * dim[1] + bright[1]
        return np.concatenate([heat, paf])[None].repeat(len(rgb), axis=0) * (
            rgb.shape[1] == 384
        )  # 368 px and what pads them: seen once

    sure, dim = detect_people(run, np.zeros((368, 640, 3), np.uint8), look=look)
    assert dim.score.sum() > sure.score.sum()
    assert sure.person_score > dim.person_score
    np.testing.assert_allclose(sure.xy_px[:8], half[:8], atol=0.5)


@pytest.mark.parametrize("shape", [(90, 120), (90, 120, 1), (90, 120, 4), (1, 90, 120, 3), (0, 120, 3), (90, 0, 3)])
def test_what_is_no_picture_is_one_clear_line_of_the_detector(shape):
    for rgb in (np.zeros(shape, np.uint8), np.zeros((90, 120, 3)), np.zeros((90, 120, 3), np.uint16), [[[0, 0, 0]]]):
        with pytest.raises(InputError, match="uint8") as error:
            detect_people(lambda rgb: pytest.fail("the network was asked"), rgb)
        assert "\n" not in str(error.value)


def test_a_person_found_at_two_sizes_is_one_without_a_second_look_too():
    person = upright(320, 60, 280)

    def run(rgb):
        scale = {384: 1.0, 224: 208 / 368}[rgb.shape[1]]  # sizes, padded
        cells = (rgb.shape[1] // STRIDE, rgb.shape[2] // STRIDE)
        return np.concatenate(encode(scale_xy_px(person[None], scale), np.ones((1, 18)), cells, STRIDE))[None]

    blank = np.zeros((368, 640, 3), np.uint8)
    assert [len(detect_people(run, blank, heights, look=None)) for heights in ((208,), (368, 208))] == [1, 1]


@pytest.mark.parametrize("size_wh", [(1, 1000), (2, 3000), (1000, 1), (1, 1)])
def test_a_picture_a_pixel_wide_shows_nobody(size_wh):
    def run(rgb):
        assert all(side and side % 32 == 0 for side in rgb.shape[1:3])
        return np.zeros((len(rgb), 57, rgb.shape[1] // STRIDE, rgb.shape[2] // STRIDE), np.float32)

    assert detect_people(run, np.zeros((size_wh[1], size_wh[0], 3), np.uint8)) == []


def test_a_picture_is_reduced_by_averages():
    """Columns of which the middle two of four are black: of what lies between those alone nothing would be seen."""
    seen = []

    def run(rgb):
        seen.append(rgb)
        return np.zeros((len(rgb), 57, rgb.shape[1] // STRIDE, rgb.shape[2] // STRIDE), np.float32)

    columns = np.tile(np.array([200, 0, 0, 200], np.uint8), 64)
    maps_at(run, np.tile(columns[None, :, None], (256, 1, 3)), 64)
    np.testing.assert_array_equal(seen[0][0], 100)


@pytest.mark.parametrize("size", [256, 232])  # the network wants multiples of 32
def test_limb_heat_of_a_crop_is_in_the_order_of_limb_joints_in_its_cells(detector, size):
    person = upright(112, 30, 170)
    heat = detector(person[None], (256, 256), (256,)).limb_heat(np.zeros((1, size, size, 3), np.uint8))
    assert heat.shape == (1, 12, size // 8, size // 8)
    y, x = np.divmod(heat[0].reshape(12, -1).argmax(axis=1), size // 8)
    expected = px_to_cells(person[load_skeleton("openpose18").indices(LIMB_JOINTS)], STRIDE)
    np.testing.assert_allclose(np.stack([x, y], axis=1), expected, atol=0.51)
