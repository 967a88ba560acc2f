"""Error bars hold what they promise where the truth is known, and widen with what the scale rests on."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.settings import FitSettings
from fitting.solve import ASSUMED_STATURE_SIGMA, GIVEN_STATURE_SIGMA, fit_clip
from fitting.uncertainty import add_centres
from posecore.camera import camera_to_image
from posecore.oks import body_height_px
from posecore.scale import DEFAULT_HEIGHT_M
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, truth

TIME = np.arange(45) / 30
SETTINGS = FitSettings(contact=False, floor=False, joint_sigma_m=0.0)
WITHIN_80, WITHIN_20 = 1.2816, 0.2533  # standard deviations that hold 80 and 20 % of a normal distribution


def lasting(rng, shape, memory_s):
    """Standard normal errors (T, ...) that fade as exp(-t / memory), as the settings have it."""
    kept = np.exp(-np.diff(TIME)[0] / memory_s)
    out = rng.standard_normal(shape)
    for k in range(1, len(out)):
        out[k] = kept * out[k - 1] + np.sqrt(1 - kept**2) * out[k]
    return out


def erring(seed):
    """Truth (T, 21, 3), and the motion fitted to networks that err just as the settings say."""
    rng, xyz = np.random.default_rng(seed), truth(TIME, seed)
    track = seen(xyz, TIME)
    trust, sigma = np.sqrt(track.score)[..., None], np.full_like(track.sigma_m, 0.05)
    sigma_px = np.hypot(SETTINGS.pixel_sigma_px, SETTINGS.pixel_sigma_body * body_height_px(track.xy_px)[:, None, None])
    xy = track.xy_px + sigma_px / trust * lasting(rng, track.xy_px.shape, SETTINGS.pixel_memory_s)
    away = SETTINGS.lift_sigma * sigma[:, :, [0, 0, 1]] / trust * lasting(rng, xyz.shape, SETTINGS.lift_memory_s)
    track = replace(track, xy_px=xy, xyz_m=track.xyz_m + away, sigma_m=sigma)
    return xyz, fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=SETTINGS)


@pytest.fixture(scope="module")
def errors_in_sigmas():
    """(N, 3) errors of all joints of a few motions over their standard deviations."""
    pairs = [erring(seed) for seed in range(3)]
    return np.concatenate([((m.xyz_m - xyz) / m.sigma_m[:, :, [0, 0, 1]]).reshape(-1, 3) for xyz, m in pairs])


@pytest.mark.parametrize("axes", [[0, 1], [2]], ids=["plane", "depth"])
def test_intervals_hold_about_what_they_promise(errors_in_sigmas, axes):
    """Wide bounds: the errors of a clip's neighbouring frames and joints are few independent ones."""
    error = np.abs(errors_in_sigmas[:, axes])
    assert 0.55 < np.mean(error < WITHIN_80) < 0.98
    assert 0.10 < np.mean(error < WITHIN_20) < 0.45


def test_a_stature_that_is_not_known_widens_depth_and_width_by_its_share():
    track = seen(truth(TIME[:10]), TIME[:10], 3.0, 0.06)
    known, unknown = (fit_clip(track, CAMERA, height_m=height, settings=SETTINGS) for height in (DEFAULT_HEIGHT_M, None))
    np.testing.assert_array_equal(unknown.xyz_m, known.xyz_m)
    more = ASSUMED_STATURE_SIGMA**2 - GIVEN_STATURE_SIGMA**2
    assert more > 0
    x, y, z = np.moveaxis(known.xyz_m, -1, 0)
    gained = unknown.sigma_m**2 - known.sigma_m**2
    np.testing.assert_allclose(gained, more * np.stack([(x**2 + y**2) / 2, z**2], axis=-1), rtol=1e-9)


def test_of_half_a_body_the_distance_is_less_sure():
    """Joints within r of their middle tell the size to joint_sigma_m / sqrt(sum r^2); what is cut off tells nothing."""
    close, xyz = replace(CAMERA, size_wh=(1280, 360)), truth(TIME)
    whole, cut = (add_centres(np.zeros((len(TIME), 21, 2)), xyz, camera, 0.03) for camera in (CAMERA, close))
    np.testing.assert_array_equal(whole[..., 0], 0.03)
    np.testing.assert_array_equal(cut[..., 0], 0.03)
    inside = camera_to_image(xyz, close)[..., 1] < 359.5
    assert 0.3 < inside.mean() < 0.7
    for t, joints in enumerate(inside):
        size_m = np.sqrt(xyz[t, joints, :2].var(axis=0).sum() * joints.sum())
        np.testing.assert_allclose(cut[t, :, 1], 0.03 * np.hypot(1, xyz[t, :, 2] / size_m), rtol=1e-9)
    assert (cut[..., 1] > 1.3 * whole[..., 1]).all()


def test_error_bars_stay_finite_where_hardly_a_joint_is_in_the_picture():
    away = truth(TIME) + [30.0, 0.0, 0.0]
    assert np.isfinite(add_centres(np.zeros((len(TIME), 21, 2)), away, CAMERA, 0.03)).all()
