"""The viewer while a run works: what it shows, that it changes nothing, and how it does without a display."""

from pathlib import Path

import numpy as np
import pytest

from apps import video3d, viewer_live, webcam
from apps.live import LiveSession
from apps.settings import Settings
from apps.viewer_caption import BAR_PX
from apps.viewer_live import CAMERA_HEIGHT_M, LiveView, RunView
from apps.viewer_opencv import PainterRenderer
from apps.viewer_stage import person_colour
from fitting.causal import FittedFrame
from fitting.settings import FitSettings
from posecore.camera import camera_to_image, world_to_camera
from posecore.results import JOINTS_3D
from posecore.types import Frame
from posecore.video import VideoReader
from tests.fakes import CAMERA, Actor, World
from tests.test_cli import QUICK
from tests.walker import CAMERA as WALKERS_CAMERA
from tests.walker import camera_pose, walk

SIZE = (200, 150)
FRAMES = 12


class Window(PainterRenderer):
    """A renderer that remembers what was shown, and is closed by the user after so many frames."""

    def __init__(self, closes_after: int = 10_000) -> None:
        super().__init__(SIZE)
        self.shown: list[np.ndarray] = []
        self.closes_after, self.is_closed = closes_after, False

    def draw(self) -> bool:
        assert not self.is_closed
        self.shown.append(self.picture())
        return len(self.shown) < self.closes_after

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World([Actor((0.3, 0, 4))])
    monkeypatch.setattr("apps.pipeline.load_networks", lambda settings: world.networks)
    return world


def joints_in(picture: np.ndarray) -> int:
    """Pixels in the colour of the first person."""
    colour = picture[:-BAR_PX].astype(float) @ np.linalg.pinv(person_colour(1)[None])
    apart = np.abs(picture[:-BAR_PX] - colour * person_colour(1)).max(axis=-1)
    return int(((apart < 25) & (picture[:-BAR_PX, :, 0] > 90) & (picture[:-BAR_PX, :, 2] < 40)).sum())


def test_view_shows_the_run_and_changes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clip = world.write(tmp_path / "clip.mp4", FRAMES)
    assert video3d.main([str(clip), "-o", str(tmp_path / "plain"), "-q", *QUICK]) == 0
    window = Window()
    monkeypatch.setattr(viewer_live, "window", lambda: window)
    monkeypatch.setattr(viewer_live, "_REDRAW_S", 0.0)
    assert video3d.main([str(clip), "-o", str(tmp_path / "seen"), "--view", *QUICK]) == 0
    assert len(window.shown) == FRAMES
    assert window.is_closed
    assert joints_in(window.shown[-1]) > 20
    passed = [int((picture[-BAR_PX, :, 2] > picture[-BAR_PX, :, 0].astype(int) + 50).sum()) for picture in window.shown]
    assert passed == [round(SIZE[0] * (k + 1) / FRAMES) for k in range(FRAMES)], "the bar says how much is done"
    assert (tmp_path / "seen" / JOINTS_3D).read_bytes() == (tmp_path / "plain" / JOINTS_3D).read_bytes()
    assert capsys.readouterr().err == ""


def test_a_closed_window_does_not_stop_the_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window(closes_after=3)
    monkeypatch.setattr(viewer_live, "window", lambda: window)
    monkeypatch.setattr(viewer_live, "_REDRAW_S", 0.0)
    assert video3d.main([str(world.write(tmp_path / "clip.mp4", FRAMES)), "--view", "-q", *QUICK]) == 0
    assert len(window.shown) == 3
    assert (tmp_path / "clip_pose3d" / JOINTS_3D).is_file()


def test_without_a_display_the_run_goes_on_and_says_so_in_one_line(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    clip = world.write(tmp_path / "clip.mp4", FRAMES)
    assert video3d.main([str(clip), "--view", *QUICK]) == 0
    out = capsys.readouterr()
    assert out.err.count("\n") == 1
    assert "no display" in out.err
    assert "goes on without a window" in out.err
    assert "1 person in 12 frames" in out.out
    assert webcam.main(["--device", str(clip), "--view", "3d"], world.networks) == 2
    assert "no display" in capsys.readouterr().err


def test_a_window_is_drawn_no_faster_than_it_can_be_seen(tmp_path: Path) -> None:
    """With a clock that ticks 10 ms a frame, every fifth frame or fewer is drawn."""
    world = World([Actor((0, 0, 4))])
    now_s, window = [0.0], Window()
    view = RunView(CAMERA, Settings(fit=FitSettings(contact=False, floor=False)), window, clock=lambda: now_s[0])
    for frame in VideoReader(world.write(tmp_path / "clip.mp4", FRAMES)):
        view.see(frame, {}, 0.0)
        now_s[0] += 0.01
    assert len(window.shown) == 3
    view.close()
    assert window.is_closed


def test_the_floor_settles_below_the_feet() -> None:
    """A camera 2 m up that looks down by 15 degrees: assumed level at first, found from the walker's steps."""
    T_camera_world = camera_pose(2.0, 15)
    walker = walk(75, T_camera_world=T_camera_world)
    view = LiveView(WALKERS_CAMERA, PainterRenderer(SIZE))
    rgb = np.zeros((480, 640, 3), np.uint8)
    rows = zip(walker.time_s, walker.xyz_m, walker.quaternion_xyzw, walker.xy_px, walker.source, strict=True)
    for k, row in enumerate(rows):
        assert view.show(Frame(k, k / 30, rgb), {1: FittedFrame(*row)}, "")
        if k == 0:
            assert view.viewer.world.T_world_camera[2, 3] == CAMERA_HEIGHT_M
    found = view.viewer.world.T_world_camera
    assert found[2, 3] == pytest.approx(2.0, abs=0.1)
    np.testing.assert_allclose(found[:2, 3], 0)
    np.testing.assert_allclose(found[:3, :3], T_camera_world[:3, :3].T, atol=0.04)
    xy_px = camera_to_image(
        world_to_camera(view.viewer.world.points(walker.xyz_m[40]), view.viewer.view.T_view_world),
        view.viewer.view.camera(SIZE),
    )
    assert xy_px.min() > 0
    assert (xy_px < SIZE).all(), "people are in view"


def test_a_live_session_can_be_shown_in_the_same_window(tmp_path: Path) -> None:
    world, window = World([Actor((0, 0, 4))]), Window()
    session = LiveSession(world.networks, CAMERA, Settings(fit=FitSettings(contact=False, floor=False)))
    view = LiveView(session.camera, window)
    for frame in VideoReader(world.write(tmp_path / "clip.mp4", 5)):
        answer = session.step(frame)
        assert view.show(answer.frame, answer.people, "12 ms")
    assert joints_in(window.shown[-1]) > 20


def test_behind_a_cut_the_floor_is_found_anew() -> None:
    view, frame = LiveView(WALKERS_CAMERA, PainterRenderer(SIZE)), 0
    rgb = np.zeros((480, 640, 3), np.uint8)
    for person, height_m in ((1, 2.0), (2, 1.3)):
        walker = walk(75, T_camera_world=camera_pose(height_m, 15))
        rows = zip(walker.xyz_m, walker.quaternion_xyzw, walker.xy_px, walker.source, strict=True)
        for row in rows:
            assert view.show(Frame(frame, frame / 30, rgb), {person: FittedFrame(frame / 30, *row)}, "")
            frame += 1
        assert view.viewer.world.T_world_camera[2, 3] == pytest.approx(height_m, abs=0.1)
        view.forget_floor()
