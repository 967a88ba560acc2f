"""How well are people read whom the picture's border cuts off? `python -m benchmarks.cut CLIP.mp4 ... [--set NAME=VALUE]`

Rendered clips of one person (`apps/render.py clip`), each with its truth beside it, are cut through the chest (as before
a webcam), at the pelvis, the knees, the shanks and, at the pelvis, from one side; the camera and the stature are told. Per cut:
how far off the pelvis is in depth, all joints in the camera's frame and about the pelvis, those in the picture about the neck,
and how much of the errors in depth the intervals hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.pipeline import Networks, load_networks, observe
from apps.settings import Settings
from apps.truth import Truth, read_arrays, read_truth
from benchmarks.kept import in_one_line
from fitting.solve import fit_clip
from posecore.camera import Camera, beyond_picture, camera_to_image
from posecore.config import override_from_words
from posecore.metrics import inside_percent
from posecore.skeleton import load_skeleton
from posecore.types import Frame, Motion
from posecore.video import VideoReader

VNECT = load_skeleton("vnect21")
CUTS = ("not", "chest", "pelvis", "knees", "shanks", "side")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Of one clip: off_m (T, 21, 3) in the camera's axes, sigma_z_m and inside (T, 21): in depth, and in the picture."""

    off_m: Floats
    sigma_z_m: Floats
    inside: NDArray[np.bool_]


def border(xy_px: Floats, cut: str, size_wh: tuple[int, int]) -> tuple[int, int]:
    """Width and height, even, of the part of the picture that is left for a person (T, 21, 2)."""
    width, height = size_wh
    middle = {name: np.median(xy_px[:, VNECT.indices(joints)], axis=(0, 1)) for name, joints in _JOINTS.items()}
    if cut == "side":
        width = int(middle["pelvis"][0])
    elif cut != "not":
        height = int(middle[cut][1])
    return max(width - width % 2, 64), max(height - height % 2, 64)


_JOINTS = {
    "chest": ["neck", "pelvis"],
    "pelvis": ["pelvis"],
    "knees": ["left_knee", "right_knee"],
    "shanks": ["left_knee", "right_knee", "left_ankle", "right_ankle"],
}


class CutClip(VideoReader):
    """Every `step`th frame of a clip, its upper left part of this size; never encoded anew, so always the same."""

    def __init__(self, path: Path, size_wh: tuple[int, int], step: int) -> None:
        super().__init__(path)
        self.size_wh, self._step = size_wh, step

    def __iter__(self) -> Iterator[Frame]:
        """The frames, numbered from 0."""
        width, height = self.size_wh
        for frame in super().__iter__():
            if frame.index % self._step == 0:
                rgb = np.ascontiguousarray(frame.rgb[:height, :width])
                yield Frame(frame.index // self._step, frame.time_s, rgb)


def whole_camera(clip: Path) -> Camera:
    """The camera that a rendered clip was filmed with."""
    K_px = read_arrays(clip.with_suffix(".truth.npz"), "K_px")["K_px"]
    return Camera(K_px.astype(np.float64), VideoReader(clip).size_wh, source="truth")


def measure(
    clip: Path, truth: Truth, whole: Camera, cut: str, networks: Networks, settings: Settings, step: int
) -> Errors | None:
    """One cut of one clip, of the person seen longest; None if nobody is found."""
    size_wh = border(truth.xy_px[0], cut, whole.size_wh)
    camera = replace(whole, size_wh=size_wh)
    observed = observe(CutClip(clip, size_wh, step), networks, camera, settings, quiet=True)
    if not observed.tracks:
        return None
    track = max(observed.tracks, key=lambda t: len(t.frame))
    motion = fit_clip(track, camera, height_m=float(truth.stature_m[0]), settings=settings.fit)
    return errors(motion, truth, camera, step)


def errors(motion: Motion, truth: Truth, camera: Camera, step: int) -> Errors:
    """A motion, every `step`th frame of the clip, against the only person of the truth."""
    off_m = motion.xyz_m - truth.xyz_m[0, motion.frame * step]
    inside = ~beyond_picture(camera_to_image(motion.xyz_m, camera), camera)
    return Errors(off_m, motion.sigma_m[..., 1], inside)


def summary(parts: Sequence[Errors]) -> dict[str, float]:
    """Means over clips; errors in mm, intervals in percent of the joints in and outside the picture."""
    root, neck = VNECT.root, VNECT.index("neck")

    def mean(values: Sequence[Floats]) -> float:
        return 1000 * float(np.mean([np.mean(v) for v in values]))

    out = {
        "pelvis_z": mean([np.abs(p.off_m[:, root, 2].mean(keepdims=True)) for p in parts]),
        "too_far": mean([p.off_m[:, root, 2] for p in parts]),
        "all": mean([np.linalg.norm(p.off_m, axis=-1) for p in parts]),
        "about_pelvis": mean([np.linalg.norm(p.off_m - p.off_m[:, [root]], axis=-1) for p in parts]),
        "seen_about_neck": mean([np.linalg.norm(p.off_m - p.off_m[:, [neck]], axis=-1)[p.inside] for p in parts]),
    }
    for where in ("inside", "outside"):
        chosen = [p.inside == (where == "inside") for p in parts]
        off_m = np.concatenate([p.off_m[rows, 2] for p, rows in zip(parts, chosen, strict=True)])
        sigma_m = np.concatenate([p.sigma_z_m[rows] for p, rows in zip(parts, chosen, strict=True)])
        if len(off_m):
            out |= {f"{where}_{percent}": inside_percent(off_m, sigma_m, percent) for percent in (50, 80, 95)}
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 0 done, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="cut", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="rendered clips, their truth beside them")
    parser.add_argument("--step", type=int, default=3, help="take every so many frames of the clip (default 3: 10 a second)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="as for video3d")
    options = parser.parse_args(arguments)
    return in_one_line("cut", lambda: run(options.clips, options.step, override_from_words(Settings(), options.set)))


def run(clips: Sequence[Path], step: int, settings: Settings) -> None:
    """All cuts of all clips, of which every one is there before the first is lifted."""
    known = [(clip, read_truth(clip.with_suffix(".truth.npz")), whole_camera(clip)) for clip in clips]
    networks = load_networks(settings)
    for cut in CUTS:
        found = [measure(*one, cut, networks, settings, step) for one in known]
        parts = [part for part in found if part is not None]
        figures = summary(parts) if parts else {}
        print(f"{cut:7} {len(parts)} of {len(found)}", *(f"{k} {v:.0f}" for k, v in figures.items()), sep="  ", flush=True)


if __name__ == "__main__":
    sys.exit(main())
