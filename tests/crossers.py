"""People who walk past each other in a made-up clip, and what they wear: for the tests of who is who."""

from dataclasses import replace

import numpy as np

from apps.followed import Looks
from posecore.camera import camera_from_fov
from posecore.stages import Clip
from posecore.types import Track

FRAMES, RATE = 80, 20.0
BODY_PX = np.random.default_rng(3).uniform([-30, -100], [30, 100], (21, 2))
RED, BLUE, GREEN = (np.tile(colour, (3, 1)) for colour in ([50.0, 60, 30], [40.0, 10, -50], [60.0, -50, 40]))
CLIP = Clip(np.arange(FRAMES) / RATE, RATE, camera_from_fov((640, 240), 54.0, "made up"))


def walker(person, start_px, speed_px, down_px=0.0, frames=range(FRAMES)):
    """Somebody who walks along x at so many pixels a frame, `down_px` lower than others, and is seen in these frames."""
    frame = np.array(frames)
    xy = BODY_PX + np.stack([start_px + speed_px * frame, np.full(len(frame), down_px)], axis=1)[:, None]
    score = np.ones((len(frame), 21))
    return Track(person, frame, frame / RATE, xy, score, np.zeros((*score.shape, 3)), np.ones((*score.shape, 2)))


def dressed(colour, every=2, seed=0, frames=range(FRAMES)):
    frame = np.array(frames)[::every]
    return Looks(frame, colour + np.random.default_rng(seed).normal(0, 3, (len(frame), 3, 3)))


def exchanged(one, other, frame):
    """Two tracks or looks with each other's rows from a frame on."""

    def joined(a, b):
        names = [name for name in vars(a) if name != "person"]
        rows = {n: np.concatenate([getattr(a, n)[a.frame < frame], getattr(b, n)[b.frame >= frame]]) for n in names}
        return replace(a, **rows)

    return joined(one, other), joined(other, one)
