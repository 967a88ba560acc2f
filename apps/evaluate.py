"""How good are the weights and the whole way: `python apps/evaluate.py SUBCOMMAND ...`.

  pose2d    the detector on any COCO-format folder, people photos' val split, composites, or rendered people: AP, PCK
  lift3d    crops of the people photos' val split, rendered people or MPI-INF-3DHP's test set: PCK, MPJPE, PA-MPJPE, honesty
            of the error bars
  pose2sim  two real clips with 3D truth through the whole pipeline: before and after the fit, root, reprojection

Figures go to standard output as JSON, and to a file with --json; null is a figure over nothing. `measured_with` names the
weights (file, first 12 digits of their sha256) and how they ran.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from apps.settings import Settings


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
    pose.add_argument("--composites", type=int, metavar="N", help="instead: N scenes of val people before held-out backgrounds")
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
    lift.add_argument("--taught", action="store_true", help="people: those trained on; how much better tells what is missing")
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

    how = (options.turned, options.company, options.second_opinion, options.taught)
    return evaluate_lifter(options.name, options.data, options.weights, *how)


def run_pose2sim(options: argparse.Namespace) -> dict[str, Any]:
    """The whole way's figures."""
    from apps.evaluate_pose2sim import evaluate_pose2sim

    return evaluate_pose2sim(options.data, clip_settings(options))


def clip_settings(options: argparse.Namespace) -> Settings:
    """The program's settings with those of the command line."""
    from dataclasses import replace

    from apps.settings import Settings
    from posecore.config import override_from_words

    settings = override_from_words(Settings(), options.words)
    if options.height is None:
        return settings
    return replace(settings, people=replace(settings.people, height_m=options.height))


COMMANDS = {"pose2d": run_pose2d, "lift3d": run_lift3d, "pose2sim": run_pose2sim}


def measured_with(options: argparse.Namespace) -> dict[str, Any]:
    """What the figures are of: weights by file name and the start of their sha256; backend, device and precision."""
    from backbones.runtime import default_device, has_bf16
    from lift3d.lifter import DEFAULT_WEIGHTS as LIFTER
    from pose2d.estimator import DEFAULT_WEIGHTS as DETECTOR
    from posecore.weights import file_sha256

    backend = "torch"
    if options.command == "pose2sim":
        chosen = clip_settings(options).weights
        backend, paths = chosen.backend, {"pose2d": chosen.pose2d or DETECTOR, "lift3d": chosen.lift3d or LIFTER}
    elif options.command == "pose2d":
        paths = {"pose2d": options.weights or DETECTOR}
    else:
        paths = {"lift3d": options.weights or LIFTER, **({"pose2d": DETECTOR} if options.second_opinion else {})}
    told: dict[str, Any] = {k: {"file": Path(p).name, "sha256": file_sha256(Path(p))[:12]} for k, p in paths.items()}
    how = {"backend": backend}
    if backend == "torch":
        device = default_device()
        how |= {"device": device.type, "precision": "bfloat16" if has_bf16(device) else "float32"}
    return told | how


def make_room(path: Path) -> None:
    """The folder of a file that is written when all is done; InputError now if it cannot be."""
    from posecore.errors import InputError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--json {path}: its folder cannot be made ({error.strerror}); name another file") from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"--json {path} cannot be written; name a file in a folder of yours")


def as_json(figures: dict[str, Any]) -> str:
    """Figures as JSON, which has no NaN: null stands there."""
    plain = json.loads(json.dumps(figures, default=float), parse_constant=lambda _: None)
    return json.dumps(plain, indent=2, allow_nan=False)


def main(argv: list[str] | None = None) -> int:
    """Evaluate; 0 done, 2 for bad input."""
    options = make_parser().parse_args(argv)
    from posecore.errors import PoseError

    try:
        if options.json:
            make_room(options.json)
        figures = COMMANDS[options.command](options)
    except PoseError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    text = as_json({**figures, "measured_with": measured_with(options)})
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
