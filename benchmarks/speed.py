"""Where the time goes, as milliseconds and as ratios within this run: `python -m benchmarks.speed`.

Detector, lift and fit on the demo clip, by every backend that is installed; the detector's network alone, on either trunk and a
picture of the article's 368x656 pixels, and its size; then the whole way with its peak memory.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as apps.command_line has it

import argparse
import importlib.util
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from apps.pipeline import fit, load_networks, observe
from apps.settings import Settings
from apps.video3d import DEMO
from backbones.runtime import make_runner
from backbones.trunk import TRUNKS
from lift3d.lifter import Lifter
from pose2d.estimator import PoseEstimator, last_maps, maps_at
from pose2d.network import OpenPoseLight, PoseConfig
from posecore.camera import camera_from_fov
from posecore.crop import crop_from_detection
from posecore.video import VideoReader

LOOK_HW = (368, 656)


def median_ms(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of a call in milliseconds, after one call that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times)), float(np.percentile(times, 95))


def stages(backend: str, repeats: int) -> dict[str, tuple[float, float]]:
    """Detector and lift of one frame."""
    frame = next(iter(VideoReader(DEMO)))
    camera = camera_from_fov((frame.rgb.shape[1], frame.rgb.shape[0]), 54, "benchmark")
    detector = PoseEstimator(backend=backend)
    people = detector.detect(frame.rgb)
    out = {"detector 368 px": median_ms(lambda: detector.detect(frame.rgb), repeats)}
    for mirror in (False, True):
        lifter = Lifter(backend=backend, mirror=mirror)
        crop = crop_from_detection(people[0], lifter.input_px)
        assert crop is not None
        name = f"lift {lifter.input_px} px" + (" with mirror" if mirror else "")
        out[name] = median_ms(lambda lifter=lifter, crop=crop: lifter.lift(frame.rgb, [crop], camera), repeats)  # type: ignore[misc]
    asked = Lifter(backend=backend, opinion=detector.limb_heat)
    out[f"{name} and opinion"] = median_ms(lambda: asked.lift(frame.rgb, [crop], camera), repeats)
    return out


def detector_networks(backend: str, repeats: int) -> dict[str, tuple[float, float]]:
    """One look of a detector of each trunk, from picture to maps. Its weights are random: they do not matter to the time."""
    rgb = np.random.default_rng(0).integers(0, 255, (*LOOK_HW, 3), dtype=np.uint8)
    out = {}
    for trunk in TRUNKS:
        network = OpenPoseLight(PoseConfig(trunk=trunk)).eval()
        run = make_runner(network, last_maps(network.config.head), backend)
        out[f"{trunk} {LOOK_HW[0]}x{LOOK_HW[1]}"] = median_ms(lambda run=run: maps_at(run, rgb, LOOK_HW[0]), repeats)  # type: ignore[misc]
    return out


def detector_sizes() -> dict[str, dict[str, float]]:
    """Parameters and floating point operations (a multiplication and an addition are two) of the same on 368x368 pixels."""
    out = {}
    for trunk in TRUNKS:
        network = OpenPoseLight(PoseConfig(trunk=trunk)).eval()
        with FlopCounterMode(
            display=False
        ) as counter:  # with gradients: it does not know what computes without them in one pass
            network(torch.zeros(1, 3, 368, 368))
        parameters = sum(p.numel() for p in network.parameters())
        out[trunk] = {"parameters M": parameters / 1e6, "GFLOPs at 368x368": counter.get_total_flops() / 1e9}
    return out


def whole_way() -> dict[str, float]:
    """The demo clip through networks and fit: milliseconds per frame and the process's peak memory."""
    settings = Settings()
    reader = VideoReader(DEMO)
    camera = camera_from_fov(reader.size_wh, 54, "benchmark")
    networks = load_networks(settings)
    start = time.perf_counter()
    observed = observe(reader, networks, camera, settings, quiet=True)
    seen = time.perf_counter()
    fit(observed.clip, observed.tracks, camera, settings)
    done = time.perf_counter()
    frames = len(observed.clip.time_s)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "networks ms/frame": 1000 * (seen - start) / frames,
        "fit ms/frame": 1000 * (done - seen) / frames,
        "frames/s": frames / (done - start),
        "peak memory MB": peak_mb,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-o", "--output", type=Path, help="also write the figures there as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, torch {torch.__version__}")
    figures: dict[str, Any] = {}
    backends = ["torch", *(["openvino"] if importlib.util.find_spec("openvino") else [])]
    for backend in backends:
        figures[backend] = stages(backend, options.repeats) | detector_networks(backend, options.repeats)
        for name, (median, late) in figures[backend].items():
            ratio = figures["torch"][name][0] / median
            print(f"{backend:9s} {name:28s} median {median:7.1f} ms   p95 {late:7.1f} ms   {ratio:.2f} x torch")
    figures["sizes"] = detector_sizes()
    for trunk, size in figures["sizes"].items():
        print(f"{trunk:18s} " + "   ".join(f"{value:.2f} {name}" for name, value in size.items()))
    figures["whole way"] = whole_way()
    for name, value in figures["whole way"].items():
        print(f"{'demo':9s} {name:28s} {value:.1f}")
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
