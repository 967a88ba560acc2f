"""What the skeleton fit must hold, on real motion capture with fixed seeds; prints all figures and writes fitting.json.

    OMP_NUM_THREADS=1 python benchmarks/fitting.py [accuracy causal coverage ablation speed] [--clips 24] [--assets DIR]

Scenes: benchmarks/motion_capture.py (CMU clips on the fit's body with drawn proportions, a 720p camera of 54 degrees at 3 to
5 m, 2D noise 3 px, local 3D noise 60 mm per axis that fades with 0.1 s, 10 % of joints dropped out for 0.15 s at a time). The
fit is given the true camera and stature, not the proportions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.kept import in_one_line  # noqa: E402
from benchmarks.motion_capture import Clip, Noise, Scene, load_clips, long_scene, make_scene  # noqa: E402
from fitting.causal import CausalFitter  # noqa: E402
from fitting.contact import foot_joints  # noqa: E402
from fitting.settings import FitSettings  # noqa: E402
from fitting.solve import fit_clip  # noqa: E402
from posecore import metrics  # noqa: E402
from posecore.errors import ConfigError  # noqa: E402
from posecore.scale import person_scale  # noqa: E402
from posecore.types import Pose3D  # noqa: E402

# What the errors of this made-up lift are like; the defaults know those of ours on real clips (docs/fitting.md).
MADE_UP = FitSettings(lift_sigma=1.0, lift_memory_s=Noise().memory_s, pixel_outlier=3.0, joint_sigma_m=0.0)
ROOT_JOINT = 14
TRUE_REST_M = 0.005  # a foot that moves less than this per frame (0.15 m/s) is in true contact
ENOUGH_RESTS = 20  # a clip's own foot slide is judged from so many rests (of one foot point in one frame) on
MIN_FRAMES, MAX_FRAMES = 45, 200
ABLATION: dict[str, dict[str, Any]] = {
    "everything": {},
    "without 2D joints": {"pixel_sigma_px": 1e4},
    "without lifted joints": {"lift_sigma": 1e4},
    "without smoothness": {"restlessness": 1e3, "root_acceleration_mps2": 4e3},
    "without depth velocity": {"depth_velocity_mps": 1e3},
    "without limits": {"limit_rad": 1e3},
    "without prior": {"prior": 0.0, "hinge_prior": 0.0},
    "without contact and floor": {"contact": False},
    "without floor": {"floor": False},
    "without robust loss": {"pixel_outlier": 1e3, "lift_outlier": 1e3, "contact_outlier": 1e3},
    "noise taken as independent": {"lift_memory_s": 0.0, "pixel_memory_s": 0.0},
}


def pick_scenes(clips: list[Clip], count: int, seed: int, frames: int = MAX_FRAMES) -> list[Scene]:
    """`count` scenes of different clips, none shorter than MIN_FRAMES."""
    scenes = []
    for i in np.random.default_rng(seed).permutation(len(clips)):
        scene = make_scene(clips[i], Noise(), np.random.default_rng([seed, int(i)]), frames)
        if len(scene.time_s) >= MIN_FRAMES:
            scenes.append(scene)
        if len(scenes) == count:
            break
    return scenes


def figures_of(scene: Scene, xyz_m: NDArray) -> dict[str, float]:
    """Every figure of one fitted scene."""
    truth, time_s = scene.xyz_m, scene.time_s
    lifted = scene.track.xyz_m * person_scale(scene.height_m)
    local, local_truth = xyz_m - xyz_m[:, [ROOT_JOINT]], truth - truth[:, [ROOT_JOINT]]
    distance = float(np.mean(np.linalg.norm(truth[:, ROOT_JOINT], axis=1)))
    root = metrics.mrpe_mm(xyz_m, truth, ROOT_JOINT)
    rests = float(np.sum(np.linalg.norm(np.diff(truth[:, foot_joints()], axis=0), axis=2) < TRUE_REST_M))
    return {
        "input_mpjpe_mm": metrics.mpjpe_mm(lifted, local_truth, None),
        "mpjpe_mm": metrics.mpjpe_mm(xyz_m, truth, ROOT_JOINT),
        "pa_mpjpe_mm": metrics.pa_mpjpe_mm(xyz_m, truth),
        "root_error_mm": root["all"],
        "root_error_percent": root["all"] / distance / 10,
        "input_acceleration_error_mps2": metrics.acceleration_error_mps2(lifted, local_truth, time_s),
        "acceleration_error_mps2": metrics.acceleration_error_mps2(local, local_truth, time_s),
        "jitter_over_truth": metrics.jitter_mps3(xyz_m, time_s) / metrics.jitter_mps3(truth, time_s),
        "foot_slide_mm": metrics.foot_skating_mm(xyz_m, truth, foot_joints(), TRUE_REST_M),
        "frames_in_true_contact": rests,
        "foot_slide_of_truth_mm": metrics.foot_skating_mm(truth, truth, foot_joints(), TRUE_REST_M),
    }


def slides_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Foot slide per frame of true contact over all scenes (one with few such frames counts little) and of the worst one."""
    weight = np.array([row["frames_in_true_contact"] for row in rows])
    slide = np.nan_to_num([row["foot_slide_mm"] for row in rows])
    worst = slide[weight >= ENOUGH_RESTS].max(initial=0.0)
    return {"foot_slide_pooled_mm": round(float(weight @ slide / weight.sum()), 3), "worst_foot_slide_mm": round(worst, 1)}


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean over scenes, by figure."""
    return {key: round(float(np.nanmean([row[key] for row in rows])), 3) for key in rows[0]}


def fitted(scene: Scene, settings: FitSettings) -> tuple[NDArray, NDArray, NDArray]:
    """Joints, standard deviations and bone lengths of the whole-clip fit."""
    motion = fit_clip(scene.track, scene.camera, height_m=scene.height_m, settings=settings)
    return motion.xyz_m, motion.sigma_m, motion.bone_length_m


def accuracy(clips: list[Clip], count: int) -> dict[str, Any]:
    """The whole-clip fit: means over scenes, medians of the foot slide, bone lengths."""
    rows, parents, deviation, lengths = [], None, 0.0, []
    for scene in pick_scenes(clips, count, seed=1):
        xyz, _, bone = fitted(scene, MADE_UP)
        rows.append(figures_of(scene, xyz))
        parents = scene.parents
        deviation = max(deviation, float(np.nanmax(metrics.bone_deviation_mm(xyz, parents))))
        moving = scene.length_m > 0
        lengths.append(np.abs(bone[moving] / scene.length_m[moving] - 1).mean())
        print(f"  {scene.name:24s} {rows[-1]['mpjpe_mm']:6.1f} mm  slide {rows[-1]['foot_slide_mm']:5.1f} mm", flush=True)
    out = mean_of(rows)
    out |= slides_of(rows)
    out["worst_mpjpe_mm"] = round(max(row["mpjpe_mm"] for row in rows), 1)
    return {
        **out,
        "bone_deviation_mm": round(deviation, 9),
        "bone_length_error_percent": round(100 * float(np.mean(lengths)), 2),
    }


def causal(clips: list[Clip], count: int) -> dict[str, Any]:
    """The causal fit frame by frame, with the time each took."""
    rows, cpu_ms = [], []
    for scene in pick_scenes(clips, max(count // 3, 4), seed=2):
        fitter, track, xyz = CausalFitter(scene.camera, scene.height_m, MADE_UP), scene.track, []
        for t, now in enumerate(scene.time_s):
            start = time.process_time()
            frame = fitter.update(now, Pose3D(track.xy_px[t], track.score[t], track.xyz_m[t], track.sigma_m[t]))
            cpu_ms.append(1e3 * (time.process_time() - start))
            xyz.append(np.full((21, 3), np.nan) if frame is None else frame.xyz_m)
        rows.append(figures_of(scene, np.array(xyz)))
    return {**mean_of(rows), "cpu_ms_per_frame_median": round(float(np.median(cpu_ms)), 2)}


def coverage(clips: list[Clip], count: int) -> dict[str, Any]:
    """How often the 50, 80 and 95 % intervals hold on the odd clips; the even ones show what CALIBRATION should be."""
    settings, out = replace(MADE_UP, focal_sigma=0.0, stature_sigma=0.0), {}
    for half, name in ((0, "calibration"), (1, "held_out")):
        across, depth, sharp = [], [], []
        for scene in pick_scenes(clips[half::2], count, seed=3, frames=90):  # many people: depth errs per clip, not per frame
            xyz, sigma, _ = fitted(scene, settings)
            error = np.abs(xyz - scene.xyz_m)
            across.append((error[..., :2] / sigma[..., :1]).ravel())
            depth.append((error[..., 2] / sigma[..., 1]).ravel())
            sharp.append(1e3 * sigma.mean(axis=(0, 1)))
        for axis, ratio in (("image_plane", np.concatenate(across)), ("depth", np.concatenate(depth))):
            held = {f"{p}%": round(100 * float(np.mean(ratio < k)), 1) for p, k in ((50, 0.6745), (80, 1.2816), (95, 1.96))}
            needed = [round(float(np.quantile(ratio, q) / k), 2) for q, k in ((0.5, 0.6745), (0.8, 1.2816), (0.95, 1.96))]
            out[f"{name}_{axis}"] = {**held, "factor_needed": needed}
        out[f"{name}_mean_sigma_mm"] = np.mean(sharp, axis=0).round(1).tolist()
    return out


def ablation(clips: list[Clip], count: int) -> dict[str, Any]:
    """Every term off in turn, on the same scenes."""
    scenes, out = pick_scenes(clips, max(count // 3, 4), seed=4), {}
    for name, change in ABLATION.items():
        rows = [figures_of(scene, fitted(scene, replace(MADE_UP, **change))[0]) for scene in scenes]
        out[name] = mean_of(rows)
        print(f"  {name:28s} {out[name]['mpjpe_mm']:6.1f} mm, root {out[name]['root_error_mm']:6.1f} mm", flush=True)
    return out


def speed(clips: list[Clip], count: int) -> dict[str, Any]:
    """Processor time of the whole-clip fit against the number of frames, and the peak of memory."""
    del count
    out: dict[str, Any] = {}
    for frames in (1000, 10000):
        scene = long_scene(clips, frames, Noise(), np.random.default_rng(0))
        start, wall = time.process_time(), time.perf_counter()
        xyz, _, _ = fitted(scene, MADE_UP)
        out[f"cpu_s_{frames}_frames"] = round(time.process_time() - start, 2)
        out[f"wall_s_{frames}_frames"] = round(time.perf_counter() - wall, 2)
        out[f"mpjpe_mm_{frames}_frames"] = round(metrics.mpjpe_mm(xyz, scene.xyz_m, ROOT_JOINT), 1)
    out["ratio"] = round(out["cpu_s_10000_frames"] / out["cpu_s_1000_frames"], 2)
    out["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return out


def processor() -> str:
    """The processor's name where Linux tells it, and how busy the machine was, which times depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.is_file() else []
    name = names[0].split(":")[1].strip() if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else name


PARTS: dict[str, Callable[[list[Clip], int], dict[str, Any]]] = {
    "accuracy": accuracy,
    "causal": causal,
    "coverage": coverage,
    "ablation": ablation,
    "speed": speed,
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--assets", type=Path, default=ROOT.parent / "shared" / "data" / "synthetic_assets")
    args = parser.parse_args(argv)
    return in_one_line("fitting", lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Every part that is named; ConfigError for one that there is not."""
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        raise ConfigError(f"unknown part '{unknown[0]}'; there are {', '.join(PARTS)}")
    clips, path = load_clips(args.assets), ROOT / "benchmarks" / "fitting.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    for part in args.parts or PARTS:
        print(part, flush=True)
        results[part] = PARTS[part](clips, args.clips)
        results[part]["machine"] = f"{processor()}, numpy {np.__version__}, Python {platform.python_version()}"
        print(json.dumps(results[part], indent=1), flush=True)
        path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
