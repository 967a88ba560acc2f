"""How often which source is drawn, whatever its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from posecore.errors import InputError
from training.samples import Sample

Maker = Callable[[np.random.Generator], Sample]


class SourceMix:
    """Draws samples so that a source's share is its weight; a weight of 0 leaves it out, an unnamed source is never drawn.

    `makers` are sources without an end: each makes a sample when one of its name is drawn. InputError where samples came, but
    of no source that is drawn.
    """

    def __init__(
        self, samples: Sequence[Sample], shares: Mapping[str, float], makers: Mapping[str, Maker] | None = None
    ) -> None:
        self.makers = dict(makers or {})
        self.by_source = {name: [s for s in samples if s.source == name] for name in shares}
        there = {name for name in shares if self.by_source[name] or name in self.makers}
        self.shares = {name: share for name, share in shares.items() if share > 0 and name in there}
        if samples and not self.shares:
            came = sorted({s.source for s in samples})
            raise InputError(f"no samples of the sources {', '.join(shares)}; there are {', '.join(came)}")

    def draw(self, rng: np.random.Generator, without: str = "") -> Sample:
        """One sample, not of the source `without` if there is another."""
        names = [name for name in self.shares if name != without] or list(self.shares)
        p = np.array([self.shares[name] for name in names])
        name = names[rng.choice(len(names), p=p / p.sum())]
        if name in self.makers:
            return self.makers[name](rng)
        pool = self.by_source[name]
        return pool[rng.integers(len(pool))]
