"""How maps are read, against slow twins that state the formulas of docs/lifting.md with their numbers."""

import numpy as np
import pytest

from lift3d import codec
from lift3d.lifter import Lifter
from posecore.camera import camera_from_fov
from posecore.errors import InputError
from posecore.types import Crop
from tests.small_lifter import write_small_lifter

CELLS = 7


def random_heat(rng, joints):
    """(J, CELLS, CELLS) heat maps that sum to 1, of very unequal cells."""
    heat = rng.uniform(size=(joints, CELLS, CELLS)) ** 6
    return heat / heat.sum(axis=(1, 2), keepdims=True)


def slow_mean(values, heat):
    """One joint's map under its heat map: sum h^1.5 x / sum h^1.5, cell by cell."""
    above = below = 0.0
    for row in range(CELLS):
        for column in range(CELLS):
            weight = float(heat[row, column]) ** 1.5
            above, below = above + weight * values[row, column], below + weight
    return above / below


def test_locations_are_the_mean_under_the_sharpened_heat_map():
    rng = np.random.default_rng(0)
    heat, maps = random_heat(rng, 3), rng.normal(size=(5, 3, CELLS, CELLS))
    expected = [[slow_mean(maps[c, j], heat[j]) for c in range(5)] for j in range(3)]
    np.testing.assert_allclose(codec.read_mean(maps, heat), expected, rtol=1e-12, atol=1e-12)


def slow_pool(heat, other):
    """One heat map h after another network's d had its say: h (d + 0.05)^0.3, normalised anew, cell by cell."""
    said = [[h * (d + 0.05) ** 0.3 for h, d in zip(*rows, strict=True)] for rows in zip(heat, other, strict=True)]
    return np.array(said) / sum(map(sum, said))


def test_an_opinion_multiplies_the_heat_map_by_what_the_other_saw():
    rng = np.random.default_rng(1)
    logits, other = rng.normal(scale=0.3, size=(2, CELLS, CELLS)), rng.uniform(size=(2, CELLS, CELLS)) ** 4
    pooled, heat = codec.softmax_heat(codec.add_opinion(logits, other)), codec.softmax_heat(logits)
    for j in range(2):
        np.testing.assert_allclose(pooled[j], slow_pool(heat[j], other[j]), rtol=1e-4)  # float32 logits times 8


def test_an_opinion_beyond_0_to_1_is_taken_for_the_nearer_of_them():
    logits, other = np.zeros((2, CELLS, CELLS)), np.linspace(-0.5, 1.5, 2 * CELLS**2).reshape(2, CELLS, CELLS)
    np.testing.assert_array_equal(codec.add_opinion(logits, other), codec.add_opinion(logits, np.clip(other, 0, 1)))


def test_a_second_place_is_read_where_it_is_and_not_as_the_mean():
    """On location maps that are planes the second peak's metres are the plane's there; the pelvis is the first's."""
    cells, places = 24, np.array([[6.25, 7.0], [15.5, 17.75]])
    first, second = codec.encode_heat(codec.to_pixels(places), cells)
    row, column = np.mgrid[:cells, :cells]
    maps = np.zeros((6, 1, cells, cells))
    maps[0] = np.log(0.7 * first + 0.3 * second + 1e-12) / 8  # the codec takes 8 times the logits
    maps[1], maps[2], maps[4] = 0.1 * column, 0.2 * row, -0.1 * column
    (_, _, _, sigma), (xy_px, _, xyz_m, sigma_second) = codec.decode_twice(maps, 0)
    origin = codec.read_mean(maps[1:3], codec.softmax_heat(maps[0]))[0]
    np.testing.assert_allclose(codec.to_cells(xy_px)[0], places[1], atol=1e-3)
    np.testing.assert_allclose(xyz_m[0, :2], places[1] * [0.1, 0.2] - origin, atol=1e-3)
    assert sigma_second[0, 0] == pytest.approx(np.sqrt(2) * np.exp(-0.1 * places[1, 0]), rel=1e-3)
    assert sigma[0, 0] > sigma_second[0, 0]


@pytest.mark.parametrize(("log_scale", "taken"), [(-20.0, -6.0), (-6.0, -6.0), (-1.0, -1.0), (1.0, 1.0), (9.0, 1.0)])
def test_error_bars_stay_between_a_few_millimetres_and_a_few_metres(log_scale, taken):
    maps = np.zeros((6, 2, CELLS, CELLS))
    maps[4:] = log_scale
    np.testing.assert_allclose(codec.decode(maps, 0)[3], np.sqrt(2) * np.exp(taken), rtol=1e-12)


@pytest.mark.parametrize("away", [(3, 0), (0, 3), (3, 3)])
def test_the_score_counts_what_is_within_two_cells_of_the_peak(away):
    heat = np.zeros((1, 9, 9))
    heat[0, 3, 3], heat[0, 3 + away[0], 3 + away[1]], heat[0, 5, 5] = 0.5, 0.3, 0.2
    _, score = codec.find_peaks(heat)
    assert score[0] == pytest.approx(0.7, abs=1e-12)


def slow_peak(heat, kept):
    """Place and score of the highest kept cell of a map that no neighbour exceeds, cell by cell; the first of equals."""
    rows, cols = heat.shape
    best = None
    for y, x in np.ndindex(rows, cols):
        about = heat[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        if kept(y, x) and heat[y, x] > 0 and heat[y, x] == about.max() and (best is None or heat[y, x] > heat[best]):
            best = (y, x)
    if best is None:
        return [np.nan, np.nan], 0.0, None
    y, x = best
    dx = slow_apex(heat[y, x - 1 : x + 2]) if 0 < x < cols - 1 else 0.0
    dy = slow_apex(heat[y - 1 : y + 2, x]) if 0 < y < rows - 1 else 0.0
    mass = sum(heat[row, col] for row, col in np.ndindex(rows, cols) if max(abs(row - y), abs(col - x)) <= 2)
    return [x + dx, y + dy], mass, best


def slow_apex(three):
    """Where the parabola through three neighbours' logarithms has its top, at most half a cell off."""
    before, at, after = np.log(three + 1e-30)
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < -1e-9 else 0.0


@pytest.mark.parametrize("seed", range(4))
def test_both_peaks_equal_their_slow_twins_with_ties_and_at_borders(seed):
    rng = np.random.default_rng(seed)
    heat = rng.integers(0, 4, (40, *rng.integers(3, 9, 2))).astype(float) ** 3  # four heights: ties and plateaus everywhere
    heat[:10, 1:-1, 1:-1] = 0  # peaks at the border alone
    heat = heat / np.maximum(heat.sum(axis=(1, 2), keepdims=True), 1.0)
    (xy, score), (second_xy, second_score) = codec.find_peaks(heat), codec.find_second_peaks(heat)
    for j, one in enumerate(heat):
        place, mass, (y, x) = slow_peak(one, lambda row, col: True)
        np.testing.assert_allclose(xy[j], place, rtol=0, atol=1e-12)
        assert score[j] == pytest.approx(min(mass, 1.0), abs=1e-12)
        place, mass, _ = slow_peak(one, lambda row, col, y=y, x=x: max(abs(row - y), abs(col - x)) > 2)
        np.testing.assert_allclose(second_xy[j], place, rtol=0, atol=1e-12)
        assert second_score[j] == pytest.approx(mass, abs=1e-12)


def test_error_bars_are_the_network_s_times_the_gain_of_its_card(tmp_path):
    plain = write_small_lifter(tmp_path / "plain.safetensors")
    gained = write_small_lifter(tmp_path / "gained.safetensors", sigma_gain=[1.5, 4.0])
    rgb = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    crop, camera = Crop(np.array([60.0, 45.0]), 64.0, 64), camera_from_fov((120, 90), 54.0, "test")
    (own,), (stretched,) = (Lifter(weights).lift(rgb, [crop], camera) for weights in (plain, gained))
    np.testing.assert_array_equal(stretched.xyz_m, own.xyz_m)
    np.testing.assert_allclose(stretched.sigma_m, own.sigma_m * [1.5, 4.0], rtol=1e-12)


@pytest.mark.parametrize("shape", [(90, 120), (90, 120, 1), (90, 120, 4), (1, 90, 120, 3), (0, 120, 3), (90, 0, 3)])
def test_what_is_no_picture_is_one_clear_line_of_the_lifter(tmp_path, shape):
    lifter, crop = Lifter(write_small_lifter(tmp_path / "w.safetensors")), Crop(np.array([60.0, 45.0]), 64.0, 64)
    for rgb in (np.zeros(shape, np.uint8), np.zeros((90, 120, 3)), np.zeros((90, 120, 3), np.uint16), [[[0, 0, 0]]]):
        with pytest.raises(InputError, match="uint8") as error:
            lifter.lift(rgb, [crop], camera_from_fov((120, 90), 54.0, "test"))
        assert "\n" not in str(error.value)
