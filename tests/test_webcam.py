"""Live mode on clips that play the camera, with networks that read the truth off the picture."""

import csv
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from apps.live import LiveSession
from apps.live_source import DeviceCamera, FileCamera, open_camera
from apps.settings import Settings
from apps.webcam import main
from fitting.settings import FitSettings
from posecore.errors import InputError
from posecore.types import Detection2D
from posecore.video import VideoReader
from posecore.world import upright_world
from tests.fakes import CAMERA, RATE_FPS, Actor, World

SETTINGS = Settings(fit=FitSettings(contact=False, floor=False))


def test_people_are_followed_as_they_come_and_go(tmp_path: Path) -> None:
    first, second = Actor((-0.8, 0, 4), (0.2, 0, 0)), Actor((0.9, 0, 4.5), frames=range(20, 45))
    world = World([first, second])
    clip = world.write(tmp_path / "clip.mp4", 60)
    session = LiveSession(world.networks, CAMERA, SETTINGS)
    answers = [session.step(frame) for frame in VideoReader(clip)]
    people = [set(answer.people) for answer in answers]
    assert people[5] == {1}
    assert people[40] == {1, 2}
    assert people[59] == {1}, "who has been away for long is forgotten"
    for k in (10, 30, 55):
        assert np.abs(answers[k].people[1].xyz_m - first.xyz_m(k)).max() < 0.05
    assert np.abs(answers[40].people[2].xyz_m - second.xyz_m(40)).max() < 0.05
    drawn = answers[40].drawn()
    assert drawn.shape == answers[40].frame.rgb.shape
    assert (drawn != answers[40].frame.rgb).any()


def test_nobody_lives_through_a_cut(tmp_path: Path) -> None:
    first, second = Actor((-0.8, 0, 4), frames=range(20)), Actor((0.9, 0, 4.5), frames=range(20, 40))
    world = World([first, second])
    clip = world.write(tmp_path / "clip.mp4", 40, scene_start=20)
    session = LiveSession(world.networks, CAMERA, SETTINGS)
    people = [set(session.step(frame).people) for frame in VideoReader(clip)]
    assert people[19] == {1}
    assert all(seen <= {2} for seen in people[20:])
    assert people[-1] == {2}


def test_an_answer_never_waits_for_later_frames(tmp_path: Path) -> None:
    world = World([Actor((0, 0, 4), (0.3, 0, 0))])
    clip = world.write(tmp_path / "clip.mp4", 30)
    frames = list(VideoReader(clip))
    whole, half = LiveSession(world.networks, CAMERA, SETTINGS), LiveSession(world.networks, CAMERA, SETTINGS)
    long = [whole.step(frame).people[1].xyz_m for frame in frames]
    short = [half.step(frame).people[1].xyz_m for frame in frames[:15]]
    np.testing.assert_array_equal(np.array(long[:15]), np.array(short))


def test_latency_is_from_arrival_to_answer(tmp_path: Path) -> None:
    world = World([])
    clock = iter(np.arange(0, 1000, 0.25))
    session = LiveSession(world.networks, CAMERA, SETTINGS, clock=lambda: float(next(clock)))
    assert np.isnan(session.latency_ms()[0])
    for frame in VideoReader(world.write(tmp_path / "clip.mp4", 4)):
        session.step(frame)
    assert session.latency_ms() == pytest.approx((250, 250))


def test_a_file_plays_the_camera_and_drops_what_is_late(tmp_path: Path) -> None:
    clip = World([]).write(tmp_path / "clip.mp4", 20)
    everything = [frame.index for frame, _ in FileCamera(clip, in_real_time=False)]
    assert everything == list(range(20))
    start_s, seen = time.monotonic(), []
    for frame, arrived_s in FileCamera(clip):
        seen.append(frame.index)
        assert arrived_s <= time.monotonic()
        time.sleep(3.5 / RATE_FPS)
    assert seen[-1] == 19
    assert len(seen) < 12, "a slow program gets fewer frames, not older ones"
    assert time.monotonic() - start_s < 2.5


def test_command_line_with_a_file_as_camera(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    world = World([Actor((0, 0, 4))])
    clip, table = world.write(tmp_path / "clip.mp4", 15), tmp_path / "live.csv"
    options = ["--device", str(clip), "--every-frame", "--view", "none", "--csv", str(table), "--frames", "12"]
    assert main([*options, "--set", "fit.contact=false"], world.networks) == 0
    assert "12 frames answered; latency p50" in capsys.readouterr().out
    with table.open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["person"] for row in rows} == {"1"}
    assert float(rows[-1]["pelvis_z_m"]) == pytest.approx(4, abs=0.05)
    assert main(["--device", str(tmp_path / "absent.mp4")]) == 2
    assert "absent.mp4" in capsys.readouterr().err


def test_an_interruption_is_the_usual_end(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    world = World([Actor((0, 0, 4))])
    clip, table = world.write(tmp_path / "clip.mp4", 15), tmp_path / "live.csv"
    detect = world.detect

    def interrupted(rgb: np.ndarray) -> list[Detection2D]:
        if world.looks:
            raise KeyboardInterrupt
        return detect(rgb)

    world.detect = interrupted  # type: ignore[method-assign]
    options = ["--device", str(clip), "--every-frame", "--view", "none", "--csv", str(table)]
    assert main([*options, "--set", "fit.contact=false", "--set", "detect.every_s=0.2"], world.networks) == 0
    assert "frames answered; latency" in capsys.readouterr().out
    assert len(table.read_text().splitlines()) > 1, "what was answered is in the table"


def test_no_camera_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="camera 97 gives no picture"):
        open_camera("97")


def test_upright_world_stands_on_its_floor() -> None:
    np.testing.assert_allclose(upright_world(1.5).points([0.2, 1.5, 3.0]), [0.2, 3.0, 0.0])


class Unplugged:
    """Stands for cv2.VideoCapture: some pictures, one read that fails, one more picture, and then none any more."""

    def __init__(self, device: int) -> None:
        self._reads = iter([True] * 4 + [False, True])

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        ok = next(self._reads, False)
        time.sleep(0.02)
        return ok, np.zeros((60, 80, 3), np.uint8) if ok else None

    def release(self) -> None:
        pass


def test_a_camera_that_is_unplugged_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.live_source.cv2.VideoCapture", Unplugged)
    monkeypatch.setattr("apps.live_source.RETRY_S", 0.001)
    camera = DeviceCamera(3)
    with pytest.raises(InputError, match="camera 3 has stopped giving pictures"):
        list(camera)
    camera.close()


def test_one_failed_read_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera's first picture tells its size; three come after it, and one behind the failure."""
    monkeypatch.setattr("apps.live_source.cv2.VideoCapture", Unplugged)
    monkeypatch.setattr("apps.live_source.RETRY_S", 0.001)
    camera, seen = DeviceCamera(3), []
    with suppress(InputError):
        for frame, _ in camera:
            seen.append(frame.index)
    assert seen[-1] == 3
    camera.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--frames", "0"], "--frames: expected at least 1, got 0"),
        (["--set", "people.people=1"], "answered for everybody in view"),
        (["--set", "relink.change=2"], "settings of 'relink' act once a clip is over"),
    ],
)
def test_what_would_do_nothing_live_is_refused(options: list[str], words: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["--device", "nowhere.mp4", *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("closed", [0.0, -1.0, cv2.error("NULL guiReceiver")], ids=["hidden", "gone", "the last one gone"])
def test_a_closed_window_ends_it(
    closed: float | cv2.error, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """OpenCV says in three ways that a window is closed, and imshow would make it anew; the fourth answer finds it so."""
    shown: list[str] = []

    def visible(name: str, what: int) -> float:
        assert (name, what) == (shown[-1], cv2.WND_PROP_VISIBLE)
        if len(shown) < 4:
            return 1.0
        if isinstance(closed, cv2.error):
            raise closed
        return closed

    monkeypatch.setattr("apps.viewer_display.display_fault", lambda x11_only: None)
    monkeypatch.setattr(cv2, "imshow", lambda name, picture: shown.append(name))
    monkeypatch.setattr(cv2, "waitKey", lambda wait_ms: -1)
    monkeypatch.setattr(cv2, "getWindowProperty", visible)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    world = World([Actor((0, 0, 4))])
    clip = world.write(tmp_path / "clip.mp4", 8)
    assert main(["--device", str(clip), "--every-frame", "--set", "fit.contact=false"], world.networks) == 0
    assert len(shown) == 4
    assert "4 frames answered" in capsys.readouterr().out
