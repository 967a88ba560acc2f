"""How good are the weights and the whole way: `python apps/evaluate.py SUBCOMMAND ...`.

  pose2d    the detector on any COCO-format folder, people photos' val split, composites, or rendered people: AP, PCK
  lift3d    crops of the people photos' val split, rendered people or MPI-INF-3DHP's test set: PCK, MPJPE, PA-MPJPE, honesty
            of the error bars
  pose2sim  two real clips with 3D truth through the whole pipeline: before and after the fit, root, reprojection

Figures go to standard output as JSON, and to a file with --json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pose = commands.add_parser("pose2d", help="the detector on pictures")
    pose.add_argument("--annotations", type=Path, help="person_keypoints_*.json in COCO's format")
    pose.add_argument("--images", type=Path, help="folder of the pictures that the annotations name")
    pose.add_argument("--set", dest="name", choices=("people", "synthetic"), help="instead: a set of ours, in --data")
    pose.add_argument(
        "--held-out", action="store_true", help="of these only the pictures that our training leaves out, by name"
    )
    pose.add_argument(
        "--composites", type=int, default=0, metavar="N", help="instead: N scenes of val people before held-out backgrounds"
    )
    pose.add_argument("--close-ups", action="store_true", help="people: cut to the upper half of the body, as before a webcam")
    pose.add_argument(
        "--data", type=Path, help="folder of that set; with --composites the one that holds people/ and backgrounds/"
    )
    pose.add_argument("--weights", type=Path, help="a .safetensors file with its card; default: those that came along")
    lift = commands.add_parser("lift3d", help="the lifter on crops")
    lift.add_argument("--set", dest="name", choices=("people", "synthetic", "mpi_inf_3dhp"), default="people")
    lift.add_argument("--weights", type=Path, help="a .safetensors file with its card; default: those that came along")
    lift.add_argument("--turned", action="store_true", help="crops turn with the body, as in a clip; not for mpi_inf_3dhp")
    lift.add_argument("--company", action="store_true", help="others of the photos stand behind and in front; for people")
    lift.add_argument("--second-opinion", action="store_true", help="with the detector's say in where limbs are, as in a clip")
    pose2sim = commands.add_parser("pose2sim", help="two real clips with 3D truth")
    pose2sim.add_argument("--height", type=float, help="the man's stature in metres; default 1.70")
    pose2sim.add_argument("--set", dest="words", action="append", default=[], metavar="NAME=VALUE", help="as for video3d")
    for command in (lift, pose2sim):
        command.add_argument("--data", type=Path, required=True, help="folder of the set")
    for command in commands.choices.values():
        command.add_argument("--json", type=Path, help="also write the figures there")
    return parser


def run_pose2d(options: argparse.Namespace) -> dict[str, Any]:
    """The detector's figures."""
    from apps.evaluate_pose2d import evaluate_detector

    where = (options.annotations, options.images, options.name, options.data)
    return evaluate_detector(*where, options.weights, options.composites, options.held_out, options.close_ups)


def run_lift3d(options: argparse.Namespace) -> dict[str, Any]:
    """The lifter's figures."""
    from apps.evaluate_lift import evaluate_lifter

    how = (options.turned, options.company, options.second_opinion)
    return evaluate_lifter(options.name, options.data, options.weights, *how)


def run_pose2sim(options: argparse.Namespace) -> dict[str, Any]:
    """The whole way's figures."""
    from dataclasses import replace

    from apps.evaluate_pose2sim import evaluate_pose2sim
    from apps.settings import Settings
    from posecore.config import override_from_words

    settings = override_from_words(Settings(), options.words)
    if options.height is not None:
        settings = replace(settings, people=replace(settings.people, height_m=options.height))
    return evaluate_pose2sim(options.data, settings)


COMMANDS = {"pose2d": run_pose2d, "lift3d": run_lift3d, "pose2sim": run_pose2sim}


def main(argv: list[str] | None = None) -> int:
    """Evaluate; 0 done, 2 for bad input."""
    options = make_parser().parse_args(argv)
    from posecore.errors import PoseError

    try:
        figures = COMMANDS[options.command](options)
    except PoseError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    text = json.dumps(figures, indent=2, default=float)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
