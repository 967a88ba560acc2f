"""Playing a result in a window: a clock that keys can stop, turn and hurry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
KEYS_HELP = """keys of the window:
  space        play or pause            left, right            one frame; held, they scrub
  0 to 9       to that tenth            page up, page down     one second
  home, end    first and last frame     up, down               faster and slower
  c            from behind the camera   r                      everybody over the whole clip
  t            trails on and off        escape                 close
  drag turns, the wheel zooms, ctrl and drag moves"""
# GLFW key codes, as Open3D's windows report them.
KEY_SPACE, KEY_ESC, KEY_RIGHT, KEY_LEFT, KEY_DOWN, KEY_UP = 32, 256, 262, 263, 264, 265
KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END = 266, 267, 268, 269
KEY_0, KEY_C, KEY_R, KEY_T = 48, 67, 82, 84


@dataclass
class Player:
    """Which frame is shown when. time_s (F,): times of the frames, rising; `tick` lets wall-clock seconds pass."""

    time_s: NDArray[np.float64]
    frame: int = 0
    playing: bool = True
    speed: float = 1.0
    _position_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.go_to(self.frame)

    def tick(self, elapsed_s: float) -> int:
        """The frame to show after this much time; the clip starts again at its end."""
        if self.playing:
            self._position_s += elapsed_s * self.speed
            if self._position_s >= self._end_s:
                self._position_s = float(self.time_s[0])
            self.frame = self._frame_at(self._position_s)
        return self.frame

    def go_to(self, frame: int) -> None:
        """Jump to a frame (the nearest there is)."""
        self.frame = int(np.clip(frame, 0, len(self.time_s) - 1))
        self._position_s = float(self.time_s[self.frame])

    def step(self, frames: int) -> None:
        """Stop, and move by so many frames."""
        self.playing = False
        self.go_to(self.frame + frames)

    def skip(self, seconds: float) -> None:
        """Move by so many seconds of the clip, at least by one frame."""
        target = self._frame_at(self.time_s[self.frame] + seconds)
        self.go_to(target if target != self.frame else self.frame + int(np.sign(seconds)))

    def toggle(self) -> None:
        """Play or pause."""
        self.playing = not self.playing

    def faster(self, by: int) -> None:
        """One of SPEEDS, so many places further."""
        nearest = int(np.argmin(np.abs(np.log(SPEEDS) - np.log(self.speed))))
        self.speed = SPEEDS[int(np.clip(nearest + by, 0, len(SPEEDS) - 1))]

    def keys(self) -> dict[int, Callable[[], None]]:
        """Key code to what it does."""
        tenths = {KEY_0 + k: partial(self.go_to, round(0.1 * k * (len(self.time_s) - 1))) for k in range(10)}
        return tenths | {
            KEY_SPACE: self.toggle,
            KEY_RIGHT: lambda: self.step(1),
            KEY_LEFT: lambda: self.step(-1),
            KEY_PAGE_DOWN: lambda: self.skip(1.0),
            KEY_PAGE_UP: lambda: self.skip(-1.0),
            KEY_HOME: lambda: self.go_to(0),
            KEY_END: lambda: self.go_to(len(self.time_s) - 1),
            KEY_UP: lambda: self.faster(1),
            KEY_DOWN: lambda: self.faster(-1),
        }

    @property
    def _end_s(self) -> float:
        """When the last frame has been shown as long as the others."""
        return float(self.time_s[-1] + (np.median(np.diff(self.time_s)) if len(self.time_s) > 1 else 1.0))

    def _frame_at(self, position_s: float) -> int:
        """Last frame that starts at or before this time."""
        return int(np.clip(np.searchsorted(self.time_s, position_s + 1e-9, side="right") - 1, 0, len(self.time_s) - 1))
