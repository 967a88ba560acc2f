import itertools

import cv2
import numpy as np
import pytest

from pose2d.scenes import is_cut, scene_change
from posecore.errors import InputError


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


@pytest.mark.parametrize("seed", range(8))
def test_another_scene_is_a_cut_and_the_same_scene_moved_is_none(seed):
    rgb = picture(seed)
    noisy = np.clip(moved(rgb) * 1.05 + np.random.default_rng(seed).normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)
    assert is_cut(rgb, picture(seed + 100))
    assert not is_cut(rgb, noisy)
    assert not is_cut(rgb, rgb)


def test_a_flash_and_a_pan_change_one_thing_only():
    rgb = picture(1)
    flash = np.clip(rgb * 0.5 + 128, 0, 255).astype(np.uint8)
    layout, colour = scene_change(rgb, flash)
    assert layout < 0.1 < 0.35 < colour
    assert not is_cut(rgb, flash)
    assert scene_change(rgb, rgb[:, ::-1].copy())[1] < 0.05


def test_photos_of_different_places_are_cuts(shared_data):
    photos = sorted((shared_data / "backgrounds").glob("*.jpg"))[:40]
    scenes = [cv2.resize(cv2.imread(str(p))[..., ::-1], (480, 270)) for p in photos]
    found = [is_cut(a, b) for a, b in itertools.pairwise(scenes)]
    assert np.mean(found) >= 0.85
    assert not any(is_cut(rgb, moved(rgb, 15)) for rgb in scenes)


def test_sizes_may_differ_and_blank_pictures_are_no_cut():
    assert not is_cut(picture(3), picture(3, (1280, 720)))
    assert not is_cut(np.zeros((40, 60, 3), dtype=np.uint8), np.zeros((40, 60, 3), dtype=np.uint8))


def test_grey_pictures_are_refused():
    with pytest.raises(InputError, match="uint8"):
        is_cut(np.zeros((9, 9), dtype=np.uint8), np.zeros((9, 9), dtype=np.uint8))
