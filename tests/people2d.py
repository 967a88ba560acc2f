"""Made-up people in the image for the tests and benchmarks of pose2d: openpose18 joints of an upright stick figure."""

import numpy as np

from posecore.skeleton import load_skeleton

SKELETON = load_skeleton("openpose18")

# Share of the stature; x to the person's left (image right for a person who faces us), y down from the neck.
FIGURE = {
    "nose": (0, -0.10),
    "neck": (0, 0),
    "shoulder": (0.11, 0),
    "elbow": (0.15, 0.17),
    "wrist": (0.18, 0.33),
    "hip": (0.07, 0.31),
    "knee": (0.08, 0.55),
    "ankle": (0.09, 0.80),
    "eye": (0.03, -0.13),
    "ear": (0.06, -0.12),
}


def upright(x_px, y_px, stature_px):
    """(18, 2) joints of a person who faces the camera with the neck at (x_px, y_px)."""
    side = {"left": 1, "right": -1}
    rows = []
    for joint in SKELETON.joints:
        sign = side.get(joint.split("_")[0], 0)
        x, y = FIGURE[joint.split("_")[-1]]
        rows.append((x_px + sign * x * stature_px, y_px + y * stature_px))
    return np.array(rows)


def crowd(people, size_wh, stature_px, seed=0):
    """(P, 18, 2) people side by side over the picture's width, each posed a little differently."""
    rng = np.random.default_rng(seed)
    x_px = (np.arange(people) + 0.5) * size_wh[0] / people
    necks = [upright(x, size_wh[1] * 0.25, stature_px) for x in x_px]
    return np.array(necks) + rng.uniform(-0.02, 0.02, (people, len(SKELETON), 2)) * stature_px
