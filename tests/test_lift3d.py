import numpy as np
import pytest
import torch

from lift3d import codec
from lift3d.lifter import Lifter
from lift3d.loss import vnect_loss
from lift3d.network import LiftConfig, VNectResNet18
from lift3d.network50 import VNectResNet50
from posecore.crop import UPRIGHT, crop_from_detection, crop_from_points, cut_crop, turned_matrix
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from posecore.types import Crop, Detection2D
from tests.small_lifter import write_small_lifter

CELLS = 32


def perfect_logits(heat):
    """Logits whose softmax is the target itself."""
    return (np.log(heat + 1e-12) / codec.LOGIT_GAIN).astype(np.float64)


def test_cells_and_pixels_are_inverse_and_half_a_pixel_is_where_it_should_be():
    assert codec.to_pixels(0.0) == 3.5  # centre of the first 8 px cell
    xy = np.random.default_rng(0).uniform(0, 255, (50, 2))
    np.testing.assert_allclose(codec.to_pixels(codec.to_cells(xy)), xy, atol=1e-12)


def test_encode_then_peak_is_exact_below_a_hundredth_of_a_pixel():
    # Away from the border the softmax of a Gaussian's logarithm is a Gaussian: its parabola has the exact apex.
    xy = np.random.default_rng(1).uniform(24, 231, (21, 2))
    heat = codec.softmax_heat(perfect_logits(codec.encode_heat(xy, CELLS)))
    peaks, score = codec.find_peaks(heat)
    np.testing.assert_allclose(codec.to_pixels(peaks), xy, atol=0.01)
    assert (score > 0.95).all()


def test_joints_outside_or_unknown_have_no_target():
    heat = codec.encode_heat(np.array([[-20.0, 10.0], [np.nan, 5.0], [128.0, 128.0]]), CELLS)
    assert heat[:2].sum() == 0
    assert heat[2].sum() == pytest.approx(1, abs=1e-6)


def test_two_peaks_give_the_stronger_and_share_the_score():
    heat = 0.7 * codec.encode_heat(np.array([[60.0, 60.0]]), CELLS) + 0.3 * codec.encode_heat(np.array([[200.0, 200.0]]), CELLS)
    peaks, score = codec.find_peaks(heat.astype(float))
    np.testing.assert_allclose(codec.to_pixels(peaks[0]), [60, 60], atol=0.1)
    assert score[0] == pytest.approx(0.7, abs=0.02)


def test_bilinear_reading_is_exact_on_a_plane_and_reads_the_border_outside():
    y, x = np.mgrid[0:CELLS, 0:CELLS]
    plane = (2 * x - 3 * y + 1.0)[None, None]
    at = np.array([[4.25, 7.75]])
    assert codec.read_bilinear(plane, at)[0, 0] == pytest.approx(2 * 4.25 - 3 * 7.75 + 1, abs=1e-12)
    assert codec.read_bilinear(plane, np.array([[-5.0, 100.0]]))[0, 0] == plane[0, 0, CELLS - 1, 0]


def test_decode_reads_the_location_maps_at_the_peak_and_subtracts_the_pelvis():
    rng = np.random.default_rng(2)
    xy, xyz = rng.uniform(30, 220, (21, 2)), rng.normal(size=(21, 3))
    maps = np.zeros((6, 21, CELLS, CELLS))
    maps[0] = perfect_logits(codec.encode_heat(xy, CELLS))
    maps[1:4] = xyz.T[:, :, None, None]
    maps[4], maps[5] = np.log(0.02), np.log(0.05)
    got_xy, _, got, sigma = codec.decode(maps, pelvis=14)
    np.testing.assert_allclose(got_xy, xy, atol=0.01)
    np.testing.assert_allclose(got, xyz - xyz[14], atol=1e-12)
    np.testing.assert_allclose(sigma, np.sqrt(2) * np.tile([0.02, 0.05], (21, 1)))


def test_maps_in_the_mirror_give_the_person_in_the_mirror():
    skeleton = load_skeleton("vnect21")
    rng = np.random.default_rng(4)
    xy, xyz = rng.uniform(30, 220, (21, 2)), rng.normal(size=(21, 3))
    maps = np.zeros((6, 21, CELLS, CELLS))
    maps[0] = perfect_logits(codec.encode_heat(xy, CELLS))
    maps[1:4] = xyz.T[:, :, None, None]
    there = codec.mirror_maps(maps, skeleton.mirror)
    got_xy, _, got, _ = codec.decode(there, skeleton.root)
    plain_xy, _, plain, _ = codec.decode(maps, skeleton.root)
    np.testing.assert_allclose(got_xy, (plain_xy * [-1, 1] + [8 * CELLS - 1, 0])[skeleton.mirror], atol=1e-9)
    np.testing.assert_allclose(got, (plain * [-1, 1, 1])[skeleton.mirror], atol=1e-12)
    np.testing.assert_array_equal(codec.mirror_maps(there, skeleton.mirror), maps)


@pytest.mark.parametrize("mirror", [False, True])
def test_lifter_sees_left_and_right_alike_only_with_the_mirror(tmp_path, mirror):
    skeleton, weights = load_skeleton("vnect21"), write_small_lifter(tmp_path / "w.safetensors")
    lifter = Lifter(weights, mirror=mirror)
    assert (lifter.input_px, Lifter(weights, input_px=96).input_px) == (64, 96)
    rgb = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), dtype=np.uint8)
    maps, there = lifter.maps(rgb), lifter.maps(rgb[:, :, ::-1])
    same = np.allclose(codec.mirror_maps(there, skeleton.mirror), maps, atol=1e-5)
    assert same == mirror


def test_an_opinion_is_a_product_of_maps_and_one_without_contrast_changes_nothing():
    rng = np.random.default_rng(4)
    logits, heat = rng.normal(size=(3, CELLS, CELLS)), rng.uniform(0, 1, (3, CELLS, CELLS))
    pooled = codec.softmax_heat(codec.add_opinion(logits, heat))
    product = codec.softmax_heat(logits) * (heat + codec.OPINION_FLOOR) ** codec.OPINION
    np.testing.assert_allclose(pooled, product / product.sum(axis=(1, 2), keepdims=True), rtol=1e-4)  # float32 logits times 8
    same = codec.softmax_heat(codec.add_opinion(logits, np.full_like(heat, 0.3)))
    np.testing.assert_allclose(same, codec.softmax_heat(logits), rtol=1e-4)


def test_of_two_places_an_opinion_says_which():
    spots = codec.encode_heat(codec.to_pixels(np.array([[2.0, 2.0], [5.0, 5.0]])), CELLS)
    logits = np.log(0.6 * spots[0] + 0.4 * spots[1] + 1e-6) / codec.LOGIT_GAIN
    opinion = codec.GAUSSIAN_MASS * spots[1]
    alone, asked = (codec.find_peaks(codec.softmax_heat(z)[None])[0][0] for z in (logits, codec.add_opinion(logits, opinion)))
    np.testing.assert_allclose(alone, [2, 2], atol=0.1)
    np.testing.assert_allclose(asked, [5, 5], atol=0.1)


def test_an_opinion_is_asked_about_every_crop_and_moves_only_the_heat_of_its_limbs(tmp_path):
    skeleton, weights = load_skeleton("vnect21"), write_small_lifter(tmp_path / "w.safetensors")
    limb = LIMB_JOINTS.index("left_wrist")

    def opinion(crops_rgb):
        heat = np.zeros((len(crops_rgb), 12, 8, 8), np.float32)
        heat[:, limb, 3, 6] = 1
        return heat

    rgb = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    alone, asked = (Lifter(weights, opinion=o).maps(rgb) for o in (None, opinion))
    wrist = skeleton.index("left_wrist")
    said = np.zeros_like(alone, dtype=bool)
    said[:, 0, skeleton.indices(LIMB_JOINTS)] = True
    np.testing.assert_array_equal(asked[~said], alone[~said])
    heat, before = (codec.softmax_heat(maps[:, 0]) for maps in (asked, alone))
    np.testing.assert_allclose(np.delete(heat, wrist, axis=1), np.delete(before, wrist, axis=1), rtol=1e-3)
    assert (heat[:, wrist, 3, 6] > before[:, wrist, 3, 6]).all()


def test_crop_matrix_agrees_with_its_own_mapping_and_inverts():
    crop = Crop(np.array([103.2, 57.9]), 180.0, 256)
    xy = np.random.default_rng(3).uniform(0, 300, (20, 2))
    M = turned_matrix(crop, UPRIGHT)
    np.testing.assert_allclose(xy @ M[:, :2].T + M[:, 2], crop.to_crop(xy), atol=1e-9)
    np.testing.assert_allclose(crop.to_image(crop.to_crop(xy)), xy, atol=1e-9)


@pytest.mark.parametrize("side", [64.0, 200.0, 400.0, 900.0])  # enlarged, as it is, drawn twice as large, strongly reduced
def test_cut_crop_puts_a_spot_where_the_crop_says(side):
    at = np.array([412.0, 388.0])
    y, x = np.mgrid[0:800, 0:800]
    spread = side / 40
    spot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))
    crop = Crop(at + side * np.array([0.11, -0.07]), side, 128)
    cut = cut_crop(np.repeat(spot[..., None], 3, 2).astype(np.uint8), crop)[..., 0].astype(float)
    v, u = np.mgrid[0:128, 0:128]
    centre = np.array([(cut * u).sum(), (cut * v).sum()]) / cut.sum()
    np.testing.assert_allclose(centre, crop.to_crop(at), atol=0.1)  # 8-bit rounding of the spot's skirts


@pytest.mark.parametrize("side", [96.0, 400.0, 700.0])  # about as it is, drawn twice as large, strongly reduced
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_crop_shows_all_its_corners_and_puts_a_spot_where_its_matrix_says(side, mirrored):
    turn = np.array([[np.cos(0.8), -np.sin(0.8)], [np.sin(0.8), np.cos(0.8)]]) * ([[-1.0], [1.0]] if mirrored else 1.0)
    crop = Crop(np.array([602.3, 591.8]), side, 128)
    matrix = turned_matrix(crop, turn)
    white = np.full((1200, 1200), 255, np.uint8)
    assert cut_crop(white, crop, turn).min() == 255
    at = crop.centre_px + side * np.array([0.21, -0.13])
    y, x = np.mgrid[0:1200, 0:1200]
    spot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (side / 40) ** 2))
    cut = cut_crop(spot.astype(np.uint8), crop, turn).astype(float)
    v, u = np.mgrid[0:128, 0:128]
    np.testing.assert_allclose(
        np.array([(cut * u).sum(), (cut * v).sum()]) / cut.sum(), matrix[:, :2] @ at + matrix[:, 2], atol=0.15
    )


def test_crops_follow_the_known_joints_only():
    xy = np.array([[10.0, 20.0], [110.0, 220.0], [9999.0, 9999.0]])
    crop = crop_from_points(xy, np.array([True, True, False]), 256, margin=1.5)
    assert crop is not None
    np.testing.assert_allclose(crop.centre_px, [60, 120])
    assert crop.side_px == 300
    assert crop_from_points(xy, np.array([True, False, False]), 256) is None  # one point has no size
    nobody = Detection2D(np.full((18, 2), np.nan), np.zeros(18))
    assert crop_from_detection(nobody, 256) is None


def test_published_network_gives_all_that_is_supervised_at_stride_eight():
    network = VNectResNet50()
    output = network.everything(torch.randn(2, 3, 48, 48))
    assert output.maps.shape == (2, 6, 21, 6, 6)
    assert output.delta.shape == (2, 3, 21, 6, 6)
    assert [m.shape for m in output.intermediate] == [(2, 6, 21, 6, 6)] * 2
    xy = np.random.default_rng(0).uniform(4, 44, (2, 21, 2))
    target = {
        "heat": torch.from_numpy(np.stack([codec.encode_heat(p, 6) for p in xy])),
        "heat_weight": torch.ones(2, 21),
        "xyz": torch.randn(2, 21, 3),
        "xyz_weight": torch.ones(2, 21),
    }
    vnect_loss(output, target)["total"].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_published_network_has_the_published_size_and_maps():
    # 13.58 M with 84 maps and no projection around res5a, which is 1.05 M; ours has 42 log-scale maps more and two early heads.
    heads = 2 * (1024 * 126 + 126) + 128 * 42
    network = VNectResNet50().eval()
    assert sum(p.numel() for p in network.parameters()) - heads == pytest.approx(14.63e6, rel=0.002)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 368, 368)).shape == (1, 6, 21, 46, 46)


def test_bone_length_channels_are_the_norm_of_the_parent_relative_maps():
    output = VNectResNet50().eval().everything(torch.randn(1, 3, 32, 32), early=False)
    torch.testing.assert_close(output.length, output.delta.norm(dim=1), rtol=1e-4, atol=2e-6)


def test_network_gives_six_maps_a_joint_at_stride_eight():
    network = VNectResNet18(LiftConfig(width=8, channels=16)).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 96, 96)).shape == (2, 6, 21, 12, 12)


@pytest.mark.parametrize("side", [300.0, 800.0])
def test_a_reduced_crop_does_not_flicker(side):
    """White noise, the worst texture, moved by half a crop pixel: means over squares of that size share half of what they cover
    and their difference is as large as they are themselves."""
    noise = np.random.default_rng(4).integers(0, 256, (900, 900), dtype=np.uint8)
    crops = [Crop(np.array([450.3 + dx, 449.8]), side, 128) for dx in (0.0, side / 256)]
    one, other = (cut_crop(noise, crop).astype(float) for crop in crops)
    assert (one - other).std() < noise.std() * 128 / side
