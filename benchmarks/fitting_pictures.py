"""What each term of the fit's energy does, in pictures: docs/pictures/fit_terms.png and fit_sigma.png.

    OMP_NUM_THREADS=1 python benchmarks/fitting_pictures.py [--assets DIR] [-o FOLDER]

Every panel shows motion capture (benchmarks/motion_capture.py) fitted with all terms and with one of them off, in a clip where
the difference is seen. benchmarks/fitting.py's ablation says what each is worth on the whole.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import chi2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fitting import ABLATION, MADE_UP, TRUE_REST_M, pick_scenes  # noqa: E402
from benchmarks.kept import in_one_line  # noqa: E402
from benchmarks.motion_capture import Clip, Scene, load_clips  # noqa: E402
from fitting.body import load_body  # noqa: E402
from fitting.solve import fit_clip  # noqa: E402
from posecore.errors import InputError  # noqa: E402
from posecore.types import Motion  # noqa: E402

Floats = NDArray[np.float64]
Series = Callable[[Floats], Floats]
Spoil = Callable[[Scene], Scene]
JOINT = load_body().skeleton.index
TRUTH, ON, OFF, RESTS = "#111111", "#1f6fd6", "#e0671f", "#d9ead9"


@dataclass(frozen=True)
class Panel:
    """What one term does: the setting of ABLATION without it, a clip, and a figure of its joints (T, 21, 3) over time.

    spoil: what is done to the clip before it is fitted, for terms that show only when something is wrong; rests_of: the joint
    whose true rests are shaded.
    """

    title: str
    figure: str
    off: str
    clip: str
    series: Series
    spoil: Spoil = lambda scene: scene
    rests_of: str | None = None


def fitted(scene: Scene, change: dict[str, Any]) -> Motion:
    """The fit of a scene with changed settings."""
    return fit_clip(scene.track, scene.camera, height_m=scene.height_m, settings=replace(MADE_UP, **change))


def distance(xyz_m: Floats) -> Floats:
    """(T,) pelvis from the camera, metres."""
    return np.linalg.norm(xyz_m[:, JOINT("pelvis")], axis=1)


def behind_pelvis(joint: str) -> Series:
    """How far the joint is behind the pelvis, seen from the camera, metres."""
    return lambda xyz_m: xyz_m[:, JOINT(joint), 2] - xyz_m[:, JOINT("pelvis"), 2]


def sideways(joint: str) -> Series:
    """The joint's place along the camera's x axis, metres."""
    return lambda xyz_m: xyz_m[:, JOINT(joint), 0]


def displaced(scene: Scene) -> Scene:
    """One 2D joint in ten is 200 pixels off."""
    rng = np.random.default_rng(5)
    away = rng.normal(size=scene.track.xy_px.shape)
    away *= 200 / np.linalg.norm(away, axis=2, keepdims=True) * (rng.random(away.shape[:2]) < 0.1)[..., None]
    return replace(scene, track=replace(scene.track, xy_px=scene.track.xy_px + away))


def hidden(joints: tuple[str, ...], from_s: float, to_s: float) -> Spoil:
    """The joints are not seen for a while."""

    def spoil(scene: Scene) -> Scene:
        score = scene.track.score.copy()
        rows = (scene.time_s >= from_s) & (scene.time_s < to_s)
        score[np.ix_(rows, load_body().skeleton.indices(joints))] = 0.0
        return replace(scene, track=replace(scene.track, score=score))

    return spoil


ARM = ("left_elbow", "left_wrist", "left_hand")
LIMBS = tuple(name for name in load_body().skeleton.joints if name not in ("pelvis", "left_hip", "right_hip", "spine"))
PANELS = (
    Panel("2D joints fix the place", "pelvis from the camera, m", "without 2D joints", "walking_43", distance),
    Panel(
        "Lifted joints fix the depth",
        "hand behind pelvis, m",
        "without lifted joints",
        "walking_43",
        behind_pelvis("left_hand"),
    ),
    Panel("Smoothness calms", "hand behind pelvis, m", "without smoothness", "walking_16", behind_pelvis("right_hand")),
    Panel(
        "Contact holds feet (shaded: true rests)",
        "toe from the camera, m",
        "without contact and floor",
        "walking_43",
        lambda xyz_m: xyz_m[:, JOINT("left_toe"), 2],
        rests_of="left_toe",
    ),
    Panel(
        "Robust loss (1 joint in 10 is 200 px off)",
        "hand sideways, m",
        "without robust loss",
        "indian_08",
        sideways("left_hand"),
        displaced,
    ),
    Panel(
        "Prior (arm hidden from 0.7 to 2.7 s)",
        "hand behind pelvis, m",
        "without prior",
        "walking_43",
        behind_pelvis("left_hand"),
        hidden(ARM, 0.7, 2.7),
    ),
    Panel(
        "Depth velocity (only hips seen, 0.7 to 2.7 s)",
        "pelvis from the camera, m",
        "without depth velocity",
        "walking_43",
        distance,
        hidden(LIMBS, 0.7, 2.7),
    ),
)


def draw_panel(axes: Axes, panel: Panel, scene: Scene) -> None:
    """Truth, all terms, and one term less."""
    seen = panel.spoil(scene)
    without, everything = fitted(seen, ABLATION[panel.off]).xyz_m, fitted(seen, {}).xyz_m
    if panel.rests_of is not None:
        still = np.linalg.norm(np.diff(scene.xyz_m[:, JOINT(panel.rests_of)], axis=0), axis=1) < 2 * TRUE_REST_M
        axes.fill_between(scene.time_s[1:], 0, 1, where=still, color=RESTS, transform=axes.get_xaxis_transform(), lw=0)
    axes.plot(scene.time_s, panel.series(scene.xyz_m), color=TRUTH, lw=2.4)
    axes.plot(scene.time_s, panel.series(without), color=OFF, lw=1.2)
    axes.plot(scene.time_s, panel.series(everything), color=ON, lw=1.6)
    axes.set_title(panel.title, fontsize=9)
    axes.set_ylabel(panel.figure, fontsize=8)
    axes.set_xlabel("seconds", fontsize=8)
    axes.tick_params(labelsize=7)


def draw_terms(clips: list[Clip], path: Path) -> None:
    """All panels and their legend."""
    scenes = {scene.name: scene for scene in pick_scenes(clips, 8, seed=4)}
    figure, grid = plt.subplots(2, 4, figsize=(13, 5.2))
    for axes, panel in zip(grid.flat, PANELS, strict=False):
        draw_panel(axes, panel, scenes[panel.clip])
    key = grid.flat[-1]
    for colour, width, name in ((TRUTH, 2.4, "truth"), (ON, 1.6, "fit with all terms"), (OFF, 1.2, "fit without the term")):
        key.plot([], [], color=colour, lw=width, label=name)
    key.legend(loc="center", fontsize=10, frameon=False)
    key.axis("off")
    save(figure, path)


def draw_sigma(clips: list[Clip], path: Path) -> None:
    """A hand's error in depth with its own interval, and how often the intervals of held-out clips hold."""
    settings, ratio = {"focal_sigma": 0.0, "stature_sigma": 0.0}, [[], []]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), width_ratios=(1.7, 1))
    for scene in pick_scenes(clips[1::2], 24, seed=3, frames=90):
        motion = fitted(scene, settings)
        error = motion.xyz_m - scene.xyz_m
        ratio[0].append((np.abs(error[..., :2]) / motion.sigma_m[..., :1]).ravel())
        ratio[1].append((np.abs(error[..., 2]) / motion.sigma_m[..., 1]).ravel())
    for name, colour in (("left_hand", ON), ("pelvis", OFF)):
        band, off = 1.96e3 * motion.sigma_m[:, JOINT(name), 1], 1e3 * error[:, JOINT(name), 2]
        left.fill_between(scene.time_s, -band, band, color=colour, alpha=0.18, lw=0)
        left.plot(scene.time_s, off, color=colour, label=f"{name.replace('_', ' ')}: error, 95 % interval shaded")
    left.set(xlabel="seconds", ylabel="depth error, mm", title=f"One clip ({scene.name})")
    left.legend(fontsize=7, loc="lower left")
    nominal = np.linspace(0.02, 0.98, 49)
    for parts, colour, name in zip(ratio, (OFF, ON), ("image plane", "depth"), strict=True):
        held = np.mean(np.concatenate(parts)[:, None] < np.sqrt(chi2.ppf(nominal, 1)), axis=0)
        right.plot(100 * nominal, 100 * held, color=colour, label=name)
    right.plot([0, 100], [0, 100], color=TRUTH, lw=0.8, ls=":")
    right.set(xlabel="interval, %", ylabel="errors within, %", title="24 held-out clips")
    right.legend(fontsize=8)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """The figure as a small PNG."""
    figure.tight_layout()
    figure.savefig(path, dpi=84, pil_kwargs={"optimize": True})
    print(path.name, path.stat().st_size // 1024, "kB")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=Path, default=ROOT.parent / "shared" / "data" / "synthetic_assets")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "pictures")
    args = parser.parse_args(argv)
    return in_one_line("fitting_pictures", lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Both pictures; InputError, before anything is fitted, where they cannot go."""
    if not args.output.is_dir():
        raise InputError(f"no folder '{args.output}' for the pictures; make it, or name another with -o")
    clips = load_clips(args.assets)
    draw_terms(clips, args.output / "fit_terms.png")
    draw_sigma(clips, args.output / "fit_sigma.png")


if __name__ == "__main__":
    sys.exit(main())
