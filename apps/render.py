"""Render clothed people with exact labels: `stills` for training, `clip` for videos with truth.

python apps/render.py stills --assets DIR --count 1000 --seed 1 -o OUT
python apps/render.py clip --assets DIR --seconds 10 --people 2 -o OUT.mp4
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from posecore.errors import ConfigError, PoseError

if TYPE_CHECKING:
    from training.synthetic.stills import StillMix


FOLDED = 0.35  # of the free arms, where nothing is said


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="render", description="Render clothed people with exact labels.")
    commands = parser.add_subparsers(dest="command", required=True)
    stills = commands.add_parser("stills", help="labelled crops of people in shards (format: training/synthetic/rendered.py)")
    _add_still_arguments(stills)
    clip = commands.add_parser("clip", help="a video with truth beside it (format: training/synthetic/clips.py)")
    _add_clip_arguments(clip)
    for command in (stills, clip):
        command.add_argument("--assets", type=Path, metavar="DIR", help="asset pack (default $VIDEO3D_ASSETS)")
        command.add_argument("--seed", type=int, default=0, help="the same seed gives the same result (default 0)")
        command.add_argument(
            "--part", choices=("train", "test"), default="train", help="share of bodies, motions and backgrounds"
        )
    return parser


def _add_still_arguments(stills: argparse.ArgumentParser) -> None:
    stills.add_argument("--count", type=int, required=True, help="pictures to make")
    stills.add_argument("--size", type=int, default=320, metavar="PX", help="side of the square pictures (default 320)")
    stills.add_argument(
        "--free-arms",
        type=float,
        metavar="SHARE",
        help="share with arms drawn over their whole range (default a quarter, none of them --folded)",
    )
    stills.add_argument(
        "--folded",
        type=float,
        metavar="SHARE",
        help=f"of the --free-arms, elbows bent beyond a right angle (default {FOLDED})",
    )
    stills.add_argument(
        "--balancing", type=float, default=0.0, metavar="SHARE", help="share on one leg, the trunk leaned any way (default 0)"
    )
    stills.add_argument(
        "--bare", type=float, default=0.0, metavar="SHARE", help="share of people in shorts, men without a shirt (default 0)"
    )
    stills.add_argument(
        "--in-line", type=float, default=0.0, metavar="SHARE", help="share with others before or behind the subject (default 0)"
    )
    stills.add_argument(
        "--high", type=float, default=0.0, metavar="SHARE", help="share from high up, looking down 10 to 45 degrees (default 0)"
    )
    stills.add_argument(
        "--half", type=float, default=0.0, metavar="SHARE", help="share of close-ups of the upper or lower body (default 0)"
    )
    stills.add_argument("--workers", type=int, default=1, help="processes, one core each (default 1)")
    stills.add_argument("--shard", type=int, default=250, metavar="N", help="pictures a shard (default 250)")
    stills.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the shards; finished ones of the same settings are kept",
    )


def _add_clip_arguments(clip: argparse.ArgumentParser) -> None:
    clip.add_argument("--seconds", type=float, default=10.0, help="length (default 10)")
    clip.add_argument("--fps", type=float, default=30.0, help="frames a second (default 30)")
    clip.add_argument("--size", default="640x360", metavar="WxH", help="size in pixels (default 640x360)")
    clip.add_argument("--people", type=int, choices=(1, 2, 3), default=1, help="how many people (default 1)")
    clip.add_argument("--crossing", action="store_true", help="the people walk to and fro and cross each other's paths")
    clip.add_argument("--motion", default="", help="kind of motion, as 'walking' or 'salsa' (default: random kinds)")
    clip.add_argument("--photo", action="store_true", help="a photograph behind the people instead of a room")
    clip.add_argument("--fov", type=float, default=54.0, metavar="DEG", help="vertical field of view (default 54)")
    clip.add_argument(
        "-o", "--out", type=Path, default=Path("rendered.mp4"), metavar="FILE", help="video (default rendered.mp4)"
    )


def _render_stills(args: argparse.Namespace) -> None:
    from multiprocessing import get_context

    from training.synthetic.stills import check_finished

    if min(args.count, args.workers, args.shard) < 1 or not 32 <= args.size <= 2048:
        raise ConfigError("--count, --workers and --shard must be at least 1, --size 32..2048")
    for name, share in (
        ("--free-arms", args.free_arms),
        ("--folded", args.folded),
        ("--balancing", args.balancing),
        ("--bare", args.bare),
        ("--in-line", args.in_line),
        ("--high", args.high),
        ("--half", args.half),
    ):
        if share is not None and not 0 <= share <= 1:
            raise ConfigError(f"{name} must lie in 0..1, got {share:g}")
    if args.folded is not None and not args.free_arms:
        raise ConfigError("--folded is a share of the --free-arms; say how many those are, or leave it out")
    counts = [min(args.shard, args.count - start) for start in range(0, args.count, args.shard)]
    numbered = list(enumerate(counts))
    check_finished(args.out, numbered, args.seed, args.part, _mix_of(args))
    jobs = [(args, numbered[worker :: args.workers]) for worker in range(min(args.workers, len(numbered)))]
    if len(jobs) == 1:
        _stills_worker(*jobs[0])
    else:
        with get_context("spawn").Pool(len(jobs)) as pool:  # a forked child could not use the parent's OpenGL
            pool.starmap(_stills_worker, jobs)


def _stills_worker(args: argparse.Namespace, shards: list[tuple[int, int]]) -> None:
    from training.synthetic.assets import open_assets
    from training.synthetic.stills import write_shards

    report = partial(print, flush=True)
    write_shards(open_assets(args.assets), args.out, shards, args.seed, args.part, _mix_of(args), report)


def _mix_of(args: argparse.Namespace) -> StillMix:
    """What the stills are to show."""
    from training.synthetic.poses import PoseMix
    from training.synthetic.stills import StillMix

    pose = PoseMix(balancing=args.balancing)
    if args.free_arms is not None:
        pose = replace(pose, free_arms=args.free_arms, folded=FOLDED if args.folded is None else args.folded)
    return StillMix(size_px=args.size, bare=args.bare, in_line=args.in_line, high=args.high, half=args.half, pose=pose)


def _render_clip(args: argparse.Namespace) -> None:
    from training.synthetic.assets import open_assets
    from training.synthetic.clips import ClipPlan, Film, write_clip

    width, _, height = args.size.partition("x")
    if not (width.isdigit() and height.isdigit()) or not (0 < args.seconds <= 600 and 1 <= args.fps <= 240):
        raise ConfigError("--size must be WxH in pixels, --seconds up to 600 and --fps 1..240")
    plan = ClipPlan(
        seconds=args.seconds,
        fps=args.fps,
        size_wh=(int(width), int(height)),
        people=args.people,
        crossing=args.crossing,
        motion="walking" if args.crossing else args.motion,
        photo=args.photo,
        vertical_fov_deg=args.fov,
    )
    film = Film(open_assets(args.assets), plan, args.seed, args.part)
    truth = write_clip(film, args.out, lambda done, of: print(f"\r{done}/{of} frames", end="", file=sys.stderr, flush=True))
    print(f"\n{args.out}\n{truth}")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    args = _parser().parse_args(argv)
    # One software rasteriser thread a process: more of them lose to more processes.
    for variable in ("LP_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    try:
        (_render_stills if args.command == "stills" else _render_clip)(args)
    except PoseError as error:
        print(f"render: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
