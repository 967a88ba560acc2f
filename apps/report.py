"""A page about a result: `python apps/report.py clip_pose3d` writes report.html, one file that opens offline.

The overlay and a skeleton to turn, paths from above, height and speed of any joint, how well fit and picture agree, what was
measured and what was filled in, frames worth a look, and what another field of view would mean for the distances.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 done, 2 for bad input."""
    parser = Parser(prog="report", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="result folder of video3d")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="page to write (default: DIR/report.html)")
    parser.add_argument(
        "--what-if-fov",
        type=float,
        nargs="+",
        default=[],
        metavar="DEG",
        help="vertical fields of view in degrees to tell distances for, besides usual ones: those your camera may have",
    )
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    from posecore.errors import ConfigError

    for fov_deg in options.what_if_fov:
        if not 1 <= fov_deg <= 170:
            raise ConfigError(f"--what-if-fov: expected 1 to 170 degrees, got {fov_deg:g}")
    print(write_report(options.folder, options.output, tuple(options.what_if_fov)))
    return 0


def write_report(folder: Path, output: Path | None = None, what_if_fovs_deg: tuple[float, ...] = ()) -> Path:
    """Write the page of a result folder; its path. InputError if the folder is no result or the page cannot be written."""
    from apps.report_page import report_html
    from apps.result_folder import REPORT, load_result
    from posecore.errors import InputError
    from posecore.results import whole_file

    result = load_result(folder)
    path = output or folder / REPORT
    page = report_html(result, what_if_fovs_deg, path.parent)
    try:
        with whole_file(path) as part:
            part.write_text(page, encoding="utf-8", errors="replace")  # a name may hold bytes that are no UTF-8
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another file with -o") from None
    return path


if __name__ == "__main__":
    sys.exit(main())
