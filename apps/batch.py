"""Lift a folder of clips: `python apps/batch.py CLIPS/ -o OUT/`. What is done is skipped; a bad clip does not stop the others.

Every clip gets its result folder in OUT, and OUT/summary.csv one line. A clip counts as done when its config.yaml is there
(it is written last), and the table says so if that was with other settings; --again lifts it anew. Motion files and report that
are asked for are written for clips that were done, too. --engine ray spreads clips over the workers of a Ray cluster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, add_choices, add_files, add_settings, guarded, print_settings, settings_from

_EPILOG = """exit codes: 0 every clip was lifted or had been; 1 some failed, see the table; 2 wrong usage"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    parser = Parser(prog="batch", description=__doc__, epilog=_EPILOG)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIPS", help="folders of clips, or clips")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", required=True, help="folder for the result folders")
    parser.add_argument("--again", action="store_true", help="lift clips again that are done")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: one after another (default); ray: several at a time, on this machine or the cluster of RAY_ADDRESS",
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="with --engine ray: clips at a time, one core and 1 GB each (2)"
    )
    add_files(parser)
    add_choices(parser)
    add_settings(parser)
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    from apps.batch_jobs import find_jobs, lift_locally, lift_with_ray, table, write_summary
    from apps.export import files_asked_for
    from apps.settings import Settings
    from posecore.errors import ConfigError, InputError

    settings = settings_from(options, Settings())
    if options.print_config:
        return print_settings(settings)
    if options.workers < 1:
        raise ConfigError(f"--workers: expected at least 1, got {options.workers}")
    jobs = find_jobs(options.clips, options.output, options.again, files_asked_for(options))
    if not jobs:
        raise InputError(f"no clips in {', '.join(map(str, options.clips))}; expected files such as .mp4, .mov, .avi or .webm")
    options.output.mkdir(parents=True, exist_ok=True)
    if options.engine == "ray":
        results = lift_with_ray(jobs, settings, options.workers)
    else:
        results = lift_locally(jobs, settings, options.quiet)
    done = []
    for result in results:  # written after every clip: a stopped run has its table too
        done.append(result)
        write_summary(options.output / "summary.csv", done)
    if not options.quiet:
        print(table(done))
    return int(any(result.status == "failed" for result in done))


if __name__ == "__main__":
    sys.exit(main())
