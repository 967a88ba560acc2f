"""Made-up motion in the image for the tests of tracking: people who walk, cross, hide one another and are missed."""

from dataclasses import dataclass

import numpy as np

from posecore.oks import joints_box, oks, oks_sigma
from posecore.skeleton import load_skeleton
from posecore.track_metrics import TrackFrame
from posecore.types import Detection2D
from tests.people2d import upright

SKELETON = load_skeleton("openpose18")
SIGMA = oks_sigma(SKELETON)


@dataclass(frozen=True)
class Walker:
    """Neck at x_px when time is 0, speed in pixels per second, stature in pixels, step phase in radians."""

    x_px: float
    speed_px_s: float
    stature_px: float = 260.0
    phase: float = 0.0
    y_px: float = 80.0

    def joints(self, time_s):
        """(18, 2) joints of somebody who walks sideways: narrow, arms and legs swinging."""
        xy = upright(0, 0, self.stature_px) * (0.5, 1)
        swing = np.sin(2 * np.pi * 0.9 * time_s + self.phase) * self.stature_px
        for part, share in (("elbow", 0.05), ("wrist", 0.12), ("knee", -0.06), ("ankle", -0.16)):
            xy[SKELETON.index(f"left_{part}"), 0] += share * swing
            xy[SKELETON.index(f"right_{part}"), 0] -= share * swing
        return xy + np.array([self.x_px + self.speed_px_s * time_s, self.y_px])


def detect(walkers, time_s, rng, noise_px=3.0, missed=0.1, hidden_share=0.5):
    """(detections, their walkers): a walker hidden by one earlier in the list is not found; single joints are missed too."""
    detections, who = [], []
    poses = [walker.joints(time_s) for walker in walkers]
    for i, xy_px in enumerate(poses):
        hidden = any(_covered(xy_px, front) > hidden_share for front in poses[:i])
        if hidden or rng.random() < missed:
            continue
        noisy = xy_px + rng.normal(0, noise_px, xy_px.shape)
        noisy[rng.random(len(noisy)) < 0.15] = np.nan
        detections.append(Detection2D(noisy, np.isfinite(noisy[:, 0]).astype(float)))
        who.append(i)
    order = rng.permutation(len(who))
    return [detections[k] for k in order], [who[k] for k in order]


def _covered(xy_px, front_xy_px):
    """Share of joints inside the box of the person in front."""
    x0, y0, x1, y1 = joints_box(front_xy_px)
    return np.mean((xy_px[:, 0] > x0) & (xy_px[:, 0] < x1) & (xy_px[:, 1] > y0) & (xy_px[:, 1] < y1))


def follow(tracker, walkers, times_s, seed, **options):
    """TrackFrames of a tracker fed with detections of the walkers; people not found in a frame are not counted in it."""
    rng, frames = np.random.default_rng(seed), []
    for time_s in times_s:
        detections, who = detect(walkers, time_s, rng, **options)
        ids = tracker.update(time_s, detections)
        truth = np.array([walkers[i].joints(time_s) for i in who]).reshape(-1, 18, 2)
        area = np.array([walkers[i].stature_px ** 2 / 6 for i in who])
        found = np.array([d.xy_px for d in detections]).reshape(-1, 18, 2)
        frames.append(TrackFrame(who, ids, oks(truth[:, None], found, area[:, None], SIGMA)))
    return frames
