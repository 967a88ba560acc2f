"""Behind a cut stands another camera: every scene has a world of its own, in files, report and viewer."""

from pathlib import Path

import numpy as np
import pytest

from apps.export import main as export
from apps.report_page import report_html
from apps.result_folder import Result, load_result
from apps.viewer_opencv import PainterRenderer
from apps.viewer_show import ResultShow
from posecore.export.axes import R_YUP_ZUP
from posecore.types import Motion
from tests.test_viewer import write_result
from tests.walker import SKELETON, camera_pose, walk

CUT = 60
PITCHES_DEG = (2.0, 24.0)
TOES = SKELETON.indices(["left_toe", "right_toe"])


def scenes() -> list[Motion]:
    """One walk, seen by a level camera before the cut and by one that looks down behind it."""
    return [
        walk(CUT, T_camera_world=camera_pose(1.4, PITCHES_DEG[0]), person=1),
        walk(CUT, T_camera_world=camera_pose(2.0, PITCHES_DEG[1]), person=2, first_frame=CUT),
    ]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("scenes") / "two_pose3d"
    return load_result(write_result(folder, scenes(), 2 * CUT, film=False, cuts=(CUT,)))


def test_everybody_stands_on_the_floor_of_his_own_scene(result: Result) -> None:
    assert [result.scene_at(frame) for frame in (0, CUT - 1, CUT, 2 * CUT - 1)] == [0, 0, 1, 1]
    for person, motion in enumerate(result.motions):
        up_camera = camera_pose(1.4, PITCHES_DEG[person])[:3, :3] @ [0, 0, 1]
        assert np.degrees(np.arccos(result.worlds[person].T_world_camera[2, :3] @ up_camera)) < 1.5
        feet_m = np.nanmin(result.xyz_world_m[person][:, TOES, 2])
        assert abs(feet_m - 0.02) < 0.04
        np.testing.assert_allclose(
            result.xyz_world_m[person, motion.frame], result.worlds[person].points(motion.xyz_m), atol=1e-12
        )
    assert np.isnan(result.xyz_world_m[0, CUT:]).all()
    assert "scene 1: " in result.gravity
    assert "scene 2: " in result.gravity


def test_files_hold_each_scene_upright(result: Result, tmp_path: Path) -> None:
    import trc

    assert export([str(result.folder), "--format", "trc,bvh,npz", "-o", str(tmp_path)]) == 0
    for person in (0, 1):
        data = trc.TRCData()
        data.load(str(tmp_path / f"two_person{person + 1}.trc"))
        points = np.array([data[f + 1][1] for f in result.motions[person].frame], dtype=float)
        expected = result.worlds[person].points(result.motions[person].xyz_m) @ R_YUP_ZUP.T
        np.testing.assert_allclose(points, 1000 * expected, atol=6e-4)
    with np.load(tmp_path / "two.npz") as arrays:
        assert arrays["scene_frame"].tolist() == [0, CUT]
        np.testing.assert_allclose(arrays["T_world_camera"], [world.T_world_camera for world in result.worlds])
        np.testing.assert_allclose(arrays["xyz_m"], result.xyz_world_m)


def test_the_viewer_changes_worlds_at_the_cut(result: Result) -> None:
    show = ResultShow([result], PainterRenderer((160, 120)))
    show.frame_all(with_camera=True)
    for frame, scene in ((0, 0), (CUT - 1, 0), (CUT, 1), (5, 0)):
        assert show.show(frame)
        assert show.viewer.world is result.worlds[scene]
    show.close()


def test_the_report_draws_every_scene_in_its_own_world(result: Result) -> None:
    page = report_html(result)
    assert page.count("<title>camera</title>") == 2
    assert "scene 2: " in page


def test_many_scenes_are_counted(tmp_path: Path) -> None:
    cuts = tuple(range(10, 100, 10))
    people = [walk(10, person=k + 1, first_frame=10 * k) for k in range(10)]
    many = load_result(write_result(tmp_path / "many_pose3d", people, 100, film=False, cuts=cuts))
    assert len(many.worlds) == 10
    assert many.gravity.endswith("and 6 scenes more, each by itself")
