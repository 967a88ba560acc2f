"""Look at results in 3D: `python apps/viewer.py clip_pose3d`, a window with the skeletons in their world.

Without a display: --screenshot OUT.png --frame N, or --movie OUT.mp4 (with --turntable the view walks once around).
Several folders are shown together, to compare results of the same clip.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, guarded

if TYPE_CHECKING:
    from apps.viewer_show import ResultShow

COLOURS = ("person", "score", "sigma", "source")
FILM_ENDINGS = (".mp4", ".m4v", ".mov")  # posecore.video writes MP4, which players also take for these
OVERSAMPLING = 2  # pictures are drawn this much larger and scaled down: smooth edges


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 done, 2 for bad input or a missing library."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    from apps.viewer_player import KEYS_HELP

    parser = Parser(prog="viewer", description=__doc__, epilog=KEYS_HELP)
    parser.add_argument("folder", nargs="+", type=Path, metavar="DIR", help="result folder of video3d; several to compare")
    parser.add_argument("--screenshot", type=Path, metavar="OUT.png", help="write one picture and stop; needs no display")
    parser.add_argument("--movie", type=Path, metavar="OUT.mp4", help="write the whole clip as a film; needs no display")
    parser.add_argument("--turntable", action="store_true", help="with --movie: walk once around the people")
    parser.add_argument("--frame", type=int, default=0, metavar="N", help="frame to show first, counted from 0 (default 0)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(1280, 720),
        metavar=("W", "H"),
        help="of window, picture or film in pixels (1280 720)",
    )
    parser.add_argument(
        "--azimuth", type=float, default=45.0, metavar="DEG", help="where to stand: degrees to the right of the camera (45)"
    )
    parser.add_argument(
        "--elevation", type=float, default=14.0, metavar="DEG", help="where to stand: degrees above the horizon (14)"
    )
    parser.add_argument("--with-camera", action="store_true", help="stand back until the clip's camera is in the picture too")
    parser.add_argument(
        "--colour",
        choices=COLOURS,
        default="person",
        help="of joints: person; score, the network's confidence 1..0, or sigma, standard deviation across the viewing "
        "direction 10..80 mm, both from blue (sure) to red; source, where a joint comes from (docs/outputs.md); a scale is "
        "shown with them, and round heads and trails keep the person's colour",
    )
    parser.add_argument("--picture", choices=("yes", "none"), default="yes", help="show the clip's picture too (yes)")
    parser.add_argument("--renderer", choices=("open3d", "opencv"), default="open3d", help="opencv draws without OpenGL")
    return parser


def _run(options: argparse.Namespace) -> int:
    """Picture, film or window, as asked for."""
    from apps.result_folder import load_result
    from apps.viewer_display import display_fault
    from apps.viewer_show import ResultShow
    from apps.viewer_stage import make_renderer
    from posecore.errors import ConfigError, MissingDependencyError

    if min(options.size) < 64 or max(options.size) > 8192:
        raise ConfigError(f"--size: expected 64 to 8192 pixels, got {options.size[0]} {options.size[1]}")
    if options.turntable and not options.movie:
        raise ConfigError("--turntable needs --movie OUT.mp4")
    _check_files(options)
    results = [load_result(folder) for folder in options.folder]
    frames = len(results[0].time_s)
    if not 0 <= options.frame < frames:
        raise ConfigError(f"--frame: the clip has frames 0 to {frames - 1}, got {options.frame}")
    off_screen = bool(options.screenshot or options.movie)
    if not off_screen and options.renderer == "opencv":
        raise ConfigError("--renderer opencv draws pictures only: add --screenshot OUT.png or --movie OUT.mp4")
    if not off_screen and (fault := display_fault()):
        raise MissingDependencyError(f"no display for a window ({fault}); draw with --screenshot OUT.png or --movie OUT.mp4")
    factor = OVERSAMPLING if off_screen else 1
    size_wh = (options.size[0] * factor, options.size[1] * factor)
    renderer = make_renderer(options.renderer, size_wh, visible=not off_screen)
    show = ResultShow(results, renderer, options.colour, options.picture == "yes")
    show.frame_all(options.azimuth, options.elevation, options.with_camera, options.turntable)
    try:
        if options.screenshot:
            write_screenshot(show, options)
        if options.movie:
            write_movie(show, options)
        if not off_screen:
            show.play(options.frame)
    finally:
        show.close()
    return 0


def _check_files(options: argparse.Namespace) -> None:
    """InputError for a picture or a film that could not be written once it is drawn."""
    from apps.result_folder import check_writable
    from apps.viewer_picture import check_picture
    from posecore.errors import InputError

    if options.screenshot:
        check_picture(options.screenshot)
    if options.movie:
        if options.movie.suffix.lower() not in FILM_ENDINGS:
            raise InputError(f"{options.movie}: a film is written as H.264 in MP4; end its name in {' or '.join(FILM_ENDINGS)}")
        check_writable(options.movie.parent)


def write_screenshot(show: ResultShow, options: argparse.Namespace) -> None:
    """One frame as a picture file."""
    from apps.viewer_picture import write_picture

    show.show(options.frame)
    write_picture(options.screenshot, show.annotated(options.frame, tuple(options.size)))
    print(options.screenshot)


def write_movie(show: ResultShow, options: argparse.Namespace) -> None:
    """The whole clip as a film, at its own times."""
    from posecore.video import VideoWriter

    size_wh = tuple(options.size)
    frames = range(options.frame, len(show.time_s))
    with VideoWriter(options.movie, size_wh, show.rate_fps) as film:
        for frame in frames:
            if options.turntable:
                show.turn(360 / len(frames))
            show.show(frame)
            film.write(show.annotated(frame, size_wh), float(show.time_s[frame] - show.time_s[frames[0]]))
    print(options.movie)


if __name__ == "__main__":
    sys.exit(main())
