"""Write a result for other programs: `python apps/export.py clip_pose3d --format bvh,trc`.

bvh     one file per person: constant bones, Blender, Maya, MotionBuilder      glb   all people, animated and skinned, one file
trc     one file per person: joints in mm, y up, OpenSim                       c3d   the same, binary, z up (needs ezc3d)
json    joints in the image, COCO style                                        npz   everything as arrays
angles  joint_angles.csv, degrees
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, add_frame, guarded

if TYPE_CHECKING:
    from apps.result_folder import Result

FORMATS = ("bvh", "glb", "trc", "c3d", "json", "npz", "angles")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 done, 2 for bad input or a missing library."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="export", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="result folder of video3d")
    parser.add_argument("--format", default="bvh", metavar="LIST", help=f"some of {','.join(FORMATS)}, or all (default bvh)")
    add_frame(parser)
    parser.add_argument(
        "--bvh-unit", choices=("m", "cm"), default="m", help="m opens in Blender at scale 1 (default); cm suits MotionBuilder"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder to write to (default: the result folder)")
    return parser


def _run(options: argparse.Namespace) -> int:
    from apps.result_folder import load_result

    formats = parse_formats(options.format)
    unit_m = {"m": 1.0, "cm": 0.01}[options.bvh_unit]
    paths, notes = export_result(load_result(options.folder), formats, options.frame, options.output, unit_m)
    tell_files(paths, notes)
    return 0


def tell_files(paths: Sequence[Path], notes: Sequence[str], quiet: bool = False) -> None:
    """Files on stdout, one a line; what the user should know of them on stderr. Quiet tells nothing."""
    if quiet:
        return
    for path in paths:
        print(path)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


@dataclass(frozen=True)
class MoreFiles:
    """What is written behind a fit besides its tables: motion files of these formats in a frame, and the report."""

    formats: tuple[str, ...] = ()
    frame: str = "world"
    report: bool = False


def files_asked_for(options: argparse.Namespace) -> MoreFiles:
    """What the options of `apps.command_line.add_files` ask for. ConfigError, MissingDependencyError."""
    formats = parse_formats(options.export) if options.export else []
    return MoreFiles(tuple(formats), options.frame, options.report)


def write_more(folder: Path, more: MoreFiles) -> tuple[list[Path], list[str]]:
    """Write what is asked for behind a fit; the files, and notes on them and on those of an older fit that still lie there."""
    from apps.report import write_report
    from apps.result_folder import load_result, older_files

    paths, notes = export_result(load_result(folder), more.formats, more.frame) if more.formats else ([], [])
    if more.report:
        paths.append(write_report(folder))
    old = ", ".join(path.name for path in older_files(folder))
    return paths, [*notes, *([f"of an older fit: {old}; write them again with --export and --report"] if old else [])]


def parse_formats(words: str) -> list[str]:
    """'bvh,trc' to a list. ConfigError for an unknown one, MissingDependencyError for one that lacks its library."""
    from posecore.errors import ConfigError, MissingDependencyError

    chosen = [word.strip().lower() for word in words.split(",") if word.strip()]
    chosen = list(FORMATS) if chosen == ["all"] else chosen
    unknown = [word for word in chosen if word not in FORMATS]
    if unknown or not chosen:
        near = difflib.get_close_matches(unknown[0], FORMATS, n=1) if unknown else []
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(FORMATS)}, or all"
        raise ConfigError(f"unknown format '{','.join(unknown)}'; {hint}")
    if "c3d" in chosen and find_spec("ezc3d") is None:
        others = ",".join(name for name in chosen if name != "c3d") or "trc"
        raise MissingDependencyError(f"c3d needs the ezc3d library: pip install ezc3d; without it: {others}")
    return chosen


def export_result(
    result: Result, formats: Sequence[str], frame: str = "world", folder: Path | None = None, bvh_unit_m: float = 1.0
) -> tuple[list[Path], list[str]]:
    """Write the formats; returns the files and notes for the user. ConfigError, InputError, MissingDependencyError."""
    from apps.export_files import Exporter
    from posecore.errors import InputError

    folder = result.folder if folder is None else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        exporter = Exporter(result, frame, folder, bvh_unit_m)
        paths = [path for name in formats for path in exporter.write(name)]
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder with -o") from None
    return paths, exporter.notes(formats)


if __name__ == "__main__":
    sys.exit(main())
