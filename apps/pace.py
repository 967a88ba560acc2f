"""How fast somebody moves in the picture, by the rows of his track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.types import Floats, Track

PACE_S = 1 / 15  # over which a speed is taken
Row = int | NDArray[np.int64]


def pace_px_s(track: Track, row: Row, limit: Row, over_s: float = PACE_S) -> Floats:
    """(..., 21, 2) speeds of the joints at rows (...), pixels a second: from each to the row that is nearest to `over_s` away,
    towards the row `limit` and not beyond it. 0 where that is the row itself."""
    times_s, step = track.time_s, np.sign(np.subtract(limit, row))
    aim_s = times_s[row] + step * over_s
    behind, ends = np.searchsorted(times_s, aim_s), (row + step, limit)
    one, other = (np.clip(k, np.minimum(*ends), np.maximum(*ends)) for k in (behind - 1, behind))
    nearest = np.where(np.abs(times_s[one] - aim_s) <= np.abs(times_s[other] - aim_s), one, other)
    span_s = np.where(step == 0, 1.0, times_s[nearest] - times_s[row])
    return (track.xy_px[nearest] - track.xy_px[row]) / span_s[..., None, None]
