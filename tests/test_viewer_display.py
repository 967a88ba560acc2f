"""A display counts where it answers, and only there: X servers and a Wayland socket made up on this machine."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path

import pytest

from apps.viewer import main
from apps.viewer_display import display_fault
from apps.viewer_stage import make_renderer
from apps.webcam import main as webcam
from posecore.errors import MissingDependencyError
from tests.fakes import Actor, World
from tests.test_viewer import write_result
from tests.walker import walk

_TCP_BASE = 6000  # port of display 0, by the X protocol
WELCOME = struct.pack("<BxHHH4IHH8B4x", 1, 11, 0, 8, 1, 1 << 21, (1 << 21) - 1, 0, 0, 65535, 0, 0, 0, 0, 32, 32, 8, 255)
REFUSAL = struct.pack("<BBHHH", 0, 0, 11, 0, 0)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def x_server(reply: bytes) -> Iterator[str]:
    """The name of a display whose server says so much to one caller."""
    try:
        CDLL("libxcb.so.1")
    except OSError:
        pytest.skip("libxcb.so.1 is not installed: apt-get install libx11-6")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(reply)
                caller.recv(4096)  # until the caller goes

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1] - _TCP_BASE}"
        thread.join(timeout=1)
        assert not thread.is_alive(), "the server was asked"


def dead_display() -> str:
    """A display that nobody serves: the port was ours a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1] - _TCP_BASE}"


@pytest.mark.parametrize("x11_only", [False, True])
def test_a_display_counts_where_its_server_lets_us_in(x11_only: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "DISPLAY" in (display_fault(x11_only) or "")
    with x_server(WELCOME) as name:
        monkeypatch.setenv("DISPLAY", name)
        assert display_fault(x11_only) is None
    with x_server(REFUSAL) as name:
        monkeypatch.setenv("DISPLAY", name)
        assert display_fault(x11_only) == f"no X server lets us in at DISPLAY={name}"
    monkeypatch.setenv("DISPLAY", name := dead_display())
    assert name in (display_fault(x11_only) or "")
    monkeypatch.setattr("sys.platform", "darwin")
    assert display_fault(x11_only) is None


def test_wayland_counts_where_it_listens_but_not_for_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    monkeypatch.setenv("XDG_RUNTIME_DIR", ".")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
    assert display_fault() is not None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("wayland-7")
        server.listen()
        assert display_fault() is None
        assert display_fault(x11_only=True) == "DISPLAY is not set"


def test_a_dead_display_is_told_by_every_program_that_opens_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("DISPLAY", name := dead_display())
    with pytest.raises(MissingDependencyError, match=f"no display for a window .*{name}"):
        make_renderer("open3d", (64, 64), visible=True)
    assert main([str(write_result(tmp_path / "walk_pose3d", [walk(3)], 3, film=False))]) == 2
    assert name in capsys.readouterr().err
    world = World([Actor((0, 0, 4))])
    clip = str(world.write(tmp_path / "clip.mp4", 3))
    assert webcam(["--device", clip, "--every-frame", "--set", "fit.contact=false"], world.networks) == 0
    out = capsys.readouterr()
    assert f"note: there is no display (no X server lets us in at DISPLAY={name}), so no window" in out.err
    assert "3 frames answered" in out.out
    assert webcam(["--device", clip, "--every-frame", "--view", "3d"], world.networks) == 2
    assert name in capsys.readouterr().err
