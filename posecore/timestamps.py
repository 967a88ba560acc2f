"""Time stamps of frames: how far apart they usually are, and a time for frames whose own stamp is missing or repeated."""

from __future__ import annotations

from collections import deque
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

FALLBACK_RATE_FPS = 30.0  # where nothing tells a rate
SAME_TIME_S = 1.1e-3  # writers that insist on rising stamps put a repeated one a tick later; 1 ms is the coarsest such tick
_LOST_STEPS = 4  # a longer step is a pause: rounded stamps do not tell how many frames are missing in it
_WHOLE = 0.3  # of a step: what is that near to two, three, ... steps has lost frames; else it is jitter
_RECENT = 10  # steps whose median is the usual one just here


def usual_step_s(time_s: NDArray[np.float64]) -> float:
    """Seconds from frame to frame at rising times (F,), pauses and lost frames left out; of fewer than two frames 1/30.

    The median alone is wrong by up to half a tick of the container's clock: steps of 33.3 ms are 33 ms in most files that
    count milliseconds. So all steps of about one, two, ... four are added up and divided by their count. Of jitter, short
    steps are left out where long ones are, so that it evens out.
    """
    steps = np.diff(time_s)
    if not len(steps):
        return 1 / FALLBACK_RATE_FPS
    middle = median_low(steps)
    share = steps / steps[np.abs(steps - middle) <= middle / 2].mean()
    counts = np.where(share < 2 - _WHOLE, 1, np.rint(share))
    counted = (counts <= _LOST_STEPS) & (np.abs(share - counts) <= np.where(counts == 1, 1 - _WHOLE, _WHOLE))
    return float(steps[counted].sum() / counts[counted].sum())


class StampMender:
    """Rising times of a clip's frames, given their own stamps one by one; `mended` counts the frames whose own did not do.

    The fit divides by time steps: what is rounded or repeated must not make a tiny one. Pauses and changes of rate are no
    fault: what is a repeated stamp is told by the clock, not by a mean rate. rate_fps: of frames without stamps.
    """

    def __init__(self, rate_fps: float) -> None:
        self.mended = 0
        self._last_s: float | None = None
        self._least_s = min(SAME_TIME_S, 0.5 / rate_fps)
        self._recent_s: deque[float] = deque([1 / rate_fps], maxlen=_RECENT)

    def time_s(self, own_s: float | None, next_s: float | None) -> float:
        """The next frame's time; own_s and next_s: its own stamp and that of the frame behind it, None where there is none.

        A frame whose stamp is missing, repeated or earlier comes a usual step after the last, but no later than half way to
        the next one's stamp.
        """
        last_s = self._last_s
        if own_s is not None and (last_s is None or own_s - last_s >= self._least_s):
            if last_s is not None:
                self._recent_s.append(own_s - last_s)
            self._last_s = own_s
        else:
            self.mended += 1
            self._last_s = 0.0 if last_s is None else last_s + self._mended_step_s(last_s, next_s)
        return self._last_s

    def _mended_step_s(self, last_s: float, next_s: float | None) -> float:
        step_s = median_low(self._recent_s)
        if next_s is None or next_s - last_s < 2 * self._least_s:
            return step_s
        return min(step_s, (next_s - last_s) / 2)
