"""Train the networks: `python apps/train.py lift3d --data DIR -o RUN`. The same command on CPU and GPU; a stopped run goes on.
Several GPUs: `torchrun --nproc_per_node=N apps/train.py ...` shares every batch among them.

  shared   both networks on one trunk, from scratch; its checkpoint starts the other two
  lift3d   the lifter, on crops of single people
  pose2d   the detector, on scenes of several people
  openpose_vgg19   the article's full detector on the same scenes, for GPUs

DIR holds people/, coco_people/ and backgrounds/ (see docs/training.md). RUN receives checkpoint.pt, log.jsonl, curves.png,
config.yaml and, at the end, the weights in float16, each with its card.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=("shared", "lift3d", "pose2d", "openpose_vgg19"))
    parser.add_argument("--data", type=Path, help="folder of the data sets; needed to train")
    parser.add_argument("-o", "--output", type=Path, help="folder of the run; needed to train")
    parser.add_argument("-c", "--config", type=Path, help="YAML file of settings")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one setting, e.g. loop.batch=64")
    parser.add_argument(
        "--init",
        type=Path,
        help="checkpoint.pt, weights (.safetensors, published VGG-19 as .pth) or the word imagenet: where a run starts",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare data (default 1)")
    parser.add_argument("--print-config", action="store_true", help="print the effective settings and stop")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a training; 0 done, 2 for bad input."""
    options = make_parser().parse_args(argv)
    from posecore.errors import PoseError
    from training.parallel import leave

    try:
        return train(options)
    except PoseError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    finally:
        leave()


def train(options: argparse.Namespace) -> int:
    """What the command line asked for."""
    import torch

    from posecore.config import describe, override_from_file, override_from_words
    from posecore.errors import ConfigError
    from training.cards import write_weights
    from training.runs import RUNS, make_trainer

    run = RUNS[options.network]
    if torch.cuda.is_available():
        run = replace(run, loop=replace(run.loop, device="cuda"))
    if options.config:
        run = override_from_file(run, options.config)
    run = override_from_words(run, options.set)
    if options.print_config:
        print(describe(run), end="")
        return 0
    if options.data is None or options.output is None:
        raise ConfigError("a training needs the folder of the data sets, --data DIR, and one of its own, -o RUN")
    trainer = make_trainer(run, options.data, options.output, options.init, options.workers)
    figures = trainer.run(lambda line: print(line, flush=True))
    if not trainer.leads:
        return 0
    for path in write_weights(run, trainer, figures, command_of(options)):
        print(f"wrote {path}")
    return 0


def command_of(options: argparse.Namespace) -> str:
    """The command for the card; of files that it reads the last two parts of the path."""
    files = {"-c": options.config, "--init": options.init}
    read = "".join(f" {flag} {'/'.join(path.parts[-2:])}" for flag, path in files.items() if path)
    given = "".join(f" --set {shlex.quote(word)}" for word in options.set)
    return f"python apps/train.py {options.network} --data DIR -o RUN{read}{given}"


if __name__ == "__main__":
    sys.exit(main())
