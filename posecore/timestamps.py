"""Time stamps of frames: how far apart they usually are."""

from __future__ import annotations

from statistics import median_low

import numpy as np
from numpy.typing import NDArray

FALLBACK_RATE_FPS = 30.0  # where nothing tells a rate
_LOST_STEPS = 4  # a longer step is a pause: rounded stamps do not tell how many frames are missing in it
_WHOLE = 0.3  # of a step: what is that near to two, three, ... steps has lost frames; else it is jitter


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
