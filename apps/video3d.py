"""An ordinary video of people to metric 3D skeletons, frame by frame: the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch on shared cores is far slower without; read at its import
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the fit's matrices are small: threads that wait for each other cost most

from posecore.errors import InputError, PoseError

if TYPE_CHECKING:
    from apps.settings import Settings

DEMO = Path(__file__).resolve().parent / "assets" / "demo.mp4"
_EPILOG = """exit codes:
  0    a result was written (also an honest empty one, if there are no people in the clip)
  1    the self-test failed: a figure lies beyond its bound
  2    wrong usage or unusable input; one line says what to do, nothing was written
  130  interrupted; a result folder without config.yaml is not complete

The result folder holds joints3d.csv, joints2d.csv, overlay.mp4, config.yaml and stage files for apps/refit.py.
Positions are metres in the camera's frame: x right, y down, z forward. Without a clip, the demo clip is lifted and
the last line says how far off the result is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _run(options))


def guarded(run: Any) -> int:
    """Run a command; what the user can mend becomes one line and exit code 2, an interruption 130."""
    try:
        return run()
    except PoseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone; nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder taken away while we write
        print(f"error: {error.filename or 'writing'}: {error.strerror or error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="video3d", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", nargs="?", type=Path, help="video file (mp4, mov, avi, webm, ...); default: the demo clip")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="result folder (default: CLIP_pose3d beside the clip)")
    parser.add_argument("--export", metavar="FORMATS", help="also write motion files: bvh,glb,trc,c3d,json,npz,angles or all")
    parser.add_argument(
        "--selftest", action="store_true", help="lift the demo clip and judge it by its truth: exit code 0 or 1"
    )
    add_settings(parser)
    return parser


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that video3d and refit share."""
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--fov", metavar="DEG", help="vertical field of view in degrees (phones: 36-45 wide, 60-69 tall)")
    camera.add_argument("--focal-px", metavar="PX", help="focal length in pixels of the clip as shown")
    camera.add_argument(
        "--camera", metavar="FILE", help="calibration (YAML or JSON): K or fx fy cx cy, distortion, width, height"
    )
    parser.add_argument("--height", metavar="METRES", help="stature of the people in metres (default: an average adult)")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--people", metavar="N", help="keep only the N people seen longest and largest")
    who.add_argument("--person", metavar="ID", help="keep only the person of this number")
    parser.add_argument("--no-overlay", action="store_true", help="do not draw overlay.mp4 (saves a pass over the clip)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings from a YAML file, as --print-config writes it")
    parser.add_argument("--set", metavar="A.B=V", action="append", default=[], help="change any setting; may be repeated")
    parser.add_argument("--print-config", action="store_true", help="print all settings with units and advice, and stop")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line, no warnings, no summary")


def settings_from(options: argparse.Namespace, base: Settings) -> Settings:
    """`base` with file, --set and the short options put in, the last winning. ConfigError."""
    from posecore.config import override, override_from_file, override_from_words

    settings = override_from_file(base, options.config) if options.config else base
    settings = override_from_words(settings, options.set)
    camera = {"fov_deg": options.fov, "focal_px": options.focal_px, "file": options.camera}
    if any(value is not None for value in camera.values()):
        settings = override(settings, {"camera": camera})
    people = {"height_m": options.height, "people": _whole(options.people), "person": _whole(options.person)}
    settings = override(settings, {"people": {k: v for k, v in people.items() if v is not None}})
    return override(settings, {"output": {"overlay": False}}) if options.no_overlay else settings


def _whole(text: str | None) -> int | str | None:
    """Text as a whole number if it is one; else as it is, for the settings to refuse by name."""
    return int(text) if text is not None and text.isdigit() else text


def _run(options: argparse.Namespace) -> int:
    from apps.settings import Settings

    if options.selftest:
        from apps.selftest import main as selftest

        return selftest(["--quiet"] if options.quiet else [])
    settings = settings_from(options, Settings())
    if options.print_config:
        from posecore.config import describe

        print(describe(settings), end="")
        return 0
    from apps.export import parse_formats
    from apps.pipeline import run_clip

    formats = parse_formats(options.export) if options.export else []
    clip, folder = _places(options.clip, options.output)
    summary = run_clip(clip, folder, settings, options.quiet)
    tell(summary, options.quiet)
    if formats and summary.persons:
        _export(folder, formats, options.quiet)
    if options.clip is None and not options.quiet:
        from apps.truth import truth_line

        print(truth_line(folder, DEMO.with_suffix(".truth.npz")))
    return 0


def _export(folder: Path, formats: list[str], quiet: bool) -> None:
    """Motion files beside the tables, in the gravity-up world; apps/export.py has more to choose from."""
    from apps.export import export_result
    from apps.result_folder import load_result

    paths, notes = export_result(load_result(folder), formats)
    if not quiet:
        print("\n".join(map(str, paths)))
        for note in notes:
            print(f"note: {note}", file=sys.stderr)


def _places(clip: Path | None, output: Path | None) -> tuple[Path, Path]:
    """The clip and its result folder; the demo's lies in the current folder, for the program may not be ours to write to."""
    if clip is None:
        if not DEMO.is_file():
            raise InputError(f"the demo clip {DEMO} is missing; give a clip of your own")
        return DEMO, output or Path("demo_pose3d")
    return clip, output or clip.parent / f"{clip.stem}_pose3d"


def tell(summary: Any, quiet: bool) -> None:
    """Warnings on stderr, then the one line of what was found."""
    if quiet:
        return
    for warning in summary.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(summary.line())


if __name__ == "__main__":
    sys.exit(main())
