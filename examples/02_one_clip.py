"""One clip: run the whole way, then read the result as arrays.

python examples/02_one_clip.py clip.mp4 result_folder
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not needed once the project is installed

from apps.pipeline import run_clip
from apps.settings import PeopleSettings, Settings
from posecore.errors import PoseError
from posecore.results import JOINTS_3D, read_joints3d
from posecore.skeleton import load_skeleton


def main(clip: str, folder: str) -> None:
    """Lift the clip, then say how far everybody walked and how high the hands went."""
    settings = Settings(people=PeopleSettings(height_m=1.70))
    print(run_clip(Path(clip), Path(folder), settings).line())

    joints = read_joints3d(Path(folder) / JOINTS_3D)  # xyz_m: (persons, frames, 21, 3), camera frame, metres, NaN if unknown
    skeleton = load_skeleton("vnect21")
    for person, xyz_m in zip(joints.persons, joints.xyz_m, strict=True):
        pelvis = xyz_m[:, skeleton.root]
        pelvis = pelvis[np.isfinite(pelvis).all(axis=1)]
        path_m = np.linalg.norm(np.diff(pelvis, axis=0), axis=1).sum()
        hands = xyz_m[:, skeleton.indices(["left_hand", "right_hand"]), 1] - xyz_m[:, [skeleton.index("head")], 1]
        print(f"person {person}: pelvis path {path_m:.2f} m, hands up to {-np.nanmin(hands):+.2f} m above the head")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/02_one_clip.py clip.mp4 result_folder")
    try:
        main(sys.argv[1], sys.argv[2])
    except PoseError as error:  # what you can mend, in one line
        sys.exit(f"error: {error}")
