"""Do people keep their numbers? Run: python benchmarks/tracking.py CLIP.truth.npz ... (of apps/render.py, people crossing)

The detector is made up from the clips' truth, so that only the tracker is measured: joints behind others are nearly always
missed, those behind the own body sometimes, every joint is noisy, whole people are missed at random. Everybody in sight counts,
found or not; whoever is hidden but for a few joints need not be found, and may be.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from apps.truth import read_arrays
from benchmarks.kept import in_one_line
from pose2d.tracker import Tracker
from posecore.oks import joints_box, oks, oks_sigma
from posecore.skeleton import load_skeleton
from posecore.track_metrics import TrackFrame, score_tracks
from posecore.types import Detection2D
from training.synthetic.labels import Visibility

FOUND_SHARE = np.array([0.0, 0.1, 0.8, 0.97])  # by visibility: outside, behind another thing, behind the own body, visible
NOISE, MISSED, JOINTS_MIN = 0.02, 0.05, 5  # of the root of the box's area; share of people; joints that make a detection
SAME = 0.5  # OKS from which what was found is a person
IN_SIGHT = 6  # of 21 joints, from which a person must be found, as the program asks of a detection
SIGMA = oks_sigma(load_skeleton("vnect21"))
SHARED = np.isfinite(SIGMA)  # joints that a detector has too


def follow(truth, step, seed):
    """TrackFrames of every step-th frame of a clip: everybody in sight, whom the made-up detector found or not."""
    rng, tracker, frames = np.random.default_rng(seed), Tracker(), []
    for t in range(0, len(truth["frame"]), step):
        xy_px, visibility = truth["xy_px"][:, t].astype(np.float64), truth["visibility"][:, t]
        box = joints_box(xy_px)
        size_px = np.sqrt((box[:, 2:] - box[:, :2]).prod(axis=1))
        noisy = xy_px + rng.normal(0, NOISE, xy_px.shape) * size_px[:, None, None]
        found = rng.random(visibility.shape) < FOUND_SHARE[visibility]
        noisy[~found] = np.nan
        who = [p for p in rng.permutation(len(xy_px)) if found[p, SHARED].sum() >= JOINTS_MIN and rng.random() > MISSED]
        ids = tracker.update(float(truth["time_s"][t]), [Detection2D(noisy[p], found[p] * 1.0, "vnect21") for p in who])
        everybody = compare(xy_px, list(range(len(xy_px))), ids, noisy[who])
        frames.append(without(everybody, np.flatnonzero(~in_sight(visibility))))
    return frames


def in_sight(visibility):
    """(P,) who must be found, by the visibility codes (P, 21) of all joints."""
    return (visibility >= Visibility.BEHIND_SELF).sum(axis=1) >= IN_SIGHT


def compare(xy_px, who, ids, found_xy_px):
    """TrackFrame of the people `who`, of all true joints xy_px (P, 21, 2), and of those found (N, 21, 2) as numbers `ids`."""
    box = joints_box(xy_px[who])
    area = (box[:, 2:] - box[:, :2]).prod(axis=1)
    similarity = oks(xy_px[who][:, None], found_xy_px, area[:, None], SIGMA) if ids else np.zeros(0)
    return TrackFrame(who, ids, similarity.reshape(len(who), len(ids)))


def without(frame, hidden):
    """A frame without the hidden rows of its truth, and without what was found of them rather than of somebody in sight."""
    shown = np.setdiff1d(np.arange(len(frame.truth)), hidden)
    best = [part.max(axis=0, initial=0.0) for part in (frame.similarity[hidden], frame.similarity[shown])]
    kept = np.flatnonzero(~((best[0] >= SAME) & (best[0] > best[1])))
    return TrackFrame([frame.truth[t] for t in shown], [frame.found[f] for f in kept], frame.similarity[np.ix_(shown, kept)])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=3, help="runs per clip with other noise")
    options = parser.parse_args(argv)
    return in_one_line("tracking", lambda: run(options))


def run(options):
    """Follow everybody in every clip, at several rates; prints the figures."""
    clips = [read_arrays(path, "frame", "time_s", "xy_px", "visibility", "fps") for path in options.truth]
    table = {}
    for step in (1, 3, 6, 15):
        scores = [score_tracks(follow(clip, step, seed), SAME) for clip in clips for seed in range(options.seeds)]
        table[f"{float(clips[0]['fps']) / step:g} Hz"] = {
            "clips": len(scores),
            "switches": sum(s.switches for s in scores),
            "idf1_min": round(min(s.idf1 for s in scores), 4),
            "idf1": round(float(np.mean([s.idf1 for s in scores])), 4),
            "hota": round(float(np.mean([s.hota for s in scores])), 4),
        }
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    sys.exit(main())
