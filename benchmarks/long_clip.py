"""Memory over a long clip, and whether a second run gives the same numbers: `python -m benchmarks.long_clip -o RUNS`.

The demo clip, scaled to 720p and played there and back until ten minutes are full, goes through apps/video3d.py in a process of
its own, whose memory is looked at every ten seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from apps.video3d import DEMO
from posecore.results import JOINTS_2D, JOINTS_3D
from posecore.video import VideoReader, VideoWriter

ROOT = Path(__file__).resolve().parents[1]
SIZE_WH = (1280, 720)
RATE_FPS = 12.5
LOOK_S = 10.0


def make_clip(path: Path, minutes: float) -> int:
    """Write the long clip; the count of its frames."""
    pictures = [cv2.resize(frame.rgb, SIZE_WH) for frame in VideoReader(DEMO)]
    there_and_back = pictures + pictures[-2:0:-1]
    count = round(60 * minutes * RATE_FPS)
    with VideoWriter(path, SIZE_WH, RATE_FPS) as writer:
        for k in range(count):
            writer.write(there_and_back[k % len(there_and_back)], k / RATE_FPS)
    return count


def memory_mb(pid: int) -> float:
    """Memory that a process holds now (Linux), megabytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def run(clip: Path, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """One run of the program: seconds, and megabytes every LOOK_S."""
    words = [word for setting in settings for word in ("--set", setting)]
    start = time.monotonic()
    command = [sys.executable, str(ROOT / "apps" / "video3d.py"), str(clip), "-o", str(folder), *words]
    process = subprocess.Popen(command, stdout=sys.stderr)  # ours is for the table
    held: list[float] = []
    while True:
        try:
            process.wait(LOOK_S)
            break
        except subprocess.TimeoutExpired:
            held.append(round(memory_mb(process.pid), 1))
            print(f"{len(held) * LOOK_S:6.0f} s  {held[-1]:7.1f} MB", file=sys.stderr)
    if process.returncode:
        raise SystemExit(f"video3d.py ended with {process.returncode}")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (JOINTS_2D, JOINTS_3D)}
    return {"seconds": round(time.monotonic() - start), "memory_mb": held, "sha256": digests}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        prog="long_clip", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=2, help="how often (default 2, to compare the tables)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of video3d.py")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the clip and the results")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    clip = options.output / f"{options.minutes:g}_minutes.mp4"
    frames = make_clip(clip, options.minutes)
    runs = [run(clip, options.output / f"run_{k}", options.set) for k in range(options.runs)]
    same = all(r["sha256"] == runs[0]["sha256"] for r in runs)
    print(json.dumps({"machine": platform.processor(), "frames": frames, "same_tables": same, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
