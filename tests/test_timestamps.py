"""Times of frames: the usual step of rounded stamps, and which stamps are no frame's own."""

import numpy as np
import pytest

from posecore.export.clock import even_times
from posecore.timestamps import FALLBACK_RATE_FPS, StampMender, usual_step_s

RATES_FPS = [15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 120, 240]


def in_milliseconds(time_s):
    return np.round(time_s, 3)


def mended(stamps, rate_fps):
    mender = StampMender(rate_fps)
    times = [mender.time_s(own, following) for own, following in zip(stamps, [*stamps[1:], None], strict=True)]
    return np.array(times), mender.mended


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


def rising_stamps(rng):
    """Stamps in milliseconds of a clip that changes its rate and stands still now and then."""
    steps_ms = np.concatenate([np.full(rng.integers(1, 40), rng.choice([2, 4, 17, 33, 100, 1000, 200_000])) for _ in range(8)])
    return (np.cumsum(steps_ms) - steps_ms[0]) / 1000


@pytest.mark.parametrize("told_fps", [0.1, 0.743, 30.0, 240.0])
def test_rising_stamps_are_left_alone_whatever_rate_is_told(told_fps):
    rng = np.random.default_rng(1)
    for _ in range(50):
        stamps = rising_stamps(rng)
        times_s, count = mended(stamps.tolist(), told_fps)
        np.testing.assert_array_equal(times_s, stamps)
        assert count == 0


@pytest.mark.parametrize("late_s", [0.0, 0.001])  # some writers put a repeated stamp one tick later
@pytest.mark.parametrize("told_fps", [0.743, 30.0])
def test_a_repeated_stamp_is_mended_alone_and_leaves_no_tiny_step(late_s, told_fps):
    own = in_milliseconds(np.arange(60) / 30 + 200.0 * (np.arange(60) >= 35))
    for repeated in range(1, 60):
        stamps = own.copy()
        stamps[repeated] = own[repeated - 1] + late_s
        times_s, count = mended(stamps.tolist(), told_fps)
        assert count == 1
        np.testing.assert_array_equal(np.delete(times_s, repeated), np.delete(own, repeated))
        assert np.diff(times_s).min() > 0.9 / 30


def test_frames_go_on_at_their_rate_where_stamps_jump_back_or_are_missing():
    stamps = [*(np.arange(30) / 50), *(np.arange(30) / 50), *[None] * 30]
    times_s, count = mended(stamps, 0.743)
    np.testing.assert_allclose(times_s, np.arange(90) / 50, atol=1e-9)
    assert count == 60
