"""Weights that others published to weights of ours: `python apps/convert.py openpose2017 FILE -o OUT.safetensors`.

openpose2017  OpenPose's COCO body model of 2017 as PyTorch files (.pth, .safetensors) carry it, to the network openpose_2017
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, guarded
from posecore.errors import InputError

_EPILOG = """The result detects as any weights do: video3d --set weights.pose2d=OUT.safetensors, evaluate.py pose2d --weights.
Its licence stays that of the published model (academic, non-commercial). Features to train openpose_vgg19 on need no
conversion: train.py openpose_vgg19 --init FILE.pth. Exit codes: 0 written, 2 wrong usage or a foreign file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="convert", description=__doc__, epilog=_EPILOG)
    parser.add_argument("model", choices=("openpose2017",), help="what FILE holds")
    parser.add_argument("file", metavar="FILE", type=Path, help="the published file")
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True, help="weights to write, *.safetensors, with their card"
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    from pose2d.public_weights import import_openpose_2017

    if options.output.suffix != ".safetensors":
        raise InputError(f"{options.output}: weights are written as *.safetensors; name the output so")
    import_openpose_2017(options.file, options.output)
    print(f"wrote {options.output} and its card")
    return 0


if __name__ == "__main__":
    sys.exit(main())
