import itertools

import cv2
import numpy as np
import pytest

from apps.cuts import CutFinder, CutSettings, layout_change


def picture(seed, size_wh=(320, 180)):
    """Smooth coloured blobs, another scene for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 8, 3)) * rng.uniform(0.3, 1, 3)
    return cv2.resize(np.clip(coarse, 0, 255).astype(np.uint8), size_wh, interpolation=cv2.INTER_CUBIC)


def moved(rgb, shift_px=12.0, zoom=1.03, turn_deg=1.0):
    h, w = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), turn_deg, zoom)
    matrix[0, 2] += shift_px
    return cv2.warpAffine(rgb, matrix, (w, h), borderMode=cv2.BORDER_REFLECT)


def is_cut(before, after):
    """Whether a cut is found where a still scene goes over into a picture."""
    finder = CutFinder(CutSettings())
    assert not any(finder.is_cut(before) for _ in range(3))
    return finder.is_cut(after)


@pytest.mark.parametrize("seed", range(8))
def test_another_scene_is_a_cut_and_the_same_scene_jerked_is_none(seed):
    rgb = picture(seed)
    noisy = np.clip(moved(rgb) * 1.05 + np.random.default_rng(seed).normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)
    assert is_cut(rgb, picture(seed + 100))
    assert not is_cut(rgb, noisy)


@pytest.mark.parametrize("seed", range(8))
def test_a_flash_and_a_lamp_switched_off_are_no_cuts(seed):
    rgb = picture(seed)
    flash, dark = (np.clip(rgb * gain + lift, 0, 255).astype(np.uint8) for gain, lift in ((0.6, 100), (0.35, 0)))
    assert np.abs(flash - rgb.astype(float)).mean() > 2 * CutSettings().change_min
    assert not is_cut(rgb, flash)
    assert not is_cut(rgb, dark)


def test_photos_of_different_places_are_cuts_and_flashes_over_them_are_not(shared_data):
    photos = sorted((shared_data / "backgrounds").glob("*.jpg"))[:40]
    scenes = [cv2.resize(cv2.imread(str(p))[..., ::-1], (480, 270)) for p in photos]
    assert np.mean([is_cut(a, b) for a, b in itertools.pairwise(scenes)]) >= 0.95
    assert not any(is_cut(rgb, np.clip(rgb * 0.6 + 100, 0, 255).astype(np.uint8)) for rgb in scenes)


def test_the_layout_follows_a_pan_up_to_an_eighth():
    rgb = picture(5)
    assert layout_change(rgb, rgb) == pytest.approx(0, abs=1e-6)
    assert layout_change(rgb, np.roll(rgb, 36, axis=1)) < 0.05 < layout_change(rgb, np.roll(rgb, 120, axis=1))
