"""One picture: find the people, lift each to 3D, print where their joints are.

    python examples/01_one_image.py photo.jpg

Shows the two networks without video, tracking or fit. A single picture has no scale: the lift's metres, about the
pelvis, are those of an adult of 1.62 m (docs/conventions.md, "Scale of the lift"), whoever is seen.
"""

import sys
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not needed once the project is installed

from lift3d.lifter import Lifter
from pose2d.estimator import PoseEstimator
from posecore.camera import camera_from_fov
from posecore.crop import crop_from_detection
from posecore.skeleton import load_skeleton


def main(path: str) -> None:
    """Detect, crop, lift, print."""
    bgr = cv2.imread(path) if Path(path).is_file() else None
    if bgr is None:
        sys.exit(f"{path}: no picture that OpenCV can read")
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    camera = camera_from_fov((rgb.shape[1], rgb.shape[0]), 54.0, "assumed")
    lifter, joints = Lifter(), load_skeleton("vnect21").joints
    people = PoseEstimator().detect(rgb)
    print(f"{len(people)} people")
    for number, person in enumerate(people, start=1):
        crop = crop_from_detection(person, lifter.input_px, picture_wh=camera.size_wh)
        if crop is None:
            continue
        pose = lifter.lift(rgb, [crop], camera)[0]
        print(f"person {number}: joint, pixels, metres about the pelvis (right, down, away), score")
        for j, joint in enumerate(joints):
            x, y = pose.xy_px[j]
            right, down, away = pose.xyz_m[j]
            print(f"  {joint:15s} {x:7.1f} {y:7.1f}   {right:+.2f} {down:+.2f} {away:+.2f}   {pose.score[j]:.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/01_one_image.py photo.jpg")
    main(sys.argv[1])
