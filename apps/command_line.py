"""What the command lines share: options, one-line errors, exit codes. Its import also tells the libraries to share cores."""

from __future__ import annotations

import argparse
import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch on shared cores is far slower without; read at its import
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # but half a millisecond's patience doubles the speed on cores of one's own
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the fit's matrices are small: threads that wait for each other cost most

from posecore.errors import ConfigError, PoseError

if TYPE_CHECKING:
    from apps.settings import Settings


class Parser(argparse.ArgumentParser):
    """argparse with help that keeps its line breaks, options written out in full, and wrong usage told in one line."""

    def __init__(self, **words: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **words)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse's; an unknown option is named with the known one that is nearest."""
        options, unknown = self.parse_known_args(args, namespace)
        if not unknown:
            return options
        word = unknown[0].split("=")[0]
        near = difflib.get_close_matches(word, self._option_string_actions, n=1, cutoff=0.5)
        what = "unknown option" if word.startswith("-") else "cannot use"
        self.error(f"{what} '{word}'" + (f"; did you mean '{near[0]}'?" if near else ""))

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"error: {message}; all options: {self.prog} --help\n")


def guarded(run: Callable[[], int]) -> int:
    """Run a command; what the user can mend becomes one line and exit code 2, an interruption 130."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a name that cannot be shown must not end a long run
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


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options of every program that lifts or fits."""
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument(
        "--fov",
        metavar="DEG",
        help="vertical field of view in degrees (default 54); phones have 36-45 held wide, 60-69 held tall; "
        "a wrong one puts people too near or too far",
    )
    camera.add_argument("--focal-px", metavar="PX", help="instead: focal length in pixels of the clip as shown")
    camera.add_argument(
        "--camera",
        metavar="FILE",
        help="instead: calibration (YAML or JSON) with K or fx fy cx cy, distortion, width, height, or as OpenCV writes it; "
        "best if you have one",
    )
    parser.add_argument(
        "--height", metavar="METRES", help="stature of the people in metres (default 1.70); all lengths are scaled by it"
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="settings from a YAML file: what --print-config writes, or parts of it"
    )
    parser.add_argument(
        "--set",
        metavar="A.B=V",
        action="append",
        default=[],
        help="change any setting, as in detect.every_s=0.25; may be repeated",
    )
    parser.add_argument("--print-config", action="store_true", help="print all settings with units and advice, and stop")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line, no warnings, no summary")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """The options of every program that writes a result folder."""
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--people", metavar="N", help="keep only the N people seen longest and largest (default: everybody)")
    who.add_argument("--person", metavar="ID", help="keep only the person of this number, as in overlay.mp4")
    parser.add_argument("--no-overlay", action="store_true", help="do not draw overlay.mp4 (saves a pass over the clip)")


def add_files(parser: argparse.ArgumentParser) -> None:
    """The options of every program that writes more than tables right behind a fit (`apps.export.write_more`)."""
    parser.add_argument(
        "--export", metavar="LIST", help="also write motion files: some of bvh,glb,trc,c3d,json,npz,angles, or all"
    )
    add_frame(parser)
    parser.add_argument("--report", action="store_true", help="also write report.html, a page to judge the result by")


def add_frame(parser: argparse.ArgumentParser) -> None:
    """The option of every program that writes motion files."""
    parser.add_argument(
        "--frame",
        choices=("world", "camera"),
        default="world",
        help="of motion files: world has gravity up and the floor at 0 (default), camera stays about the clip's camera",
    )


def settings_from(options: argparse.Namespace, base: Settings) -> Settings:
    """`base` with file, --set and the short options put in, the last winning. ConfigError."""
    from posecore.config import override, override_from_file, override_from_words

    given = vars(options)
    settings = override_from_file(base, options.config) if options.config else base
    settings = override_from_words(settings, options.set)
    fov_deg, focal_px = _number("--fov", options.fov), _number("--focal-px", options.focal_px)
    camera = {"fov_deg": fov_deg, "focal_px": focal_px, "file": options.camera}
    if any(value is not None for value in camera.values()):
        settings = override(settings, {"camera": camera})
    if options.height is not None:
        settings = override(settings, {"people": {"height_m": _number("--height", options.height)}})
    who = {name: _whole(given.get(name)) for name in ("people", "person")}
    if any(value is not None for value in who.values()):  # one choice takes the place of the other, as with the camera
        settings = override(settings, {"people": who})
    return override(settings, {"output": {"overlay": False}}) if given.get("no_overlay") else settings


def print_settings(settings: Settings) -> int:
    """What --print-config prints; exit code 0."""
    from posecore.config import describe

    print(describe(settings), end="")
    return 0


def _number(option: str, text: str | None) -> float | None:
    """What was typed behind an option as a number. ConfigError names the option, and the decimal point where a comma stands."""
    if text is None:
        return None
    with suppress(ValueError):
        return float(text)
    with_point = text.replace(",", ".", 1)
    hint = f"; write the decimal point: {with_point}" if re.fullmatch(r"\d+\.\d+", with_point) else ""
    raise ConfigError(f"{option}: expected a number, got '{text}'{hint}")


def _whole(text: str | None) -> int | str | None:
    """Text as a whole number if it is one; else as it is, for the settings to refuse by name."""
    return int(text) if text is not None and text.isdigit() else text


def tell(summary: Any, quiet: bool) -> None:
    """Warnings on stderr, then the one line of what was found."""
    if quiet:
        return
    for warning in summary.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(summary.line())
