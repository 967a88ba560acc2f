"""The fit without our networks: 2D joints and rough 3D of your own become one body with constant bones.

    python examples/04_own_skeleton_fit.py

Any estimator will do that gives vnect21 joints in pixels and in height-normalised metres about the pelvis
(docs/conventions.md); missing joints are NaN with score 0. Here the body swings its arms and the measurements are noisy.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not needed once the project is installed

from fitting.body import load_body
from fitting.kinematics import Pose, place, rest_pose
from fitting.solve import fit_clip
from posecore.camera import camera_from_fov, camera_to_image
from posecore.scale import person_scale
from posecore.types import Track

FRAMES, RATE_FPS, HEIGHT_M = 20, 25.0, 1.75


def main() -> None:
    """Make a motion, spoil it, fit it, and say how far off the measurements and the fit are."""
    rng, camera = np.random.default_rng(0), camera_from_fov((1280, 720), 50.0, "given")
    body, rest = load_body(), rest_pose(FRAMES)
    swing = np.zeros((FRAMES, len(body.hinges)))
    elbows = [k for k, hinge in enumerate(body.hinges) if body.skeleton.joints[hinge.joint].endswith("wrist")]
    swing[:, elbows] = 0.6 + 0.4 * np.sin(np.linspace(0, 2 * np.pi, FRAMES))[:, None]
    truth_m = place(Pose(rest.root_m + [0.2, 0.0, 4.0], rest.ball, swing), body.length * HEIGHT_M).xyz_m

    about_pelvis = truth_m - truth_m[:, [body.skeleton.root]]
    seen_m = about_pelvis / person_scale(HEIGHT_M) + rng.normal(0, 0.03, truth_m.shape)
    seen_px = camera_to_image(truth_m, camera) + rng.normal(0, 2.0, (FRAMES, 21, 2))
    seen_px[5:9, body.skeleton.index("left_wrist")] = np.nan  # hidden for four frames
    score = np.where(np.isfinite(seen_px).all(axis=2), 0.9, 0.0)
    sigma_m = np.full((FRAMES, 21, 2), 0.03)
    track = Track(1, np.arange(FRAMES), np.arange(FRAMES) / RATE_FPS, seen_px, score, seen_m, sigma_m)

    motion = fit_clip(track, camera, height_m=HEIGHT_M)
    local_m = motion.xyz_m - motion.xyz_m[:, [body.skeleton.root]]
    measured_mm, fitted_mm = mean_mm(seen_m * person_scale(HEIGHT_M) - about_pelvis), mean_mm(local_m - about_pelvis)
    print(f"about the pelvis: measured {measured_mm:.0f} mm off, fitted {fitted_mm:.0f} mm")
    print(f"in the camera: fitted {mean_mm(motion.xyz_m - truth_m):.0f} mm off")


def mean_mm(error_m: np.ndarray) -> float:
    """Mean length of (..., 3) errors in millimetres."""
    return float(1000 * np.linalg.norm(error_m, axis=-1).mean())


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit("usage: python examples/04_own_skeleton_fit.py")
    main()
