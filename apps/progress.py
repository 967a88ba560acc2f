"""A progress line on stderr, only while a terminal looks on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_BAR = 24  # characters
_REDRAW_S = 0.1


class Progress:
    """Counts steps of one stage and draws 'name  ####----  120/300  31.2/s  0:06 left'.

    total: steps to expect, or None; clock: seconds, for tests.
    """

    def __init__(
        self,
        name: str,
        total: int | None,
        quiet: bool = False,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = sys.stderr if out is None else out
        self._live = not quiet and self._out.isatty()
        self._name, self._total, self._clock = name, total, clock
        self._start_s = self._drawn_s = clock()
        self._width = 0
        self.done = 0

    def step(self) -> None:
        """One more step is done."""
        self.done += 1
        now_s = self._clock()
        if self._live and now_s - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now_s
            self._draw(self._line(now_s))

    def close(self) -> None:
        """Wipe the line, so that what is printed next starts clean."""
        if self._live and self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._out.flush()

    def _line(self, now_s: float) -> str:
        rate = self.done / max(now_s - self._start_s, 1e-9)
        if not self._total:
            return f"{self._name}  {self.done}  {rate:.1f}/s"
        part = min(1.0, self.done / self._total)
        bar = "#" * round(_BAR * part) + "-" * (_BAR - round(_BAR * part))
        left_s = max(0, self._total - self.done) / max(rate, 1e-9)
        return f"{self._name}  {bar}  {self.done}/{self._total}  {rate:.1f}/s  {_minutes(left_s)} left"

    def _draw(self, line: str) -> None:
        self._out.write("\r" + line.ljust(self._width))
        self._out.flush()
        self._width = len(line)


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
