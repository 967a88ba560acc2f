"""Check an installation: `python apps/selftest.py` lifts the demo clip and holds the result against its exact truth.

Prints every figure beside its bound (apps/assets/selftest.yaml). Exit codes: 0 all within, 1 something is out of bounds, 2 the
clip could not be lifted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch on shared cores is far slower without; read at its import

from apps.video3d import DEMO, guarded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BOUNDS = Path(__file__).resolve().parent / "assets" / "selftest.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    parser = argparse.ArgumentParser(prog="selftest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="keep the result there (default: thrown away)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line")
    options = parser.parse_args(arguments)
    if options.output is not None:
        return guarded(lambda: selftest(options.output, options.quiet))
    with tempfile.TemporaryDirectory() as folder:
        return guarded(lambda: selftest(Path(folder) / "demo_pose3d", options.quiet))


def selftest(folder: Path, quiet: bool = False) -> int:
    """Lift the demo clip into a folder, print the figures, return the exit code. PoseError if it cannot be lifted."""
    from dataclasses import replace

    import yaml

    from apps.pipeline import run_clip
    from apps.settings import Settings

    truth_m, truth_px, stature_m = read_truth(DEMO.with_suffix(".truth.npz"))
    settings = Settings()
    settings = replace(settings, people=replace(settings.people, height_m=stature_m))
    run_clip(DEMO, folder, settings, quiet)
    bounds = yaml.safe_load(BOUNDS.read_text(encoding="utf-8"))
    text, passed = judge(figures(folder, truth_m, truth_px), bounds)
    print(text)
    return 0 if passed else 1


def read_truth(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The demo's person: (T, 21, 3) joints in the camera frame, (T, 21, 2) pixels, stature in metres. InputError if missing."""
    import numpy as np

    from posecore.errors import InputError

    try:
        with np.load(path) as file:
            return file["xyz_m"][0].astype(float), file["xy_px"][0].astype(float), float(file["stature_m"][0])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: the demo clip's truth cannot be read ({error}); fetch the repository again") from None


def figures(folder: Path, truth_m: NDArray[np.float64], truth_px: NDArray[np.float64]) -> dict[str, float]:
    """Errors of the first person of a result folder against (T, 21, 3) joints in the camera frame and (T, 21, 2) pixels."""
    import numpy as np

    from apps.result_folder import load_result
    from posecore.camera import camera_to_image
    from posecore.metrics import bone_deviation_mm, joint_errors_mm, mpjpe_mm, pa_mpjpe_mm
    from posecore.skeleton import load_skeleton

    result, skeleton = load_result(folder), load_skeleton("vnect21")
    if not len(result.joints.persons):
        return {"missing_percent": 100.0}
    found_m = result.joints.xyz_m[0]
    apart_px = np.linalg.norm(camera_to_image(found_m, result.camera) - truth_px, axis=-1)
    return {
        "mpjpe_mm": mpjpe_mm(found_m, truth_m, skeleton.root),
        "pa_mpjpe_mm": pa_mpjpe_mm(found_m, truth_m),
        "root_mm": float(np.nanmean(joint_errors_mm(found_m, truth_m)[:, skeleton.root])),
        "bone_sd_mm": float(np.nanmax(bone_deviation_mm(found_m, skeleton.parent))),
        "reprojection_p95_px": float(np.nanpercentile(apart_px, 95)),
        "missing_percent": 100 * float(np.isnan(found_m[:, skeleton.root, 0]).mean()),
    }


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
