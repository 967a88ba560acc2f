import csv

import numpy as np
import pytest

from posecore import results, stages
from posecore.camera import Camera, camera_from_fov
from posecore.errors import InputError
from posecore.types import Motion, Source, Track

TIME_S = np.array([0.5, 0.533333, 0.566667, 0.633333, 0.7])


def make_track(person: int, frames: list[int]) -> Track:
    rng = np.random.default_rng(person)
    rows = len(frames)
    xy, score = rng.normal(300, 100, (rows, 21, 2)), rng.uniform(0, 1, (rows, 21))
    xy[0, 3], score[0, 3] = np.nan, 0
    return Track(
        person, np.array(frames), TIME_S[frames], xy, score, rng.normal(size=(rows, 21, 3)), rng.uniform(size=(rows, 21, 2))
    )


def make_motion(person: int, frames: list[int]) -> Motion:
    rng = np.random.default_rng(100 + person)
    rows = len(frames)
    xyz, sigma = rng.normal(0, 2, (rows, 21, 3)), rng.uniform(0, 0.1, (rows, 21, 2))
    source = rng.integers(1, 6, (rows, 21)).astype(np.uint8)
    xyz[-1], sigma[-1], source[-1] = np.nan, np.nan, Source.EMPTY
    quaternion, bones = rng.normal(size=(rows, 21, 4)), rng.uniform(size=21)
    frame = np.array(frames)
    xy = rng.normal(size=(rows, 21, 2))
    return Motion(person, frame, TIME_S[frames], xyz, quaternion, bones, xy, sigma, source, {"height_m": 1.8, "notes": ["a"]})


def same(a, b, fields):
    for name in fields:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_header_is_the_promised_one():
    header = results.columns_3d()
    assert header[:6] == ["frame", "time_s", "person", "head_top_x_m", "head_top_y_m", "head_top_z_m"]
    assert header[63:66] == ["left_toe_x_m", "left_toe_y_m", "left_toe_z_m"]
    assert header[66:69] == ["head_top_sigma_xy_mm", "head_top_sigma_z_mm", "head_top_source"]
    assert len(header) == 3 + 21 * 3 + 21 * 3 == len(set(header))
    assert results.columns_2d()[-3:] == ["left_toe_x_px", "left_toe_y_px", "left_toe_score"]


def test_joints3d_round_trip_and_bytes(tmp_path):
    joints = results.stack_motions(TIME_S, [make_motion(2, [0, 1]), make_motion(1, [1, 2, 3])])
    path = tmp_path / results.JOINTS_3D
    results.write_joints3d(path, joints)
    first = path.read_bytes()
    back = results.read_joints3d(path)
    same(back, joints, ("persons", "frame", "source"))
    np.testing.assert_allclose(back.time_s, TIME_S, atol=1e-6)
    np.testing.assert_allclose(back.xyz_m, joints.xyz_m, atol=0.51e-4)
    np.testing.assert_allclose(back.sigma_m, joints.sigma_m, atol=0.51e-4)
    results.write_joints3d(path, back)
    assert path.read_bytes() == first


def test_every_frame_has_a_row_for_every_person_and_units_are_metres_and_millimetres(tmp_path):
    motion = make_motion(1, [1, 2, 3])
    results.write_joints3d(tmp_path / "a.csv", results.stack_motions(TIME_S, [make_motion(7, [0, 1]), motion]))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["frame"], row["person"]) for row in rows] == [(str(f), p) for f in range(5) for p in "17"]
    by_key = {(row["frame"], row["person"]): row for row in rows}
    seen = by_key["2", "1"]
    assert float(seen["left_hip_y_m"]) == pytest.approx(motion.xyz_m[1, 11, 1], abs=1e-4)
    assert float(seen["left_hip_sigma_z_mm"]) == pytest.approx(1000 * motion.sigma_m[1, 11, 1], abs=0.1)
    assert seen["left_hip_source"] == Source(motion.source[1, 11]).name.lower()
    assert float(seen["time_s"]) == TIME_S[2]
    unknown = by_key["4", "7"]
    assert {unknown[c] for c in results.columns_3d()[3:66]} == {""}
    assert unknown["pelvis_source"] == "empty"


def test_joints2d_round_trip_and_unseen_joints_are_empty(tmp_path):
    joints = results.stack_tracks(TIME_S, [make_track(1, [0, 2])])
    path = tmp_path / results.JOINTS_2D
    results.write_joints2d(path, joints)
    back = results.read_joints2d(path)
    np.testing.assert_allclose(back.xy_px, joints.xy_px, atol=0.0051)
    np.testing.assert_allclose(back.score, joints.score, atol=0.00051)
    row = next(csv.DictReader(path.read_text().splitlines()))
    assert (row["right_elbow_x_px"], row["right_elbow_score"]) == ("", "")
    assert row["right_wrist_x_px"] != ""


def test_nobody_gives_the_header_only(tmp_path):
    results.write_joints3d(tmp_path / "a.csv", results.stack_motions(TIME_S, []))
    assert (tmp_path / "a.csv").read_text() == ",".join(results.columns_3d()) + "\n"
    assert results.read_joints3d(tmp_path / "a.csv").xyz_m.shape == (0, 0, 21, 3)


def test_small_negative_numbers_have_no_minus_zero(tmp_path):
    motion = make_motion(1, [0, 1])
    motion.xyz_m[0] = -1e-6
    results.write_joints3d(tmp_path / "a.csv", results.stack_motions(TIME_S, [motion]))
    assert "-0.0000" not in (tmp_path / "a.csv").read_text()


def damage(text: str) -> list[tuple[str, str]]:
    lines = text.splitlines()
    return [
        ("hello\n", "first line differs"),
        ("\n".join([lines[0], lines[1] + ",1"]), "columns"),
        ("\n".join([lines[0], lines[1].replace(",measured", ",guessed").replace(",weak", ",guessed")]), "unknown joint source"),
        ("\n".join([lines[0], "x" + lines[1]]), "not a number"),
        ("\n".join(lines[:-1]), "one row per frame and person"),
    ]


@pytest.mark.parametrize("case", range(5))
def test_damaged_tables_are_refused_in_one_line(tmp_path, case):
    path = tmp_path / "a.csv"
    results.write_joints3d(path, results.stack_motions(TIME_S, [make_motion(1, [0, 1]), make_motion(2, [0, 1])]))
    content, words = damage(path.read_text())[case]
    path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        results.read_joints3d(path)
    assert "\n" not in str(caught.value)


def test_missing_files_are_refused(tmp_path):
    for read in (results.read_joints3d, results.read_joints2d, stages.read_tracks, stages.read_motions, results.read_config):
        with pytest.raises(InputError, match="No such file"):
            read(tmp_path / "none")


def test_tracks_round_trip_is_exact_and_bytes_repeat(tmp_path):
    K = np.array([[1000 / 3, 0, 319.5], [0, 1000 / 7, 239.5], [0, 0, 1]])
    clip = stages.Clip(TIME_S, 29.97, Camera(K, (640, 480), np.array([0.1]), "calibrated"), (3,))
    tracks = [make_track(12, [0, 2, 4]), make_track(3, [1])]
    for name in ("a.npz", "b.npz"):
        stages.write_tracks(tmp_path / name, clip, tracks)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back_clip, back = stages.read_tracks(tmp_path / "a.npz")
    assert (back_clip.rate_fps, back_clip.cuts) == (29.97, (3,))
    assert (back_clip.camera.size_wh, back_clip.camera.source) == ((640, 480), "calibrated")
    same(back_clip.camera, clip.camera, ("K_px", "distortion"))
    np.testing.assert_array_equal(back_clip.time_s, TIME_S)
    assert [track.person for track in back] == [3, 12]
    same(back[1], tracks[0], ("frame", "time_s", "xy_px", "score", "xyz_m", "sigma_m"))


def test_motions_round_trip_is_exact(tmp_path):
    motions = [make_motion(1, [0, 1, 2]), make_motion(4, [3, 4])]
    stages.write_motions(tmp_path / "m.npz", motions)
    back = stages.read_motions(tmp_path / "m.npz")
    assert [m.person for m in back] == [1, 4]
    assert back[0].report == motions[0].report
    fields = ("frame", "time_s", "xyz_m", "quaternion_xyzw", "bone_length_m", "xy_px", "sigma_m", "source")
    for one, twin in zip(back, motions, strict=True):
        same(one, twin, fields)


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_damaged_stage_files_are_refused(tmp_path, cut):
    path = tmp_path / "t.npz"
    stages.write_tracks(path, stages.Clip(TIME_S, 30.0, camera_from_fov((4, 4), 54, "assumed")), [make_track(1, [0, 1])])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError) as caught:
        stages.read_tracks(path)
    assert "\n" not in str(caught.value)


def test_another_npz_is_refused(tmp_path):
    np.savez(tmp_path / "o.npz", a=1)
    with pytest.raises(InputError, match="not a stage file"):
        stages.read_motions(tmp_path / "o.npz")


def test_config_round_trip_keeps_every_bit_of_a_camera(tmp_path):
    camera = Camera(np.array([[1000 / 3, 0, 319.5], [0, 1000 / 7, 239.5], [0, 0, 1]]), (640, 480), np.array([0.1, -1e-7]))
    results.write_config(tmp_path / "c.yaml", {"camera": results.camera_to_dict(camera), "name": "Zoë"})
    back = results.read_config(tmp_path / "c.yaml")
    assert (np.array(back["camera"]["K"]) == camera.K_px).all()
    assert (np.array(back["camera"]["distortion"]) == camera.distortion).all()
    assert (list(back), back["name"]) == (["camera", "name"], "Zoë")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with results.whole_file(path) as part:
            part.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_cut_lies_between_two_frames_of_two_scenes():
    clip = stages.Clip(np.arange(9) / 10, 10.0, camera_from_fov((64, 48), 54.0, "test"), cuts=(3, 7))
    told = [(a, b) for a in range(9) for b in range(a, 9) if clip.has_cut(a, b)]
    scene = [0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert told == [(a, b) for a in range(9) for b in range(a, 9) if scene[a] != scene[b]]
