"""The self-test passes on the truth and fails on what is off by more than its bounds."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from apps import selftest
from apps.video3d import DEMO
from tests.test_viewer import write_result
from tests.walker import walk

FRAMES = 20


def test_figures_are_zero_on_the_truth_and_measure_what_they_say(tmp_path: Path) -> None:
    truth = walk(FRAMES)
    folder = write_result(tmp_path / "a", [walk(FRAMES)], FRAMES, film=False)
    found = selftest.figures(folder, truth.xyz_m, truth.xy_px)
    assert max(found.values()) < 1e-6
    shifted = walk(FRAMES)
    shifted.xyz_m[:] += [0.0, 0.0, 0.2]
    shifted.xyz_m[3] = np.nan
    found = selftest.figures(write_result(tmp_path / "b", [shifted], FRAMES, film=False), truth.xyz_m, truth.xy_px)
    assert found["root_mm"] == pytest.approx(200)
    assert found["mpjpe_mm"] < 1e-6
    assert found["missing_percent"] == pytest.approx(5)
    assert found["reprojection_p95_px"] > 1
    assert selftest.figures(write_result(tmp_path / "c", [], FRAMES, film=False), truth.xyz_m, truth.xy_px) == {
        "missing_percent": 100.0
    }


def test_what_is_missing_is_out_of_bounds() -> None:
    bounds = yaml.safe_load(selftest.BOUNDS.read_text())
    assert selftest.judge(dict.fromkeys(bounds, 0.0), bounds)[1]
    for name in bounds:
        text, passed = selftest.judge(dict.fromkeys(bounds, 0.0) | {name: bounds[name] * 1.01}, bounds)
        assert not passed
        assert text.count("OUT OF BOUNDS") == 1
    assert not selftest.judge({"missing_percent": 100.0}, bounds)[1]


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    """The exit code follows the figures; the run itself is replaced by a walker, whose truth it is compared with."""
    truth = walk(FRAMES)
    assert selftest.read_truth(DEMO.with_suffix(".truth.npz"))[0].shape[1:] == (21, 3)
    monkeypatch.setattr(selftest, "read_truth", lambda path: (truth.xyz_m, truth.xy_px, 1.7))
    heights = []

    def run(clip: Path, folder: Path, settings: object, quiet: bool) -> None:
        heights.append(settings.people.height_m)  # type: ignore[attr-defined]
        write_result(folder, [walk(FRAMES)], FRAMES, film=False)

    monkeypatch.setattr("apps.pipeline.run_clip", run)
    assert selftest.main([]) == 0
    assert heights == [1.7]
    truth.xyz_m[:, :5] += 1.0
    assert selftest.main(["-o", str(tmp_path / "kept")]) == 1
    assert (tmp_path / "kept").is_dir()
    assert "self-test FAILED" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(selftest, "DEMO", tmp_path / "absent.mp4")
    assert selftest.main([]) == 2
