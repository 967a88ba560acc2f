"""Files of clips that are not as usual: uneven frames, names in other scripts, people who were not asked for."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.export import main
from apps.report import main as report
from posecore.export.clock import at_times, even_times
from posecore.export.markers import write_c3d
from posecore.results import MOTIONS, TRACKS
from posecore.stages import read_tracks, write_motions, write_tracks
from tests.test_viewer import write_result
from tests.walker import SKELETON, walk

FRAMES = 30


@pytest.mark.filterwarnings("ignore:No analog data")
def test_c3d_of_an_uneven_clip_keeps_the_speeds(tmp_path: Path) -> None:
    """30 frames at 30 fps, then 30 at 10: C3D knows no times, so a steady metre a second must be read on an even clock."""
    import ezc3d

    time_s = np.concatenate([np.arange(30) / 30, 1 + np.arange(30) / 10])
    xyz_m = np.tile(time_s[:, None, None], (1, len(SKELETON), 3))
    xyz_m[10, 3] = np.nan
    write_c3d(tmp_path / "x.c3d", xyz_m, time_s)
    content = ezc3d.c3d(str(tmp_path / "x.c3d"))
    rate, x_mm = content["parameters"]["POINT"]["RATE"]["value"][0], content["data"]["points"][0]
    assert rate == pytest.approx(30)
    np.testing.assert_allclose(np.diff(x_mm[0]) * rate, 1000, rtol=1e-3)  # float32 millimetres
    assert x_mm.shape[1] / rate == pytest.approx(time_s[-1], abs=0.1)
    assert np.flatnonzero(~np.isfinite(x_mm[3])).tolist() == [10], "a gap stays one, and no wider"


def test_times_between_frames_are_unknown_beside_a_gap() -> None:
    values, time_s = np.array([0.0, 1, np.nan, 3, 4]), np.arange(5.0)
    np.testing.assert_allclose(
        at_times(values, time_s, np.array([0, 0.5, 1, 1.5, 3, 3.25, 4])), [0, 0.5, 1, np.nan, 3, 3.25, 4]
    )
    assert even_times(time_s) is time_s
    assert len(even_times(time_s[:1])) == 1


def test_uneven_frames_are_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write_result(tmp_path / "u_pose3d", [walk(FRAMES)], FRAMES, film=False)
    clip, tracks = read_tracks(folder / TRACKS)
    uneven = replace(clip, time_s=clip.time_s + 0.2 * (np.arange(FRAMES) > 12))
    write_tracks(folder / TRACKS, uneven, tracks)
    assert main([str(folder), "--format", "c3d"]) == 0
    assert "not even in time" in capsys.readouterr().err


def test_names_may_be_in_any_script(tmp_path: Path) -> None:
    folder = write_result(tmp_path / "Übung 体操_pose3d", [walk(FRAMES)], FRAMES, film=False)
    assert main([str(folder), "--format", "all"]) == 0
    first = (folder / "Übung 体操_person1.trc").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith("Übung 体操_person1.trc")


def test_names_may_be_bytes_that_are_no_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As old archives leave them; where a file or the terminal must hold text another character stands in their place."""
    folder = tmp_path / os.fsdecode(b"caf\xe9_pose3d")
    try:
        write_result(folder, [walk(FRAMES)], FRAMES)
    except OSError:
        pytest.skip("this file system takes only names that are UTF-8")
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, encoding="utf-8", errors="strict", write_through=True))
    assert main([str(folder), "--format", "all"]) == 0
    assert report([str(folder)]) == 0
    assert report([str(folder), "-o", str(tmp_path / "elsewhere.html")]) == 0, "the way to the film is spelt too"
    assert b"caf\\udce9_person1.c3d\n" in shown.getvalue()
    assert (folder / "report.html").read_text(encoding="utf-8").count("caf?") >= 1
    assert (
        (folder / os.fsdecode(b"caf\xe9_person1.trc")).read_text(encoding="utf-8").splitlines()[0].endswith("caf?_person1.trc")
    )
    assert (folder / os.fsdecode(b"caf\xe9_person1.c3d")).stat().st_size > 1000


def test_who_was_not_fitted_is_in_no_file(tmp_path: Path) -> None:
    """tracks.npz keeps everybody for a later refit; video3d --person 1 fitted one."""
    folder = write_result(tmp_path / "one_pose3d", [walk(FRAMES), walk(FRAMES, start_xy=(1, 6), person=2)], FRAMES, film=False)
    write_motions(folder / MOTIONS, [walk(FRAMES)])
    assert main([str(folder), "--format", "json"]) == 0
    annotations = json.loads((folder / "one_2d.json").read_text(encoding="utf-8"))["annotations"]
    assert {annotation["track_id"] for annotation in annotations} == {1}
