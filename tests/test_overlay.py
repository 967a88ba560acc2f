import io

import numpy as np
import pytest

from apps.cuts import CutFinder, CutSettings
from apps.overlay import LEFT_RGB, RIGHT_RGB, Overlay, person_rgb
from apps.progress import Progress
from posecore.skeleton import load_skeleton
from posecore.types import Motion, Source

VNECT = load_skeleton("vnect21")
BLACK = np.zeros((240, 320, 3), np.uint8)


def motion(points: dict[str, tuple[float, float]], source: Source = Source.MEASURED, person: int = 1, frame: int = 3) -> Motion:
    """One frame of a person of whom only some joints are known."""
    xy, codes = np.full((1, 21, 2), np.nan), np.full((1, 21), Source.EMPTY, np.uint8)
    for joint, point in points.items():
        xy[0, VNECT.index(joint)], codes[0, VNECT.index(joint)] = point, source
    fill = [np.zeros((1, 21, n)) for n in (3, 4, 2)]
    return Motion(person, np.array([frame]), np.array([0.1]), fill[0], fill[1], np.ones(21), xy, fill[2], codes)


def colours(rgb: np.ndarray) -> np.ndarray:
    return rgb[rgb.any(axis=2)]


ARM = {"left_elbow": (100.0, 200.0), "left_wrist": (160.0, 200.0)}


def test_a_bone_lies_between_its_joints_in_its_side_s_colour():
    left = Overlay([motion(ARM)]).draw(BLACK, 3)
    assert left[200, 130] == pytest.approx(LEFT_RGB, rel=0.12)  # a line of one pixel is not quite opaque
    right = Overlay([motion({"right_elbow": (100.0, 200.0), "right_wrist": (160.0, 200.0)})]).draw(BLACK, 3)
    assert right[200, 130] == pytest.approx(RIGHT_RGB, rel=0.12)
    assert not left[210:, :].any()
    assert not left[195:, 165:].any()


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.75])
def test_drawing_is_exact_below_the_pixel(shift):
    drawn = Overlay([motion({"left_wrist": (100.0 + shift, 120.0)})]).draw(BLACK, 3)[112:129, 90:112, 2].astype(float)
    x = (drawn.sum(axis=0) * np.arange(90, 112)).sum() / drawn.sum()
    assert x == pytest.approx(100 + shift, abs=0.1)


def test_what_was_not_seen_is_faint():
    sure = Overlay([motion(ARM)]).draw(BLACK, 3)[200, 130]
    for source in (Source.OCCLUDED, Source.OUTSIDE, Source.FILLED):
        faint = Overlay([motion(ARM, source)]).draw(BLACK, 3)[200, 130]
        assert (faint > 0).all()
        assert (faint < 0.5 * sure).all()


def test_the_number_is_drawn_in_the_person_s_colour():
    for person in (1, 2):
        drawn = Overlay([motion({"left_wrist": (100.0, 120.0)}, person=person)]).draw(BLACK, 3)
        assert (drawn[:110] == person_rgb(person)).all(axis=2).any()
    assert person_rgb(1) != person_rgb(2)


def test_other_frames_and_the_given_picture_stay_untouched():
    overlay = Overlay([motion(ARM)])
    assert not overlay.draw(BLACK, 4).any()
    assert overlay.draw(BLACK, 3).any()
    assert not BLACK.any()


@pytest.mark.parametrize("far", [(-5000.0, 10.0), (1e12, 1e12), (np.nan, np.nan)])
def test_joints_far_outside_or_unknown_do_not_raise(far):
    drawn = Overlay([motion({"left_elbow": far, "left_wrist": (160.0, 200.0)})]).draw(BLACK, 3)
    assert tuple(drawn[200, 160]) == LEFT_RGB


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_shows_rate_and_time_left_on_a_terminal():
    now = iter(np.arange(0, 100, 0.5))
    out = Terminal()
    progress = Progress("lifting", 120, out=out, clock=lambda: next(now))
    for _ in range(20):
        progress.step()
    line = out.getvalue().split("\r")[-1]
    assert "20/120  2.0/s  0:50 left" in line
    progress.close()
    assert out.getvalue().endswith("\r")


def test_progress_is_silent_without_a_terminal_and_when_told():
    for out, quiet in ((io.StringIO(), False), (Terminal(), True)):
        progress = Progress("lifting", None, quiet, out, clock=iter(range(100)).__next__)
        for _ in range(5):
            progress.step()
        progress.close()
        assert out.getvalue() == ""


def scene(seed: int) -> np.ndarray:
    """A picture of large and small patches, wider than it is shown."""
    rng = np.random.default_rng(seed)
    large = rng.integers(0, 256, (6, 12, 3)).repeat(40, 0).repeat(40, 1)
    return (0.7 * large + 0.3 * rng.integers(0, 256, large.shape)).astype(np.uint8)


def test_a_cut_is_found_and_a_pan_is_not():
    finder = CutFinder(CutSettings())
    one, other = scene(1), scene(2)
    frames = [one[:, 6 * k : 6 * k + 320] for k in range(12)] + [other[:, 6 * k : 6 * k + 320] for k in range(12)]
    assert [k for k, rgb in enumerate(frames) if finder.is_cut(rgb)] == [12]


def test_slow_changes_of_light_are_no_cut():
    finder = CutFinder(CutSettings())
    picture = scene(3).astype(float)
    assert not any(finder.is_cut((picture * (1 - k / 25)).astype(np.uint8)) for k in range(25))
