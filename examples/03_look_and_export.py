"""A result folder: put it into a world with gravity, draw it in a loop of your own, write files for other programs.

python examples/03_look_and_export.py result_folder picture.png
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not needed once the project is installed

from apps.export import export_result
from apps.result_folder import load_result
from apps.viewer_picture import write_picture
from apps.viewer_stage import Viewer, make_renderer
from posecore.errors import PoseError


def main(folder: str, picture: str) -> None:
    """Show every frame in a loop that is ours, keep the last picture, export BVH and joint angles."""
    result = load_result(folder)
    print(f"gravity from: {result.world.source}")

    # "open3d" with visible=True opens a window; "opencv" draws pictures anywhere.
    viewer = Viewer(result.world, result.camera, make_renderer("opencv", (960, 540), visible=False))
    viewer.frame_all(result.joints.xyz_m)
    for frame in range(len(result.time_s)):
        people = {int(person): xyz_m[frame] for person, xyz_m in zip(result.joints.persons, result.joints.xyz_m, strict=True)}
        viewer.show(people)
    write_picture(Path(picture), viewer.picture())
    viewer.close()

    paths, notes = export_result(result, ["bvh", "angles"])
    print(*paths, *notes, sep="\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/03_look_and_export.py result_folder picture.png")
    try:
        main(sys.argv[1], sys.argv[2])
    except PoseError as error:  # what you can mend, in one line
        sys.exit(f"error: {error}")
