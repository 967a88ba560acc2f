"""A run or a refit that is interrupted, or whose disk is full: nothing looks finished that is not, and nothing seen is lost."""

from contextlib import suppress
from pathlib import Path

import pytest

from apps import pipeline, refit, video3d
from apps.batch_jobs import find_jobs
from apps.result_folder import load_result
from posecore import results
from posecore.errors import InputError
from tests.fakes import Actor, World

FRAMES = 6
SIMPLE = ["-q", "--set", "fit.contact=false", "--set", "fit.floor=false", "--set", "fit.iterations=3"]
TALL = ["-q", "--height", "1.9"]


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip of one person; the command lines get the networks that know him."""
    world = World([Actor((0, 0, 4))])
    monkeypatch.setattr(pipeline, "load_networks", lambda settings: world.networks)
    return world.write(tmp_path / "clip.mp4", FRAMES)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def stop_here(*_: object) -> None:
    raise KeyboardInterrupt


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device", "a file")


@pytest.mark.parametrize(
    ("module", "name", "stop", "code"),
    [(pipeline, "write_overlay", stop_here, 130), (results, "write_joints2d", no_space, 2)],
    ids=["interrupted", "full disk"],
)
def test_a_stopped_refit_leaves_the_old_result_whole(module, name, stop, code, clip, tmp_path, monkeypatch):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), *SIMPLE]) == 0
    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, stop)
        assert refit.main([str(folder), *TALL]) == code
    assert contents(folder) == before
    assert refit.main([str(folder), *TALL]) == 0
    assert load_result(folder).config["settings"]["people"]["height_m"] == 1.9


@pytest.mark.parametrize(
    ("module", "name", "stop", "code"),
    [(pipeline, "fit", stop_here, 130), (pipeline, "write_overlay", no_space, 2)],
    ids=["interrupted", "full disk"],
)
def test_refit_ends_what_was_stopped_behind_the_networks(module, name, stop, code, clip, tmp_path, monkeypatch):
    folder, whole = tmp_path / "clip_pose3d", tmp_path / "whole"
    assert video3d.main([str(clip), "-o", str(whole), *SIMPLE]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(module, name, stop)
        assert video3d.main([str(clip), *SIMPLE]) == code
    assert not find_jobs([clip], tmp_path)[0].is_done
    with pytest.raises(InputError, match=r"was interrupted; end it with: python apps/refit\.py .*clip_pose3d"):
        load_result(folder)
    assert refit.main([str(folder), "-q"]) == 0
    assert contents(folder) == contents(whole)


def test_at_no_moment_does_a_mixture_look_finished(tmp_path, monkeypatch):
    """Stopped at every renaming in turn: the folder is as before, or as after, or says that it is unfinished."""
    before, after = (dict.fromkeys((results.OVERLAY, results.MOTIONS, results.CONFIG), fit) for fit in (b"old", b"new"))
    rename, seen = Path.replace, []
    while not seen or seen[-1] != after:
        folder = tmp_path / str(len(seen))
        folder.mkdir()
        write_files(folder, before)
        left = iter(range(len(seen)))

        def replace(path, target, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return rename(path, target)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt), results.whole_result(folder) as new:
            write_files(new, after)
            patch.setattr(Path, "replace", replace)
        seen.append(contents(folder))
        assert (results.CONFIG in seen[-1]) != (results.UNFINISHED in seen[-1])
        assert results.CONFIG not in seen[-1] or seen[-1] in (before, after)
    assert len(seen) == 5, "stopped before the first of four renamings, ..., before the last, not at all"


def test_what_a_killed_run_left_is_cleared_away(clip, tmp_path):
    folder = tmp_path / "clip_pose3d"
    assert video3d.main([str(clip), *SIMPLE]) == 0
    before = contents(folder)
    (folder / ".part").mkdir()
    (folder / ".part" / "overlay.mp4").write_bytes(b"half")
    assert refit.main([str(folder), "-q"]) == 0
    assert contents(folder) == before
