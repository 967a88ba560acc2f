import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from apps import pipeline, refit, video3d
from posecore import results, stages
from posecore.camera import camera_to_image
from posecore.metrics import mpjpe_mm
from tests.fakes import CAMERA, Actor, World

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["--set", "fit.contact=false", "--set", "fit.floor=false", "--set", "fit.iterations=6", "--no-overlay"]


@pytest.fixture
def world(monkeypatch):
    """One person beside the middle of the picture; the command lines get the networks that know him."""
    world = World([Actor((0.8, 0, 4))])
    monkeypatch.setattr(pipeline, "load_networks", lambda settings: world.networks)
    return world


@pytest.fixture
def clip(world, tmp_path):
    return world.write(tmp_path / "clip.mp4", 20)


def table(folder: Path) -> bytes:
    return (folder / results.JOINTS_3D).read_bytes()


def test_a_clip_becomes_a_folder_beside_it_and_one_line(clip, tmp_path, capsys):
    assert video3d.main([str(clip), *QUICK]) == 0
    out = capsys.readouterr()
    folder = tmp_path / "clip_pose3d"
    assert (
        out.out
        == f"{folder}: 1 person in 20 frames, no warnings; camera: assumed 54 degrees vertically; stature: 1.70 m, assumed\n"
    )
    assert out.err == ""  # no progress line without a terminal
    names = {path.name for path in folder.iterdir()}
    assert names == {results.JOINTS_3D, results.JOINTS_2D, results.TRACKS, results.MOTIONS, results.CONFIG}


def test_without_a_clip_the_demo_is_lifted_here_and_its_error_told(clip, world, monkeypatch, capsys):
    truth_m = np.stack([world.actors[0].xyz_m(k) for k in range(20)])
    truth_px = camera_to_image(truth_m, CAMERA)
    np.savez(clip.with_suffix(".truth.npz"), xyz_m=truth_m[None], xy_px=truth_px[None], stature_m=np.array([1.7]))
    monkeypatch.setattr(video3d, "DEMO", clip)
    (clip.parent / "here").mkdir()
    monkeypatch.chdir(clip.parent / "here")
    assert video3d.main(QUICK) == 0
    found, truth = capsys.readouterr().out.splitlines()
    assert found.startswith("demo_pose3d: 1 person in 20 frames")
    assert float(truth.split()[1]) < 10
    assert results.read_config(Path("demo_pose3d") / results.CONFIG)["clip"]["path"] == "../../clip.mp4"


def test_motion_files_come_with_the_result_if_asked_for(clip, tmp_path, capsys):
    folder = tmp_path / "out"
    more = ["--export", "bvh,npz", "--frame", "camera", "--report"]
    assert video3d.main([str(clip), "-o", str(folder), *more, *QUICK]) == 0
    names = ["out_person1.bvh", "out.npz", "report.html"]
    assert capsys.readouterr().out.splitlines()[1:] == [str(folder / name) for name in names]
    assert all((folder / name).is_file() for name in names)
    with np.load(folder / "out.npz") as arrays:
        table = results.read_joints3d(folder / results.JOINTS_3D)
        np.testing.assert_allclose(arrays["xyz_m"], table.xyz_m, atol=6e-5, err_msg="the camera's frame is the table's")


def test_an_unknown_format_is_told_before_the_work(clip, tmp_path, capsys):
    assert video3d.main([str(clip), "-o", str(tmp_path / "out"), "--export", "fbx"]) == 2
    assert "bvh" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_quiet_says_nothing(clip, tmp_path, capsys):
    assert video3d.main([str(clip), "-q", "-o", str(tmp_path / "r"), *QUICK]) == 0
    assert capsys.readouterr() == ("", "")


def test_warnings_go_to_stderr_one_a_line(clip, capsys):
    assert video3d.main([str(clip), "--person", "7", *QUICK]) == 0
    out = capsys.readouterr()
    assert out.err == "warning: there is no person 7, only 1; all were kept\n"
    assert "1 warning;" in out.out


def test_an_overlay_of_an_older_run_does_not_stay(clip, tmp_path):
    arguments = [str(clip), "-o", str(tmp_path / "r"), "-q"]
    assert video3d.main(arguments) == 0
    assert (tmp_path / "r" / results.OVERLAY).is_file()
    assert video3d.main([*arguments, "--no-overlay"]) == 0
    assert not (tmp_path / "r" / results.OVERLAY).exists()


def test_refit_with_nothing_changed_gives_the_same_bytes(clip, tmp_path):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "-q", *QUICK]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert refit.main([str(folder), "-q"]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_refit_never_loads_a_network(clip, world, tmp_path, monkeypatch):
    assert video3d.main([str(clip), "-q", *QUICK]) == 0
    monkeypatch.setattr(pipeline, "load_networks", None)
    lifts = world.lifts
    assert refit.main([str(tmp_path / "clip_pose3d"), "-q"]) == 0
    assert world.lifts == lifts


def test_refit_with_another_height_scales_the_world(clip, tmp_path):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "-q", "--height", "1.6", *QUICK]) == 0
    small = results.read_joints3d(folder / results.JOINTS_3D).xyz_m
    assert refit.main([str(folder), "-q", "--height", "1.8"]) == 0
    large = results.read_joints3d(folder / results.JOINTS_3D).xyz_m
    np.testing.assert_allclose(large, small * 1.8 / 1.6, atol=0.01)
    config = results.read_config(folder / results.CONFIG)
    assert config["settings"]["people"]["height_m"] == 1.8
    assert config["people"] == {"stature_m": 1.8, "source": "given"}


def test_refit_with_another_field_of_view_is_a_run_with_it(clip, tmp_path):
    """The lift turns its axes by the camera; the stored ones must be turned again, and not twice."""
    again, whole = tmp_path / "again", tmp_path / "whole"
    assert video3d.main([str(clip), "-q", "-o", str(again), *QUICK]) == 0
    assert video3d.main([str(clip), "-q", "-o", str(whole), "--fov", "40", *QUICK]) == 0
    for _ in range(2):
        assert refit.main([str(again), "-q", "--fov", "40"]) == 0
        one, other = (results.read_joints3d(folder / results.JOINTS_3D).xyz_m[0] for folder in (again, whole))
        assert mpjpe_mm(one, other, root=None) < 5
    config = results.read_config(again / results.CONFIG)
    assert config["camera"]["source"] == "given vertical field of view of 40 degrees"
    assert stages.read_tracks(again / results.TRACKS)[0].camera.source == "assumed 54 degrees vertically"
    assert refit.main([str(again), "-q"]) == 0  # the camera stays as it was given last
    assert results.read_config(again / results.CONFIG)["camera"] == config["camera"]


@pytest.mark.parametrize("option", ["--camera", "--set", "--config"])
def test_refit_reads_a_camera_file_again_whenever_it_is_named(option, clip, tmp_path):
    """Corrected under its old name: twice the focal length, twice the distance. Not named, it is not read."""
    folder, calibration, settings = tmp_path / "clip_pose3d", tmp_path / "camera.yaml", tmp_path / "mine.yaml"
    settings.write_text(f"camera: {{file: {calibration}}}")
    words = {"--camera": str(calibration), "--set": f"camera.file={calibration}", "--config": str(settings)}

    def depth_m() -> float:
        return float(np.median(results.read_joints3d(folder / results.JOINTS_3D).xyz_m[..., 2]))

    fx, cx, cy = CAMERA.K_px[[0, 0, 1], [0, 2, 2]].tolist()
    calibration.write_text(f"{{fx: {fx}, cx: {cx}, cy: {cy}}}")
    assert video3d.main([str(clip), "-q", "--camera", str(calibration), *QUICK]) == 0
    near_m = depth_m()
    calibration.write_text(f"{{fx: {2 * fx}, cx: {cx}, cy: {cy}}}")
    assert refit.main([str(folder), "-q"]) == 0
    assert depth_m() == near_m
    assert refit.main([str(folder), "-q", option, words[option]]) == 0
    assert depth_m() == pytest.approx(2 * near_m, rel=0.02)
    calibration.unlink()
    assert refit.main([str(folder), "-q"]) == 0
    assert depth_m() == pytest.approx(2 * near_m, rel=0.02)


def test_refit_without_the_clip_says_that_there_is_no_overlay(clip, tmp_path, capsys):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "-q"]) == 0
    clip.rename(tmp_path / "elsewhere.mp4")
    old = (folder / results.OVERLAY).read_bytes()
    assert refit.main([str(folder), "--height", "1.9"]) == 0
    assert "the clip ../clip.mp4 is gone, so there is no new overlay; overlay.mp4 still shows" in capsys.readouterr().err
    assert (folder / results.OVERLAY).read_bytes() == old, "what cannot be drawn again is kept"
    (tmp_path / "elsewhere.mp4").rename(clip)
    (folder / results.OVERLAY).unlink()
    assert refit.main([str(folder)]) == 0
    assert "gone" not in capsys.readouterr().err, "once it is back it is found"
    assert (folder / results.OVERLAY).is_file()


def test_motion_files_of_an_older_fit_are_told_or_written_again(clip, tmp_path, capsys):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "--export", "bvh,json", "--report", *QUICK]) == 0
    assert "older fit" not in capsys.readouterr().err
    bvh = (folder / "clip_person1.bvh").read_text()
    assert refit.main([str(folder), "--height", "1.9"]) == 0
    assert "note: of an older fit: clip_2d.json, clip_person1.bvh, report.html; write" in capsys.readouterr().err
    assert refit.main([str(folder), "--height", "1.9", "--export", "bvh,json", "--report"]) == 0
    assert "older fit" not in capsys.readouterr().err
    assert (folder / "clip_person1.bvh").read_text() != bvh


def test_refit_takes_the_last_word_on_who_is_wanted(clip, tmp_path):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "--person", "1", "-q", *QUICK]) == 0
    assert refit.main([str(folder), "--people", "2", "-q"]) == 0
    people = results.read_config(folder / results.CONFIG)["settings"]["people"]
    assert (people["people"], people["person"]) == (2, None)


BAD = [
    (["nowhere.mp4"], "nowhere.mp4: cannot be opened (No such file or directory)"),
    (["."], "this is a folder"),
    (["text.mp4"], "text.mp4: not a video that FFmpeg can read"),
    (["empty.mp4"], "empty.mp4: the file is empty (0 bytes)"),
    (["clip.mp4", "-o", "text.mp4"], "text.mp4: a file of this name exists"),
    (["clip.mp4", "--fov", "wide"], "error: --fov: expected a number, got 'wide'\n"),
    (["clip.mp4", "--fov", "42°"], "error: --fov: expected a number, got '42°'\n"),
    (["clip.mp4", "--height", "1,82"], "error: --height: expected a number, got '1,82'; write the decimal point: 1.82\n"),
    (["clip.mp4", "--focal-px", "nan"], "setting 'camera.focal_px' must be a number"),
    (["clip.mp4", "--fov", "200"], "must lie in 1..170 degrees, got 200"),
    (["clip.mp4", "--focal-px", "-3"], "focal length must be a positive number of pixels"),
    (["clip.mp4", "--camera", "nowhere.yaml"], "nowhere.yaml: cannot read the camera file"),
    (["clip.mp4", "--height", "182"], "the height must lie in 0.4..2.6 metres, got 182"),
    (["clip.mp4", "--people", "0"], "'people' must be 1 or more, got 0"),
    (["clip.mp4", "--person", "he"], "setting 'people.person' must be a whole number, got 'he'"),
    (["clip.mp4", "--set", "fit.prio=1"], "unknown setting 'fit.prio'; did you mean 'prior'?"),
    (["clip.mp4", "--set", "camera.fov_deg=50", "--set", "camera.focal_px=90"], "give only one of"),
    (["clip.mp4", "--config", "nowhere.yaml"], "nowhere.yaml: cannot read the settings"),
    (["clip.mp4", "--set", "weights.crop_px=250"], "'crop_px' must be a multiple of 32 in 128..512, got 250"),
    (["clip.mp4", "--set", "weights.pose2d=nowhere.safetensors"], "nowhere.safetensors is missing"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_users_mistakes_are_one_line_and_exit_code_2(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    World([]).write(Path("clip.mp4"), 2)
    Path("text.mp4").write_text("no video\n" * 50)
    Path("empty.mp4").touch()
    assert video3d.main(arguments) == 2
    out = capsys.readouterr()
    assert out.err.startswith("error: ")
    assert out.err.count("\n") == 1
    assert words in out.err
    assert out.out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "empty.mp4", "text.mp4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such folder; give the result folder of a clip"),
        (["."], "config.yaml: cannot be read"),
        (["clip.mp4"], "clip.mp4: this is a file; give its result folder, as in clip_pose3d"),
        (["clip_pose3d/config.yaml"], "this is a file; give the folder that it lies in, clip_pose3d"),
        (["clip_pose3d", "--set", "detect.every_s=1"], "settings of 'detect' act before the fit"),
        (["clip_pose3d", "--set", "relink.size=0"], "settings of 'relink' act before the fit"),
        (["clip_pose3d", "--fov", "x"], "--fov: expected a number"),
    ],
)
def test_refit_s_mistakes(arguments, words, clip, monkeypatch, capsys):
    monkeypatch.chdir(clip.parent)
    assert video3d.main(["clip.mp4", "-q", *QUICK]) == 0
    assert refit.main(arguments) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_refit_tells_a_folder_that_cannot_be_written_before_the_fit(clip, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "-q", *QUICK]) == 0
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    monkeypatch.setattr(pipeline, "fit", None)
    assert refit.main([str(folder)]) == 2
    assert capsys.readouterr().err == f"error: {folder}: this folder cannot be written to; allow it, or choose another\n"


def test_refit_of_a_damaged_folder(clip, tmp_path, capsys):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), "-q", *QUICK]) == 0
    (folder / results.TRACKS).write_bytes(b"PK")
    assert refit.main([str(folder)]) == 2
    assert "tracks.npz: damaged; run video3d again" in capsys.readouterr().err


def test_contradicting_options_are_a_usage_error(capsys):
    with pytest.raises(SystemExit) as exit_:
        video3d.main(["clip.mp4", "--fov", "50", "--focal-px", "900"])
    assert exit_.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "words"),
    [("--hieght", "did you mean '--height'?"), ("--exports=bvh", "did you mean '--export'?"), ("--zzz", "--zzz'; all options")],
)
def test_an_unknown_option_is_refused_in_one_line_with_a_suggestion(option, words, capsys):
    with pytest.raises(SystemExit) as exit_:
        video3d.main(["clip.mp4", option])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown option '--")
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["video3d", "refit", "export", "report", "viewer", "batch", "webcam", "selftest"])
def test_help_explains_every_option(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        importlib.import_module(f"apps.{name}").main(["--help"])
    assert exit_.value.code == 0
    options = capsys.readouterr().out.split("options:")[1]
    for entry in re.split(r"\n  (?=-)", options.split("\n\n")[0])[1:]:
        head, *words = entry.split("  ", 1)
        assert words or "\n" in entry, f"{head}: no explanation"


def test_print_config_reads_back(tmp_path, capsys):
    assert video3d.main(["--fov", "41", "--set", "follow.track_min_s=1", "--print-config"]) == 0
    text = capsys.readouterr().out
    assert "  fov_deg: 41.0  # vertical field of view" in text
    (tmp_path / "mine.yaml").write_text(text)
    assert video3d.main(["--config", str(tmp_path / "mine.yaml"), "--print-config"]) == 0
    assert capsys.readouterr().out == text


def test_every_setting_is_printed_with_advice(capsys):
    assert video3d.main(["--print-config"]) == 0
    bare = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" ") and "  # " not in line]
    assert bare == [], "a comment behind the field, on its line, says unit and advice"


def test_an_interruption_is_130(clip, world, capsys):
    def interrupt(rgb):
        raise KeyboardInterrupt

    world.detect = interrupt
    assert video3d.main([str(clip)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert not (clip.parent / "clip_pose3d").exists()


def test_a_full_disk_is_one_line(clip, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "tracks.npz")

    monkeypatch.setattr(stages, "write_tracks", full)
    assert video3d.main([str(clip), *QUICK]) == 2
    assert capsys.readouterr().err == "error: tracks.npz: No space left on device\n"


def test_runs_from_any_folder_as_a_script(tmp_path):
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    command = [sys.executable, str(ROOT / "apps" / "video3d.py"), "text.mp4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "text.mp4: not a video" in done.stderr
