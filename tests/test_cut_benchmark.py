"""benchmarks/cut.py: where clips are cut, and what is told of the errors there."""

import numpy as np
import pytest

from apps.truth import Truth
from benchmarks.cut import CUTS, VNECT, CutClip, Errors, border, errors, main, summary
from fitting.solve import fit_clip
from posecore.video import VideoWriter
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, truth

TIME = np.arange(6) / 30


def test_cuts_go_through_the_joints_they_are_named_after():
    xy = np.zeros((4, 21, 2))
    for name, y in {
        "neck": 50,
        "pelvis": 101,
        "left_knee": 140,
        "right_knee": 144,
        "left_ankle": 180,
        "right_ankle": 184,
    }.items():
        xy[:, VNECT.index(name)] = 75, y
    left = [border(xy, cut, (200, 300)) for cut in CUTS]
    assert left == [(200, 300), (200, 74), (200, 100), (200, 142), (200, 162), (74, 300)]
    assert border(xy - 90, "pelvis", (200, 300)) == (200, 64)


def test_every_third_frame_s_upper_left_part_is_kept(tmp_path):
    rgb = np.zeros((96, 128, 3), dtype=np.uint8)
    rgb[:64, :80] = 200
    with VideoWriter(tmp_path / "a.mp4", (128, 96), 30, crf=10) as writer:
        for k in range(7):
            writer.write(rgb, k / 30)
    frames = list(CutClip(tmp_path / "a.mp4", (80, 64), 3))
    assert [f.index for f in frames] == [0, 1, 2]
    np.testing.assert_allclose([f.time_s for f in frames], [0.0, 0.1, 0.2], atol=1e-4)
    assert all(f.rgb.shape == (64, 80, 3) and f.rgb.min() > 180 for f in frames)


def test_a_known_error_is_told_as_it_is():
    """Everybody 10 cm too near; all bars 5 cm in depth, so that no interval but the widest holds anything."""
    off = np.zeros((6, 21, 3))
    off[..., 2] = -0.1
    inside = np.zeros((6, 21), dtype=bool)
    inside[:, :10] = True
    figures = summary([Errors(off, np.full((6, 21), 0.06), inside), Errors(-off, np.full((6, 21), 0.06), inside)])
    assert figures["pelvis_z"] == pytest.approx(100)
    assert figures["too_far"] == pytest.approx(0)
    assert figures["all"] == pytest.approx(100)
    assert figures["about_pelvis"] == figures["seen_about_neck"] == 0
    assert [figures[f"{where}_{s}"] for where in ("inside", "outside") for s in (50, 80, 95)] == [0, 0, 100, 0, 0, 100]


def test_frames_are_compared_with_those_they_were_taken_from():
    xyz = truth(np.arange(18) / 30)
    motion = fit_clip(seen(xyz[::3], np.arange(6) / 10), CAMERA, height_m=HEIGHT_M)
    known = Truth(xyz[None], np.zeros((1, 18, 21, 2)), np.array([HEIGHT_M]))
    assert np.abs(errors(motion, known, CAMERA, 3).off_m).mean() < 0.02
    assert np.abs(errors(motion, known, CAMERA, 1).off_m).mean() > 0.04


def test_a_clip_without_truth_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "a.mp4")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.truth.npz" in line
