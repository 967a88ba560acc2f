"""Whether a window can be opened here. A display that is named and does not answer is none: after an ssh session has ended, in
tmux after a reconnect, in a container, under cron. Open3D would draw into memory unseen there, and OpenCV abort the process."""

from __future__ import annotations

import ctypes
import os
import socket
import sys


def display_fault(x11_only: bool = False) -> str | None:
    """Why no window can be seen here, in words; None if one can. x11_only: for OpenCV, whose wheel knows no Wayland.

    Systems other than Linux always have a display.
    """
    if sys.platform != "linux":
        return None
    if not x11_only and _wayland_answers():
        return None
    display = os.environ.get("DISPLAY")
    if not display:
        return "DISPLAY is not set" if x11_only else "neither DISPLAY nor WAYLAND_DISPLAY names one that answers"
    return _x11_fault(display)


def _x11_fault(display: str) -> str | None:
    """Asks as every X program does, with its authority; the library belongs to libX11."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "libxcb.so.1 is missing; on Debian or Ubuntu: apt-get install libx11-6"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    refused = xcb.xcb_connection_has_error(connection) != 0
    xcb.xcb_disconnect(connection)
    return f"no X server lets us in at DISPLAY={display}" if refused else None


def _wayland_answers() -> bool:
    """Whether the socket of WAYLAND_DISPLAY, a path or a name in XDG_RUNTIME_DIR, takes a connection."""
    name = os.environ.get("WAYLAND_DISPLAY")
    if not name:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(os.path.join(os.environ.get("XDG_RUNTIME_DIR", ""), name))
        except OSError:
            return False
    return True
