"""Accuracy on pose2sim's demo: one man, real 3D truth from four cameras, two of the clips (docs/training.md names the source).

Compared are the 12 limb joints that both skeletons share, relative to the middle of the hips. The root error is that of the
hips' middle in the camera's frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.pipeline import Networks, Observed, fit, load_networks, observe
from apps.settings import Settings
from lift3d.spikes import undoubted_score
from posecore.camera import Camera, camera_to_image, world_to_camera
from posecore.errors import InputError
from posecore.metrics import inside_percent, mpjpe_mm, pa_mpjpe_mm
from posecore.scale import person_scale
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from posecore.types import Floats, Motion, Track
from posecore.video import VideoReader

CLIPS = {"cam01": 0, "cam03": 2}  # file name and camera number
# The clip of cam01 is 1080 pixels wide though calibrated at 1088. By where the truth's projection falls on the man the pixels
# are missing on the right, so its K holds as it is.
SURE_SCORE = 0.3  # a joint that the network saw with more confidence counts for the reprojection
VNECT = load_skeleton("vnect21")
LIMBS = VNECT.indices(LIMB_JOINTS)
HIPS = VNECT.indices(["left_hip", "right_hip"])


def load_truth(data: Path, clip: str, size_wh: tuple[int, int]) -> tuple[Camera, Floats]:
    """The clip's camera and the true limb joints (T, 12, 3) in its axes, metres, in the order of LIMB_JOINTS."""
    path = data / "truth.npz"
    if not path.is_file():
        raise InputError(f"no truth.npz in {data}; expected the folder of pose2sim's demo (truth.npz, cam01.mp4, cam03.mp4)")
    raw, k = np.load(path), CLIPS[clip]
    K = raw["K_px"][k].astype(float)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = raw["R_camera_world"][k], raw["t_camera_world_m"][k]
    names = [("R" if n.startswith("right") else "L") + n.split("_")[1].capitalize() for n in LIMB_JOINTS]
    index = [list(raw["joints"]).index(n) for n in names]
    camera = Camera(K, size_wh, raw["distortion"][k], "pose2sim's calibration")
    return camera, world_to_camera(raw["xyz_world_m"][:, index], T)


def hips_of(limbs_m: NDArray) -> NDArray[np.float64]:
    """Middle of the hips (T, 1, 3) of limb joints (T, 12, 3)."""
    index = [LIMB_JOINTS.index(VNECT.joints[h]) for h in HIPS]
    return limbs_m[:, index].mean(axis=1, keepdims=True)


def over_frames(frames: NDArray, values: NDArray, count: int) -> NDArray[np.float64]:
    """Rows (N, ...) of some frames as rows of all (count, ...), NaN where there is none."""
    out = np.full((count, *values.shape[1:]), np.nan)
    inside = frames < count
    out[frames[inside]] = values[inside]
    return out


def score_pose(limbs_m: NDArray, truth_m: NDArray) -> dict[str, float]:
    """MPJPE relative to the hips and after a similarity alignment, mm."""
    centred, truth = limbs_m - hips_of(limbs_m), truth_m - hips_of(truth_m)
    return {"mpjpe_mm": mpjpe_mm(centred, truth, None), "pa_mpjpe_mm": pa_mpjpe_mm(centred, truth)}


def score_lift(track: Track, truth_m: NDArray, height_m: float | None) -> dict[str, float]:
    """The network alone, frame by frame, before any fit."""
    xyz = track.xyz_m[:, LIMBS] * person_scale(height_m)
    return score_pose(over_frames(track.frame, xyz, len(truth_m)), truth_m)


def score_fit(motion: Motion, truth_m: NDArray, camera: Camera) -> dict[str, float]:
    """The fitted motion: pose, place, and distance in pixels from the true joints' projection."""
    xyz = over_frames(motion.frame, motion.xyz_m[:, LIMBS], len(truth_m))
    root = np.linalg.norm(hips_of(xyz) - hips_of(truth_m), axis=-1)
    off_px = np.linalg.norm(camera_to_image(xyz, camera) - camera_to_image(truth_m, camera), axis=-1)
    return {
        **score_pose(xyz, truth_m),
        "root_mm": 1000 * float(np.nanmean(root)),
        "root_percent": 100 * float(np.nanmean(root) / np.mean(hips_of(truth_m)[..., 2])),
        "to_truth_px_p50": float(np.nanpercentile(off_px, 50)),
        "to_truth_px_p95": float(np.nanpercentile(off_px, 95)),
    }


def score_bars(motion: Motion, truth_m: NDArray) -> dict[str, float]:
    """Percent of the errors of place, root included, that the 50, 80 and 95 % intervals of the error bars hold."""
    xyz, sigma = (over_frames(motion.frame, values[:, LIMBS], len(truth_m)) for values in (motion.xyz_m, motion.sigma_m))
    off = xyz - truth_m
    parts = {"plane": (off[..., :2], sigma[..., :1]), "depth": (off[..., 2], sigma[..., 1])}
    return {f"inside_{p}_{name}": inside_percent(*part, p) for p in (50, 80, 95) for name, part in parts.items()}


def reprojection_px(motion: Motion, track: Track) -> dict[str, float]:
    """Distance of the fit's joints from the network's own 2D, pixels: where it was sure by its own score, and of all joints.

    The score is the one from before spikes lost theirs (`lift3d.spikes`): what the fit may let go must not leave the figure.
    doubted_joints: how many of the sure ones had lost it.
    """
    rows, score = np.isin(motion.frame, track.frame), undoubted_score(track)
    off, sure = np.linalg.norm(motion.xy_px[rows] - track.xy_px, axis=-1), score > SURE_SCORE
    return {
        "reprojection_px_p50": float(np.nanpercentile(off[sure], 50)),
        "reprojection_px_p95": float(np.nanpercentile(off[sure], 95)),
        "reprojection_px_p95_all": float(np.nanpercentile(off, 95)),
        "doubted_joints": float((sure & (track.score < score)).sum()),
    }


def the_man(tracks: Sequence[Track], truth_px: NDArray) -> Track:
    """The track that is about the man of the truth (others stand in the background): nearest in the image in the median."""

    def far_px(track: Track) -> float:
        rows = track.frame < len(truth_px)
        return float(np.nanmedian(np.linalg.norm(track.xy_px[rows][:, LIMBS] - truth_px[track.frame[rows]], axis=-1)))

    near = min(far_px(track) for track in tracks)
    return max((t for t in tracks if far_px(t) < 2 * near + 20), key=lambda t: len(t.frame))


def evaluate_clip(data: Path, clip: str, settings: Settings, networks: Networks) -> dict[str, Any]:
    """All figures of one clip."""
    reader = VideoReader(data / f"{clip}.mp4")
    camera, truth = load_truth(data, clip, reader.size_wh)
    observed: Observed = observe(reader, networks, camera, settings, quiet=True)
    if not observed.tracks:
        return {"people": 0, "frames": 0}
    main = the_man(observed.tracks, camera_to_image(truth, camera))
    (motion,) = fit(observed.clip, [main], camera, settings)
    return {
        "people": len(observed.tracks),
        "frames": len(main.frame),
        "lift": score_lift(main, truth, settings.people.height_m),
        "fit": {**score_fit(motion, truth, camera), **reprojection_px(motion, main), **score_bars(motion, truth)},
    }


def evaluate_pose2sim(data: Path, settings: Settings) -> dict[str, Any]:
    """Figures by clip."""
    networks = load_networks(settings)
    return {clip: evaluate_clip(data, clip, settings, networks) for clip in CLIPS}
