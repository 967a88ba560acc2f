"""What the viewer's colours mean, in words and swatches of the very colours that joints are drawn in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from apps.viewer_caption import INK, SWATCH, Piece
from apps.viewer_stage import SIGMA_RANGE_M, SOURCE_COLOURS, score_colours, sigma_colours
from posecore.types import Source

Floats = NDArray[np.float64]
_STEPS = 5  # swatches from one word of a scale to the next
_HEADS: Piece = ("    heads and trails: who it is", INK)


def scale_of(kind: str) -> tuple[Piece, ...]:
    """The legend of 'score', 'sigma' or 'source'; nothing for 'person', whose colours the people's numbers have."""
    if kind == "score":
        return (
            ("network's confidence: ", INK),
            *_ramp(np.array([1.0, 0.5, 0.0]), ("1", "0.5", "0, not seen"), score_colours),
            _HEADS,
        )
    if kind == "sigma":
        ticks_m = np.geomspace(*SIGMA_RANGE_M, 4)
        words = [f"{1000 * tick_m:.3g}" for tick_m in ticks_m]
        words[0], words[-1] = f"up to {words[0]}", f"{words[-1]} mm and more"
        ramp = _ramp(np.log(ticks_m), words, lambda log_m: sigma_colours(np.exp(log_m)[:, None]))
        return (("sigma across the view: ", INK), *ramp, _HEADS)
    if kind == "source":
        shown = [source for source in Source if source != Source.EMPTY]  # which has no place to be drawn at
        named = [((SWATCH, SOURCE_COLOURS[source]), (f" {source.name.lower()}   ", INK)) for source in shown]
        return (*(piece for pair in named for piece in pair), _HEADS)
    return ()


def _ramp(ticks: Floats, words: Sequence[str], colours: Callable[[Floats], Floats]) -> list[Piece]:
    """Words at ticks and, between them, swatches of the values in even steps."""
    pieces: list[Piece] = []
    for low, high, word in zip(ticks[:-1], ticks[1:], words[:-1], strict=True):
        values = low + (high - low) * (np.arange(_STEPS) + 0.5) / _STEPS
        pieces += [(f"{word} ", INK), *((SWATCH, colour) for colour in colours(values)), (" ", INK)]
    return [*pieces, (words[-1], INK)]
