"""Even clocks, for files that know a frame rate and no times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.timestamps import usual_step_s

Floats = NDArray[np.float64]
EVEN_STEP_TOLERANCE = 0.1  # frames further than this share of a step from an even clock make a clip one of variable rate
SAME_TIME = 1e-6  # of a step: times nearer to a frame's are the frame's


def even_times(time_s: Floats) -> Floats:
    """(F,) the very same times where they are even; else (G,) times from the first to the last, a usual step apart."""
    steps = np.diff(time_s)
    if not len(steps):
        return time_s
    grid = time_s[0] + steps.mean() * np.arange(len(time_s))
    if np.abs(grid - time_s).max() <= EVEN_STEP_TOLERANCE * steps.mean():
        return time_s
    return np.arange(time_s[0], time_s[-1] + 1e-9, usual_step_s(time_s))


def at_times(values: Floats, time_s: Floats, at_s: Floats) -> Floats:
    """(F, ...) given at time_s, read at at_s (G,) within them: linear between frames, NaN where one of the two is unknown."""
    before = np.clip(np.searchsorted(time_s, at_s, side="right") - 1, 0, len(time_s) - 2)
    share = (at_s - time_s[before]) / (time_s[before + 1] - time_s[before])
    share = np.where(np.abs(share - share.round()) < SAME_TIME, share.round(), share).reshape(-1, *[1] * (values.ndim - 1))
    mixed = (1 - share) * values[before] + share * values[before + 1]
    return np.where(share == 0, values[before], np.where(share == 1, values[before + 1], mixed))
