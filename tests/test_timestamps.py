"""Times of frames: the usual step of rounded stamps."""

import numpy as np
import pytest

from posecore.export.clock import even_times
from posecore.timestamps import FALLBACK_RATE_FPS, usual_step_s

RATES_FPS = [15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 120, 240]


def in_milliseconds(time_s):
    return np.round(time_s, 3)


@pytest.mark.parametrize("fps", RATES_FPS)
def test_the_usual_step_is_the_camera_s_though_frames_are_lost_and_stamps_rounded(fps):
    rng = np.random.default_rng(round(fps))
    for lost in ([], [137], rng.choice(np.arange(1, 299), 40, replace=False), np.arange(2, 299, 3)):
        time_s = in_milliseconds(7 + np.delete(np.arange(300), lost) / fps)
        assert usual_step_s(time_s) == pytest.approx(1 / fps, rel=2e-4)


@pytest.mark.parametrize("fps", RATES_FPS)
def test_a_pause_does_not_change_the_usual_step(fps):
    time_s = np.arange(300) / fps
    for pause_s in (1.0, 200.0):
        paused = time_s + pause_s * (np.arange(300) >= 120)
        assert usual_step_s(paused) == pytest.approx(1 / fps, rel=1e-9)
        assert usual_step_s(in_milliseconds(paused)) == pytest.approx(1 / fps, rel=5e-4)


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("jitter", [0.05, 0.2, 0.4])
def test_jitter_does_not_change_the_usual_step(fps, jitter):
    """Stamps of a browser, set when a picture happened to arrive."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        time_s = in_milliseconds(np.sort(np.arange(300) + rng.uniform(-jitter, jitter, 300)) / fps)
        assert usual_step_s(time_s) == pytest.approx(1 / fps, rel=0.03)


def test_the_usual_step_of_next_to_nothing():
    assert usual_step_s(np.zeros(0)) == usual_step_s(np.ones(1)) == 1 / FALLBACK_RATE_FPS
    assert usual_step_s(np.array([1.0, 1.25])) == 0.25
    assert usual_step_s(np.array([0.0, 0.04, 200.0])) == pytest.approx(0.04)


@pytest.mark.parametrize("fps", RATES_FPS)
def test_an_even_clock_of_a_clip_that_lost_a_frame_has_the_camera_s_rate(fps):
    time_s = in_milliseconds(np.delete(np.arange(300), 137) / fps)
    even_s = even_times(time_s)
    assert len(even_s) == 300
    assert (len(even_s) - 1) / (even_s[-1] - even_s[0]) == pytest.approx(fps, rel=2e-4)
