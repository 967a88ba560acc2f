"""Who is on the viewer's stage: the people of one result, or of several results of the same clip to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.result_folder import Result
from apps.viewer_caption import INK, Piece
from apps.viewer_stage import person_colour, score_colours, sigma_colours, source_colours
from posecore.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cast:
    """P people on F frames. keys: their numbers on stage; legend: the results' names with the people in their colours;
    xyz_m (P, F, 21, 3) in the camera frame, sigma_m (P, F, 21, 2), source (P, F, 21), score (P, F, 21) of the network."""

    keys: tuple[int, ...]
    legend: tuple[Piece, ...]
    xyz_m: Floats
    sigma_m: Floats
    source: NDArray[np.uint8]
    score: Floats

    def colours(self, kind: str, frame: int) -> dict[int, Floats] | None:
        """(21, 3) joint colours by person for 'score', 'sigma' or 'source'; None for 'person', which the stage knows."""
        if kind == "person":
            return None
        paint: dict[str, Callable[[int], Floats]] = {
            "score": lambda p: score_colours(self.score[p, frame]),
            "sigma": lambda p: sigma_colours(self.sigma_m[p, frame]),
            "source": lambda p: source_colours(self.source[p, frame]),
        }
        return {key: paint[kind](p) for p, key in enumerate(self.keys)}


def cast_of(results: Sequence[Result]) -> Cast:
    """The people of one result under their own numbers, of several under 1, 2, 3 and so on. InputError for other clips."""
    frames = len(results[0].time_s)
    for result in results[1:]:
        if len(result.time_s) != frames:
            raise InputError(
                f"{result.folder}: {len(result.time_s)} frames, but {results[0].folder} has {frames}; compare one clip"
            )
    numbers = [result.joints.persons.tolist() for result in results]
    keys = tuple(numbers[0]) if len(results) == 1 else tuple(range(1, sum(map(len, numbers)) + 1))
    joints = [result.joints for result in results]
    return Cast(
        keys,
        _legend(results, numbers, keys),
        np.concatenate([j.xyz_m for j in joints]),
        np.concatenate([j.sigma_m for j in joints]),
        np.concatenate([j.source for j in joints]),
        np.concatenate([_scores(result) for result in results]),
    )


def _legend(results: Sequence[Result], numbers: Sequence[Sequence[int]], keys: Sequence[int]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    left = list(keys)
    for result, own in zip(results, numbers, strict=True):
        pieces.append((f"{result.name}  ", INK))
        for number in own:
            pieces.append((f"{number}  ", person_colour(left.pop(0))))
    return tuple(pieces)


def _scores(result: Result) -> Floats:
    """(P, F, 21) the network's scores of the people fitted."""
    seen = result.joints_2d.persons.tolist()
    rows = [seen.index(person) for person in result.joints.persons.tolist()]
    return result.joints_2d.score[rows]
