"""A folder of clips: skip what is done, go on after a bad one, one table."""

import csv
import os
import subprocess
import sys
import types
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from apps.batch import main
from apps.batch_jobs import Job, Outcome, find_jobs, lift_locally, lift_with_ray, table, write_summary
from apps.camera_choice import CameraSettings
from apps.settings import OutputSettings, PeopleSettings, Settings
from fitting.settings import FitSettings
from pose2d.tracker import TrackerSettings
from posecore.errors import InputError, MissingDependencyError, PoseError
from posecore.results import CONFIG, JOINTS_3D, MOTIONS, camera_to_dict, read_joints3d, write_config
from tests.fakes import CAMERA, Actor, World

ROOT = Path(__file__).resolve().parents[1]
QUICK = Settings(output=OutputSettings(overlay=False), fit=FitSettings(contact=False, floor=False, iterations=2))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two good clips around a bad one."""
    folder = tmp_path / "clips"
    folder.mkdir()
    World([Actor((0, 0, 4))]).write(folder / "a.mp4", 10)
    (folder / "b.mp4").write_text("not a video")
    World([]).write(folder / "c.mp4", 5)
    (folder / "notes.txt").write_text("no clip")
    return folder


def test_a_bad_clip_does_not_stop_the_others(clips: Path, tmp_path: Path) -> None:
    world = World([Actor((0, 0, 4))])
    jobs = find_jobs([clips], tmp_path / "out")
    assert [job.clip.name for job in jobs] == ["a.mp4", "b.mp4", "c.mp4"]
    outcomes = list(lift_locally(jobs, QUICK, quiet=True, networks=world.networks))
    assert [o.status for o in outcomes] == ["lifted", "failed", "lifted"]
    assert outcomes[0].people == 1
    assert outcomes[0].frames == 10
    assert "b.mp4" in outcomes[1].note
    assert (tmp_path / "out" / "a_pose3d" / JOINTS_3D).is_file()
    assert not (tmp_path / "out" / "b_pose3d").exists()


def test_a_fault_of_ours_does_not_stop_the_others_either(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three clips meets an error that nobody foresaw."""
    from apps import pipeline

    run_clip = pipeline.run_clip

    def stumbles(clip: Path, *words: object) -> pipeline.Summary:
        if clip.name == "b.mp4":
            raise IndexError("list index\nout of range")
        return run_clip(clip, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "run_clip", stumbles)
    world = World([Actor((0, 0, 4))])
    outcomes = list(lift_locally(find_jobs([clips], tmp_path / "out"), QUICK, quiet=True, networks=world.networks))
    assert [o.status for o in outcomes] == ["lifted", "failed", "lifted"]
    assert outcomes[1].note.startswith("unexpected IndexError: list index out of range;")


def test_what_is_done_is_skipped_unless_asked_for_again(clips: Path, tmp_path: Path) -> None:
    world = World([Actor((0, 0, 4))])
    out = tmp_path / "out"
    list(lift_locally(find_jobs([clips / "a.mp4"], out), QUICK, quiet=True, networks=world.networks))
    assert find_jobs([clips / "a.mp4"], out)[0].is_done
    assert not find_jobs([clips / "a.mp4"], out, again=True)[0].is_done
    looks = len(world.looks)
    (outcome,) = lift_locally(find_jobs([clips / "a.mp4"], out), QUICK, quiet=True, networks=world.networks)
    assert outcome.status == "skipped"
    assert len(world.looks) == looks, "the networks did not run"
    (out / "a_pose3d" / CONFIG).unlink()
    assert not find_jobs([clips / "a.mp4"], out)[0].is_done, "an interrupted result is not done"


def test_a_resumed_batch_tells_what_the_first_run_found(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but status, seconds and the words 'done before' is as it was, warnings too; a damaged result is no done one."""
    world, out = World([Actor((0, 0, 4)), Actor((1, 0, 4), frames=range(3))]), tmp_path / "out"
    for name in ("b.mp4", "c.mp4"):
        (clips / name).unlink()
    world.write(clips / "c.mp4", 15)
    first = list(lift_locally(find_jobs([clips], out), QUICK, quiet=True, networks=world.networks))
    assert [(o.people, o.frames) for o in first] == [(1, 10), (1, 15)]
    assert all("shorter than 0.3 s" in o.note for o in first)
    again = list(lift_locally(find_jobs([clips], out), QUICK, quiet=True, networks=world.networks))
    assert again == [replace(o, status="skipped", seconds=0.0, note=f"done before; {o.note}") for o in first]
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    assert list(lift_with_ray(find_jobs([clips], out), QUICK, 2)) == again
    (out / "a_pose3d" / MOTIONS).write_bytes(b"PK")
    broken, whole = lift_locally(find_jobs([clips], out), QUICK, quiet=True, networks=world.networks)
    assert (broken.status, whole) == ("failed", again[1])
    assert "motions.npz: damaged; run video3d again" in broken.note


def test_a_clip_that_was_done_with_other_settings_is_told(clips: Path, tmp_path: Path) -> None:
    """Not redone, and not silent; what only says what is written, or names the same camera otherwise, is no other setting."""
    world, out, camera = World([Actor((0, 0, 4))]), tmp_path / "out", tmp_path / "camera.yaml"
    list(lift_locally(find_jobs([clips / "a.mp4"], out), QUICK, quiet=True, networks=world.networks))
    jobs = find_jobs([clips / "a.mp4"], out)

    def note(settings: Settings) -> str:
        (outcome,) = lift_locally(jobs, settings, quiet=True, networks=world.networks)
        assert outcome.status == "skipped"
        return outcome.note

    again, fits = "--again lifts it anew", ", apps/refit.py fits it anew"
    assert note(replace(QUICK, output=OutputSettings(overlay=True))) == "done before"
    told = "done before with other settings"
    assert note(replace(QUICK, people=PeopleSettings(height_m=1.8))) == f"{told} (people): {again}{fits}"
    assert note(replace(QUICK, camera=CameraSettings(fov_deg=40))) == f"{told} (camera): {again}{fits}"
    tracker = replace(QUICK, tracker=TrackerSettings(max_lost_s=1.0), people=PeopleSettings(people=1))
    assert note(tracker) == f"{told} (people, tracker): {again}", "a refit cannot change that"
    write_config(camera, camera_to_dict(CAMERA))
    by_file = replace(QUICK, camera=CameraSettings(file=str(camera)))
    assert note(by_file).startswith(f"{told} (camera)"), "54 degrees known are not 54 degrees assumed"
    list(lift_locally(find_jobs([clips / "a.mp4"], out, again=True), by_file, quiet=True, networks=world.networks))
    assert note(by_file) == "done before"
    write_config(camera, {**camera_to_dict(CAMERA), "distortion": [0.01]})
    assert note(by_file).startswith(f"{told} (camera)"), "a file corrected under its old name"


def test_motion_files_and_report_come_with_every_clip(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.pipeline.load_networks", lambda settings: World([Actor((0, 0, 4))]).networks)
    (clips / "b.mp4").unlink()
    (clips / "c.mp4").rename(clips / "c.M2TS")
    out = tmp_path / "out"
    quick = ["-q", "--no-overlay", "--set", "fit.contact=false", "--set", "fit.floor=false", "--set", "fit.iterations=2"]

    def written(name: str) -> set[str]:
        return {path.name for path in (out / f"{name}_pose3d").iterdir() if path.suffix in (".bvh", ".npz", ".html", ".trc")}

    assert main([str(clips), "-o", str(out), *quick, "--export", "npz,bvh", "--frame", "camera", "--report"]) == 0
    assert written("a") == {"a_person1.bvh", "a.npz", "report.html", "motions.npz", "tracks.npz"}
    assert written("c") == {"c_person1.bvh", "c.npz", "report.html", "motions.npz", "tracks.npz"}
    with np.load(out / "a_pose3d" / "a.npz") as arrays:
        np.testing.assert_allclose(arrays["xyz_m"], read_joints3d(out / "a_pose3d" / JOINTS_3D).xyz_m, atol=6e-5)
    assert main([str(clips), "-o", str(out), *quick, "--export", "trc"]) == 0, "of a clip that was done"
    assert "a_person1.trc" in written("a")
    assert 'skipped,1,10,0.0,"done before; gravity from' in (out / "summary.csv").read_text()
    assert main([str(clips), "-o", str(out), "--again", "--export", "fbx"]) == 2, "before the work"


def test_another_folder_s_clip_of_the_same_name_is_not_taken_for_done(clips: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "day2"
    other.mkdir()
    world = World([Actor((0, 0, 4))])
    list(lift_locally(find_jobs([clips / "a.mp4"], out), QUICK, quiet=True, networks=world.networks))
    world.write(other / "a.mp4", 5)
    for again in (False, True):
        with pytest.raises(InputError, match=r"a_pose3d holds the result of .*clips/a\.mp4, not of .*day2/a\.mp4"):
            find_jobs([other], out, again)
    (clips / "a.mp4").rename(other / "a.mp4")
    assert find_jobs([other], out)[0].is_done, "a clip that has moved is still the one"


def test_clips_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    for name in ("x/a.mp4", "x/a.mov", "y/a.mp4", "y/b.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    jobs = find_jobs([tmp_path / "x", tmp_path / "y", tmp_path / "x" / "a.mov"], tmp_path)
    assert [job.folder.name for job in jobs] == ["a.mov_pose3d", "x_a.mp4_pose3d", "y_a.mp4_pose3d", "b_pose3d"]
    with pytest.raises(InputError, match="no such folder or clip"):
        find_jobs([tmp_path / "z"], tmp_path)


def test_table_and_csv_say_the_same(tmp_path: Path) -> None:
    outcomes = [Outcome("a.mp4", "lifted", 2, 300, 12.5, "1 frame is damaged"), Outcome("long, name.mp4", "failed", note="x")]
    write_summary(tmp_path / "odd.csv", [Outcome(os.fsdecode(b"caf\xe9.mp4"), "lifted")])  # no UTF-8
    assert (tmp_path / "odd.csv").read_text(encoding="utf-8").splitlines()[1].startswith("caf?.mp4,lifted")
    text = table(outcomes)
    assert text.splitlines()[-1] == "1 lifted, 0 skipped, 1 failed"
    write_summary(tmp_path / "s.csv", outcomes)
    with (tmp_path / "s.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["clip"], row["status"], row["people"]) for row in rows] == [
        ("a.mp4", "lifted", "2"),
        ("long, name.mp4", "failed", ""),
    ]
    for row in rows:
        assert row["clip"] in text
        assert row["note"] in text


def test_command_line(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.pipeline.load_networks", lambda settings: World([Actor((0, 0, 4))]).networks)
    out = tmp_path / "out"
    quick = ["--no-overlay", "--set", "fit.contact=false", "--set", "fit.floor=false", "--set", "fit.iterations=2"]
    assert main([str(clips), "-o", str(out), *quick]) == 1
    assert "2 lifted, 0 skipped, 1 failed" in capsys.readouterr().out
    (clips / "b.mp4").unlink()
    assert main([str(clips), "-o", str(out), *quick]) == 0
    assert "0 lifted, 2 skipped, 0 failed" in capsys.readouterr().out
    assert (out / "summary.csv").read_text().count("\n") == 3
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), "-o", str(out)]) == 2
    assert "no clips in" in capsys.readouterr().err


def test_two_ray_workers(clips: Path, tmp_path: Path) -> None:
    """A local Ray of two workers, in a process of its own; the weights are the real ones."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'ray>=2.40'")
    command = [sys.executable, str(ROOT / "apps" / "batch.py"), str(clips), "-o", str(tmp_path / "out")]
    command += ["--engine", "ray", "--workers", "2", "--no-overlay"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=dict(os.environ), check=False)
    if "Ray cannot be started" in done.stderr:
        pytest.skip(done.stderr)  # its own limits of seconds, on a machine that is busy with something else
    assert done.returncode == 1, done.stderr
    assert "2 lifted, 0 skipped, 1 failed" in done.stdout


def test_a_ray_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nA page of advice")

    ray, util = types.ModuleType("ray"), types.ModuleType("ray.util")
    ray.init, ray.util, util.ActorPool = init, util, None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.util", util)
    with pytest.raises(PoseError, match=r"\(Could not find any running Ray instance.\); --engine local does without$"):
        list(lift_with_ray([Job(Path("a.mp4"), Path("a"), False)], Settings(), 2))


def test_without_ray_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match="pip install 'ray"):
        list(lift_with_ray([Job(Path("a.mp4"), Path("a"), False)], Settings(), 2))
