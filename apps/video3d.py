"""An ordinary video of people to metric 3D skeletons, frame by frame: the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, add_choices, add_files, add_settings, guarded, print_settings, settings_from, tell
from posecore.errors import InputError

if TYPE_CHECKING:
    from apps.settings import Settings
    from apps.viewer_live import RunView
    from posecore.camera import Camera

DEMO = Path(__file__).resolve().parent / "assets" / "demo.mp4"
_EPILOG = """exit codes:
  0    a result was written (also an honest empty one, if there are no people in the clip)
  1    the self-test failed: a figure lies beyond its bound
  2    wrong usage or unusable input; one line says what to do, nothing was written
  130  interrupted; a result folder without config.yaml is not complete, apps/refit.py ends what has config.unfinished.yaml

The result folder holds joints3d.csv, joints2d.csv, overlay.mp4, config.yaml and stage files for apps/refit.py.
Positions are metres in the camera's frame: x right, y down, z forward. Without a clip, the demo clip is lifted and
the last line says how far off the result is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="video3d", description=__doc__, epilog=_EPILOG)
    parser.add_argument("clip", nargs="?", type=Path, help="video file (mp4, mov, avi, webm, ...); default: the demo clip")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="result folder (default: CLIP_pose3d beside the clip)")
    add_files(parser)
    parser.add_argument(
        "--view", action="store_true", help="show people in 3D while the run works; closing the window does not stop the run"
    )
    parser.add_argument(
        "--selftest", action="store_true", help="lift the demo clip and judge it by its truth: exit code 0 or 1"
    )
    add_choices(parser)
    add_settings(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    from apps.settings import Settings

    settings = settings_from(options, Settings())
    if options.print_config:
        return print_settings(settings)
    if options.selftest:
        return _selftest(options, settings)
    from apps.export import files_asked_for, tell_files, write_more
    from apps.pipeline import run_clip

    more = files_asked_for(options)
    clip, folder = _places(options.clip, options.output)
    tell(run_clip(clip, folder, settings, options.quiet, watch=_onlooker(settings, options)), options.quiet)
    tell_files(*write_more(folder, more), options.quiet)
    if options.clip is None and not options.quiet:
        from apps.result_folder import load_result
        from apps.truth import read_truth, truth_line

        print(truth_line(load_result(folder), read_truth(DEMO.with_suffix(".truth.npz"))))
    return 0


def _selftest(options: argparse.Namespace, settings: Settings) -> int:
    """The demo clip with these settings, judged; ConfigError for what a self-test would not heed."""
    from apps.selftest import run
    from posecore.errors import ConfigError

    for name in ("clip", "export", "report", "view", "height"):
        if getattr(options, name):
            raise ConfigError(f"--selftest lifts and judges the demo clip; it does not go with {name}")
    return run(options.output, options.quiet, settings)


def _onlooker(settings: Settings, options: argparse.Namespace) -> Callable[[Camera], RunView | None] | None:
    """The window of --view."""
    if not options.view:
        return None
    from apps.viewer_live import watch_run

    return watch_run(settings, options.quiet)


def _places(clip: Path | None, output: Path | None) -> tuple[Path, Path]:
    """The clip and its result folder; the demo's lies in the current folder, for the program may not be ours to write to."""
    if clip is None:
        if not DEMO.is_file():
            raise InputError(f"the demo clip {DEMO} is missing; give a clip of your own")
        return DEMO, output or Path("demo_pose3d")
    return clip, output or clip.parent / f"{clip.stem}_pose3d"


if __name__ == "__main__":
    sys.exit(main())
