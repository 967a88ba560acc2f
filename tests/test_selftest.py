"""The self-test passes on the truth and fails on what is off by more than its bounds."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from apps import selftest
from apps.settings import Settings
from apps.truth import read_truth
from apps.video3d import DEMO
from posecore.video import VideoReader
from tests.test_viewer import write_result
from tests.walker import walk

FRAMES = 20


def test_what_is_missing_is_out_of_bounds() -> None:
    bounds = yaml.safe_load(selftest.BOUNDS.read_text())
    assert selftest.judge(dict.fromkeys(bounds, 0.0), bounds)[1]
    for name in bounds:
        text, passed = selftest.judge(dict.fromkeys(bounds, 0.0) | {name: bounds[name] * 1.01}, bounds)
        assert not passed
        assert text.count("OUT OF BOUNDS") == 1
    assert not selftest.judge({"missing_percent": 100.0}, bounds)[1]
    right = dict.fromkeys(bounds, 0.0)
    for name in bounds:
        assert not selftest.judge(right | {name: float("nan")}, bounds)[1]
        assert not selftest.judge({other: 0.0 for other in bounds if other != name}, bounds)[1]
    assert not selftest.judge(right | {"people_too_many": 1.0}, bounds)[1]


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    """The exit code follows the figures; the run itself is replaced by a walker, whose truth it is compared with."""
    walker, demo, heights = walk(FRAMES), tmp_path / "demo.mp4", []
    monkeypatch.setattr(selftest, "DEMO", demo)
    assert selftest.main([]) == 2, "no truth, no judgement"

    def set_truth(xyz_m: np.ndarray) -> None:
        np.savez(demo.with_suffix(".truth.npz"), xyz_m=xyz_m[None], xy_px=walker.xy_px[None], stature_m=np.array([1.72]))

    def run(clip: Path, folder: Path, settings: Settings, quiet: bool) -> None:
        assert clip == demo
        heights.append(settings.people.height_m)
        write_result(folder, [walk(FRAMES)], FRAMES, film=False)

    monkeypatch.setattr("apps.pipeline.run_clip", run)
    set_truth(walker.xyz_m)
    assert selftest.main([]) == 0
    assert heights == [1.72]
    wrong = walker.xyz_m.copy()
    wrong[:, :5] += 1.0
    set_truth(wrong)
    assert selftest.main(["-o", str(tmp_path / "kept")]) == 1
    assert (tmp_path / "kept").is_dir()
    assert "self-test FAILED" in capsys.readouterr().out


def test_the_demo_s_truth_belongs_to_it() -> None:
    truth = read_truth(DEMO.with_suffix(".truth.npz"))
    assert truth.xyz_m.shape == (1, VideoReader(DEMO).expected_count, 21, 3)


def test_video3d_s_self_test_is_of_the_settings_given(monkeypatch, capsys):
    from apps import video3d

    asked = []
    monkeypatch.setattr(selftest, "selftest", lambda folder, quiet, settings: asked.append((folder, settings)) or 0)
    assert video3d.main(["--selftest", "--set", "weights.backend=openvino", "-o", "kept"]) == 0
    assert asked[0][0].name == "kept"
    assert asked[0][1].weights.backend == "openvino"
    assert video3d.main(["--selftest", "clip.mp4"]) == 2
    assert "does not go with clip" in capsys.readouterr().err
