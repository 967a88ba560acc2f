"""The 1-Euro filter (Casiez, Roussel & Vogel 2012) on arrays: little delay when things move, little jitter when they rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def share(cutoff_hz: Floats | float, dt_s: float) -> Floats:
    """Share of a new sample in a first-order low-pass of this cut-off."""
    return np.asarray(1.0 / (1.0 + 1.0 / (2 * np.pi * np.asarray(cutoff_hz) * dt_s)))


class OneEuro:
    """Filters arrays of any one shape; NaN elements are passed over and start afresh when they return.

    min_cutoff_hz: cut-off at rest, lower is calmer; beta: cut-off gained per unit of speed (1/unit), higher is prompter.
    """

    def __init__(self, min_cutoff_hz: float, beta: float, speed_cutoff_hz: float = 1.0) -> None:
        self.min_cutoff_hz, self.beta, self.speed_cutoff_hz = min_cutoff_hz, beta, speed_cutoff_hz
        self._time_s = 0.0
        self._value: Floats | None = None
        self._speed: Floats | None = None

    def __call__(self, time_s: float, values: Floats) -> Floats:
        """The filtered values at this time, which must be later than the last."""
        if self._value is None or self._speed is None:
            self._time_s, self._value, self._speed = time_s, values.copy(), np.zeros_like(values)
            return self._value.copy()
        dt = time_s - self._time_s
        known = np.isfinite(self._value)
        before = np.where(known, self._value, values)
        speed = np.where(np.isfinite(values), (values - before) / dt, 0.0)
        self._speed = self._speed + share(self.speed_cutoff_hz, dt) * (speed - self._speed)
        part = share(self.min_cutoff_hz + self.beta * np.abs(self._speed), dt)
        self._time_s, self._value = time_s, before + part * (values - before)
        return self._value.copy()
