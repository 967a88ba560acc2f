"""Do people who cross keep their numbers, with the real networks? `python -m benchmarks.crossing CLIP.mp4 ...`

Clips of `apps/render.py clip --people 3 --crossing`, each with its truth beside it. Per clip: the detector ten times a second
and the tracker; the tracks of the program, whose lift follows people between two looks; and what it writes after the fit.
Whoever is hidden but for a few joints need not be found, and may be. benchmarks/tracking.py measures the tracker alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.followed import joints_of
from apps.pipeline import Networks, fit, load_networks, observe
from apps.settings import Settings
from apps.truth import read_arrays
from benchmarks.kept import in_one_line
from benchmarks.tracking import SAME, compare, in_sight, without
from pose2d.tracker import Tracker
from posecore.camera import camera_from_fov
from posecore.track_metrics import score_tracks
from posecore.types import Motion, Track
from posecore.video import VideoReader

STEP = 3  # frames of 1/30 s from one look of the detector to the next

Found = tuple[int, list[int], list[NDArray[np.float64]]]  # frame, numbers, joints (21, 2) of each


def with_detector(clip: Path, networks: Networks, settings: Settings) -> Iterator[Found]:
    """Detector and tracker, every STEP frames."""
    tracker = Tracker(settings.tracker)
    for frame in VideoReader(clip):
        if frame.index % STEP == 0:
            people = [p for p in networks.detector.detect(frame.rgb) if settings.detect.counts(p, crowd=True)]
            ids = tracker.update(frame.time_s, people, frame.rgb)
            yield frame.index, ids, [joints_of(p) for p in people]


def with_program(clip: Path, networks: Networks, settings: Settings) -> tuple[list[Found], list[Found]]:
    """The program, frame by frame: the tracks of its networks, and the motions fitted to them, whose short gaps are bridged."""
    reader = VideoReader(clip)
    camera = camera_from_fov(reader.size_wh, 54, "benchmark")
    observed = observe(reader, networks, camera, settings, quiet=True)
    motions = fit(observed.clip, observed.tracks, camera, settings)
    frames = len(observed.clip.time_s)
    return by_frame(observed.tracks, frames), by_frame(motions, frames)


def by_frame(people: Sequence[Track | Motion], frames: int) -> list[Found]:
    """Who is where, frame by frame; rows that a motion left empty are nobody."""
    found: list[Found] = [(k, [], []) for k in range(frames)]
    for person in people:
        for k, xy_px in zip(person.frame, person.xy_px, strict=True):
            if np.isfinite(xy_px).all():
                found[k][1].append(person.person)
                found[k][2].append(xy_px)
    return found


def scores(truth: dict[str, NDArray], found: Iterable[Found]) -> dict[str, Any]:
    """Tracking measures against everybody in sight, without what was found of others who are there."""
    frames = []
    for k, ids, people in found:
        xy_px = truth["xy_px"][:, k].astype(np.float64)
        everybody = compare(xy_px, list(range(len(xy_px))), ids, np.array(people))
        frames.append(without(everybody, np.flatnonzero(~in_sight(truth["visibility"][:, k]))))
    return {name: round(value, 3) for name, value in asdict(score_tracks(frames, SAME)).items()}


def main(argv: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="crossing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="+")
    options = parser.parse_args(argv)
    return in_one_line("crossing", lambda: run(options.clip))


def run(clips: list[Path]) -> None:
    """All clips, of which every one is there before the first is lifted."""
    truths = [read_arrays(clip.with_suffix(".truth.npz"), "xy_px", "visibility") for clip in clips]
    for clip in clips:
        VideoReader(clip)
    settings, table = Settings(), {}
    networks = load_networks(settings)
    for clip, truth in zip(clips, truths, strict=True):
        tracks, motions = with_program(clip, networks, settings)
        table[clip.name] = {
            "detector and tracker": scores(truth, with_detector(clip, networks, settings)),
            "the program's tracks": scores(truth, tracks),
            "the program": scores(truth, motions),
        }
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    sys.exit(main())
