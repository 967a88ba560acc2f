"""Joints as marker trajectories: TRC (text, OpenSim) and C3D (binary, biomechanics). Millimetres, gaps left empty.

TRC is y up, as OpenSim expects; C3D is z up and says so (POINT:X_SCREEN, Y_SCREEN).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError, MissingDependencyError
from posecore.export.clock import at_times, even_times
from posecore.results import in_words, whole_file
from posecore.skeleton import load_skeleton
from posecore.timestamps import usual_step_s

Floats = NDArray[np.float64]


def write_trc(path: Path, xyz_m: Floats, time_s: Floats) -> None:
    """One person's (F, 21, 3) joints, y up, metres, NaN where unknown, at time_s (F,). Times are the clip's own."""
    names = load_skeleton("vnect21").joints
    rate = f"{1 / usual_step_s(time_s):.6f}"
    frames, joints = xyz_m.shape[:2]
    header = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{joints}\tmm\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{j + 1}" for j in range(joints) for axis in "XYZ"),
        "",
    ]
    with whole_file(path) as part, part.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
        out.write("\n".join(header) + "\n")
        for f, row in enumerate((1000 * xyz_m).reshape(frames, -1)):
            out.write("\t".join([str(f + 1), f"{time_s[f]:.6f}", *in_words(row, 3)]) + "\n")


def write_c3d(path: Path, xyz_m: Floats, time_s: Floats) -> None:
    """One person's (F, 21, 3) joints, z up, metres, NaN where unknown. MissingDependencyError without ezc3d.

    C3D knows a frame rate and no times: where the clip's frames are not even they are read between on an even clock.
    """
    try:
        import ezc3d
    except ImportError:
        raise MissingDependencyError("C3D needs the ezc3d library: pip install ezc3d") from None
    if len(xyz_m) == 0:
        raise InputError(f"{path}: there are no frames to write")
    even_s = even_times(time_s)
    if even_s is not time_s:
        xyz_m, time_s = at_times(xyz_m, time_s, even_s), even_s
    c3d = ezc3d.c3d()
    c3d.add_parameter("POINT", "UNITS", ["mm"])
    c3d.add_parameter("POINT", "X_SCREEN", ["+X"])
    c3d.add_parameter("POINT", "Y_SCREEN", ["+Z"])
    c3d.add_parameter("MANUFACTURER", "SOFTWARE", ["video3d"])
    c3d["parameters"]["POINT"]["RATE"]["value"] = [1 / usual_step_s(time_s)]
    c3d["parameters"]["POINT"]["LABELS"]["value"] = list(load_skeleton("vnect21").joints)
    points = np.ones((4, xyz_m.shape[1], len(xyz_m)))
    points[:3] = 1000 * xyz_m.transpose(2, 1, 0)
    unknown = np.isnan(points[:3]).any(axis=0)
    points[:, unknown] = np.nan  # ezc3d writes these as gaps: residual -1
    residual = np.where(unknown, -1.0, 0.0)[None]
    c3d["data"]["points"] = points
    c3d["data"]["meta_points"]["residuals"] = residual
    with whole_file(path) as part, TemporaryDirectory() as folder:
        named = Path(folder) / "markers.c3d"  # ezc3d insists on the ending, and on names that are UTF-8
        c3d.write(str(named))
        shutil.copyfile(named, part)
