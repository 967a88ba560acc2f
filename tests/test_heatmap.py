import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecore.heatmap import cells_to_px, find_peaks, px_to_cells, refine_peaks


def gaussian(hw, x, y, sigma):
    rows, columns = np.indices(hw)
    return np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / sigma**2)[None]


def test_cells_and_pixels_share_the_first_edge_and_are_inverse():
    assert cells_to_px(-0.5, 8) == -0.5
    assert cells_to_px(0, 8) == 3.5
    np.testing.assert_allclose(px_to_cells(cells_to_px(np.linspace(-3, 40, 9), 8), 8), np.linspace(-3, 40, 9))


@given(x=st.floats(-0.45, 11.45), y=st.floats(-0.45, 8.45), sigma=st.floats(0.6, 2.0))
@settings(max_examples=100, deadline=None)
def test_a_gaussian_is_found_exactly_anywhere_in_the_picture(x, y, sigma):
    maps = gaussian((9, 12), x, y, sigma)
    peaks = find_peaks(maps, 0.1)
    xy_cells, height = refine_peaks(maps, peaks, sigma)
    assert len(peaks) == 1
    np.testing.assert_allclose(xy_cells, [[x, y]], atol=1e-6)
    np.testing.assert_allclose(height, 1, atol=1e-6)


def test_the_width_matters_at_the_border_only():
    inside, border = gaussian((9, 9), 4.3, 4.2, 1.0), gaussian((9, 9), 8.3, 4.2, 1.0)
    np.testing.assert_allclose(refine_peaks(inside, find_peaks(inside, 0.1), 3.0)[0], [[4.3, 4.2]], atol=1e-9)
    assert refine_peaks(border, find_peaks(border, 0.1), 3.0)[0][0, 0] == 8.5


def test_a_lone_cell_is_its_own_centre_and_a_plateau_is_one_peak():
    maps = np.zeros((1, 7, 7), dtype=np.float32)
    maps[0, 3, 2] = 0.6
    xy_cells, height = refine_peaks(maps, find_peaks(maps, 0.1), 0.9)
    np.testing.assert_allclose(xy_cells, [[2, 3]])
    assert height[0] == pytest.approx(0.6)
    maps[0, 3:5, 2:4] = 0.6
    np.testing.assert_array_equal(find_peaks(maps, 0.1), [[0, 3, 2]])


@given(seed=st.integers(0, 1000), radius=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_peaks_are_the_cells_that_no_neighbour_beats(seed, radius):
    maps = np.random.default_rng(seed).random((2, 6, 9))
    wanted = []
    for c, row, column in np.ndindex(maps.shape):
        around = maps[c, max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]
        if maps[c, row, column] == around.max() and maps[c, row, column] > 0.4:
            wanted.append([c, row, column])
    np.testing.assert_array_equal(find_peaks(maps, 0.4, radius), np.array(wanted).reshape(-1, 3))
