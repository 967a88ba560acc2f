"""Check an installation: `python apps/selftest.py` lifts the demo clip and holds the result against its exact truth.

Prints every figure beside its bound (apps/assets/selftest.yaml). Exit codes: 0 all within, 1 something is out of bounds, 2 the
clip could not be lifted.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, guarded
from apps.video3d import DEMO

if TYPE_CHECKING:
    from apps.settings import Settings

BOUNDS = Path(__file__).resolve().parent / "assets" / "selftest.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    parser = Parser(prog="selftest", description=__doc__)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="keep the result there (default: thrown away)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line")
    options = parser.parse_args(arguments)
    return guarded(lambda: run(options.output, options.quiet))


def run(output: Path | None, quiet: bool = False, settings: Settings | None = None) -> int:
    """The self-test in `output`, or in a folder that is thrown away; the exit code."""
    if output is not None:
        return selftest(output, quiet, settings)
    with tempfile.TemporaryDirectory() as folder:
        return selftest(Path(folder) / "demo_pose3d", quiet, settings)


def selftest(folder: Path, quiet: bool = False, settings: Settings | None = None) -> int:
    """Lift the demo clip into a folder, print the figures, return the exit code. PoseError if it cannot be lifted.

    settings: the default ones if left out; the person's height is always the demo's.
    """
    from dataclasses import replace

    import yaml

    from apps.pipeline import run_clip
    from apps.result_folder import load_result
    from apps.settings import Settings
    from apps.truth import figures, read_truth

    truth, settings = read_truth(DEMO.with_suffix(".truth.npz")), settings or Settings()
    settings = replace(settings, people=replace(settings.people, height_m=float(truth.stature_m[0])))
    run_clip(DEMO, folder, settings, quiet)
    bounds = yaml.safe_load(BOUNDS.read_text(encoding="utf-8"))
    text, passed = judge(figures(load_result(folder), truth), bounds)
    print(text)
    return 0 if passed else 1


def judge(found: dict[str, float], bounds: dict[str, float]) -> tuple[str, bool]:
    """A table of figures beside their bounds, and whether all are within; a figure that is missing or NaN is not."""
    lines, passed = [f"{'figure':<22}{'found':>10}{'bound':>10}"], True
    for name, bound in bounds.items():
        value = found.get(name, float("nan"))
        within = value <= bound
        passed = passed and within
        lines.append(f"{name:<22}{value:>10.2f}{bound:>10.2f}  {'ok' if within else 'OUT OF BOUNDS'}")
    return "\n".join([*lines, "self-test passed" if passed else "self-test FAILED"]), passed


if __name__ == "__main__":
    sys.exit(main())
