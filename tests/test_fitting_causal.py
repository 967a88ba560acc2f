"""The causal fit: it agrees with the whole-clip fit on clean data, bridges short absences, and its filter is 1-Euro's."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.causal import CausalFitter, CausalSettings
from fitting.settings import FitSettings
from fitting.smoothing import OneEuro
from fitting.solve import fit_clip
from posecore.errors import InputError
from posecore.metrics import mpjpe_mm
from posecore.types import Pose3D, Source, Track
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, truth

TIME = np.arange(45) / 30
XYZ = truth(TIME, seed=2)
SETTINGS = FitSettings(contact=False, floor=False)


def row(track: Track, t: int) -> Pose3D:
    return Pose3D(track.xy_px[t], track.score[t], track.xyz_m[t], track.sigma_m[t])


def run(track: Track, causal: CausalSettings | None = None, settings: FitSettings = SETTINGS) -> np.ndarray:
    fitter = CausalFitter(CAMERA, HEIGHT_M, settings, causal)
    frames = [fitter.update(track.time_s[t], row(track, t)) for t in range(len(track.frame))]
    return np.array([frame.xyz_m for frame in frames if frame is not None])


def test_agrees_with_the_whole_clip_on_clean_data():
    track = seen(XYZ, TIME)
    whole = fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=SETTINGS)
    assert mpjpe_mm(run(track)[10:], whole.xyz_m[10:], 14) < 20


@pytest.mark.parametrize("filtered", [False, True])
def test_noise_is_reduced(filtered):
    track = seen(XYZ, TIME, 3.0, 0.06)
    assert mpjpe_mm(run(track, CausalSettings(filter_inputs=filtered))[10:], XYZ[10:], 14) < 60


def test_the_gain_is_on_both_pulls():
    track = seen(XYZ, TIME, 3.0, 0.06)
    stronger = replace(SETTINGS, prior=2 * SETTINGS.prior, hinge_prior=2 * SETTINGS.hinge_prior)
    gained, told = run(track, CausalSettings(prior_gain=2.0)), run(track, CausalSettings(prior_gain=1.0), stronger)
    np.testing.assert_array_equal(gained, told)
    assert np.abs(gained - run(track, CausalSettings(prior_gain=1.0))).max() > 1e-3


def test_looks_only_back():
    track = seen(XYZ, TIME, 3.0, 0.06)
    later = Track(7, *(getattr(track, n)[:20] for n in ("frame", "time_s", "xy_px", "score", "xyz_m", "sigma_m")))
    assert np.array_equal(run(track)[:20], run(later))


def test_short_absences_are_bridged_long_ones_start_afresh():
    track, fitter = seen(XYZ, TIME, 2.0, 0.03), CausalFitter(CAMERA, HEIGHT_M, SETTINGS)
    assert fitter.update(0.0, None) is None
    fitter.update(0.1, row(track, 0))
    bridged = fitter.update(0.3, None)
    assert bridged is not None
    assert (bridged.source == Source.FILLED).all()
    assert fitter.update(1.0, None) is None
    again = fitter.update(1.1, row(track, 30))
    assert again is not None
    assert mpjpe_mm(again.xyz_m[None], XYZ[30:31], 14) < 80
    with pytest.raises(InputError, match="increase"):
        fitter.update(1.1, row(track, 31))


def test_one_euro_follows_its_definition():
    keep = OneEuro(1.0, 0.5, 1.0)
    keep(0.0, np.array([1.0]))
    out = keep(0.1, np.array([2.0]))
    alpha = 1 / (1 + 1 / (2 * np.pi * 1.0 * 0.1))
    speed = alpha * 10.0
    alpha = 1 / (1 + 1 / (2 * np.pi * (1.0 + 0.5 * speed) * 0.1))
    assert out[0] == pytest.approx(1.0 + alpha)


def test_one_euro_keeps_constants_and_passes_over_the_unknown():
    keep = OneEuro(1.7, 0.3)
    values = np.array([5.0, np.nan])
    for k in range(5):
        out = keep(k / 30, values)
    assert out[0] == 5.0
    assert np.isnan(out[1])
    assert keep(1.0, np.array([5.0, 3.0]))[1] == 3.0


def test_slow_frames_are_no_absence():
    """Who is seen in every frame, of 1.5 a second, has a window to fit, not one cold start after another."""
    time_s = np.arange(8) / 1.5
    track = seen(truth(time_s, seed=3), time_s, 3.0, 0.06)
    fitter = CausalFitter(CAMERA, HEIGHT_M, SETTINGS)
    for t in range(len(time_s)):
        fitter.update(time_s[t], row(track, t))
    assert fitter._window is not None
    assert len(fitter._window[1]) > 1
    assert fitter.update(time_s[-1] + 5.0, None) is None, "five seconds are one"


def test_a_first_answer_that_is_long_in_coming_is_an_absence():
    """Who was seen at 0 s and is gone when the next frame comes, at 6.96 s, is not shown at his old place."""
    track, fitter = seen(XYZ, TIME), CausalFitter(CAMERA, HEIGHT_M, SETTINGS)
    fitter.update(0.0, row(track, 0))
    assert fitter.update(6.96, None) is None


@pytest.mark.parametrize("rate_fps", [1.0, 2.0])
def test_one_missed_frame_of_a_slow_camera_is_bridged(rate_fps):
    time_s = np.arange(5) / rate_fps
    track, fitter = seen(truth(time_s, seed=3), time_s), CausalFitter(CAMERA, HEIGHT_M, SETTINGS)
    fitter.update(time_s[0], row(track, 0))
    for t in (1, 3):
        bridged = fitter.update(time_s[t], None)
        assert bridged is not None
        assert (bridged.source == Source.FILLED).all()
        fitter.update(time_s[t + 1], row(track, t + 1))
        assert fitter._window is not None
        assert len(fitter._window[1]) == 2, "followed, not started afresh"
