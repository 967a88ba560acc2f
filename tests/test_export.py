"""Every file is opened again by a reader that is not ours, and says where the joints are."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from apps.export import FORMATS, main, parse_formats
from apps.result_folder import Result, load_result
from posecore.errors import ConfigError, InputError, MissingDependencyError
from posecore.export.axes import R_YUP_ZUP, y_up_from_camera, z_up_from_camera
from posecore.export.bvh import write_bvh, zxy_degrees
from posecore.export.rig import bone_name, even_rig, rig_motion
from posecore.skeleton import load_skeleton
from posecore.types import Motion
from tests.test_viewer import write_result
from tests.walker import SKELETON, camera_pose, walk

FRAMES = 30
T_YUP = np.diag([1.0, -1, -1, 1])


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Two walkers, the second from frame 10 on and unknown in two frames between."""
    T = camera_pose(1.4, 12)
    second = walk(20, 30, (1.5, 6), 120, T, person=2, first_frame=10)
    for name in ("xyz_m", "quaternion_xyzw", "xy_px", "sigma_m"):
        getattr(second, name)[[5, 6]] = np.nan
    second.source[[5, 6]] = 0
    people = [walk(FRAMES, T_camera_world=T), second]
    return load_result(write_result(tmp_path_factory.mktemp("export") / "walk_pose3d", people, FRAMES, film=False))


@pytest.fixture(scope="module", params=["world", "camera"])
def files(request: pytest.FixtureRequest, result: Result, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """All formats in one frame: the frame's name and the folder."""
    folder = tmp_path_factory.mktemp(request.param)
    assert main([str(result.folder), "--format", "all", "--frame", request.param, "-o", str(folder)]) == 0
    return request.param, folder


def y_up(result: Result, frame: str, person: int) -> np.ndarray:
    """(F, 21, 3) what a y-up file must hold, by the definition of the frames."""
    xyz = result.joints.xyz_m[person - 1]
    return result.world.points(xyz) @ R_YUP_ZUP.T if frame == "world" else xyz * [1, -1, -1]


@pytest.mark.filterwarnings("ignore:Importing PyGLM")
@pytest.mark.parametrize("person", [1, 2])
def test_bvh_read_by_bvhio(files: tuple[str, Path], result: Result, person: int) -> None:
    import bvhio

    frame, folder = files
    path = folder / f"walk_person{person}.bvh"
    container = bvhio.readAsBvh(str(path))
    assert container.FrameCount == FRAMES
    assert container.FrameTime == pytest.approx(1 / 30, abs=1e-7)
    truth = y_up(result, frame, person)
    tree = bvhio.readAsHierarchy(str(path))
    for t in (0, 13, 20, FRAMES - 1):
        if np.isnan(truth[t]).any():
            continue
        tree.loadPose(t)
        starts = {bone.Name: np.array(bone.PositionWorld) for bone, _, _ in tree.layout()}
        assert len(starts) == len(SKELETON)
        for j, joint in enumerate(SKELETON.joints):
            start = truth[t, SKELETON.parent[j]]  # a bone starts where its parent ends
            np.testing.assert_allclose(starts[bone_name(joint)], start, atol=1e-5, err_msg=joint)


def plain_bvh(path: Path) -> tuple[dict[str, np.ndarray], float]:
    """A slow reader of our own: bone ends over all frames, straight from the definition of the format."""
    lines = [line.split() for line in path.read_text().splitlines()]
    motion = next(k for k, line in enumerate(lines) if line == ["MOTION"])
    rows = np.array(lines[motion + 3 :], dtype=float)
    stack: list[tuple[str, np.ndarray, Rotation]] = []
    found, name, column = {}, "", 0
    for line in lines[1:motion]:
        if line[0] in ("ROOT", "JOINT", "End"):
            name = line[1] if line[0] != "End" else stack[-1][0] + "_end"
        elif line[0] == "OFFSET":
            offset = np.array(line[1:], dtype=float)
            place = offset + np.zeros((len(rows), 3)) if not stack else stack[-1][1] + stack[-1][2].apply(offset)
            turn = Rotation.identity() if not stack else stack[-1][2]
            stack.append((name, place, turn))
        elif line[0] == "CHANNELS":
            if line[1] == "6":
                stack[-1] = (name, stack[-1][1] + rows[:, :3], stack[-1][2])
                column = 3
            own = Rotation.from_euler("ZXY", rows[:, column : column + 3], degrees=True)
            stack[-1] = (name, stack[-1][1], own if len(stack) == 1 else stack[-1][2] * own)
            column += 3
        elif line[0] == "}":
            found[stack[-1][0]] = stack[-1][1]
            stack.pop()
    return found, float(lines[motion + 2][2])


def test_bvh_ends_of_the_limbs_and_centimetres(result: Result, tmp_path: Path) -> None:
    rig = rig_motion(result.motions[0], result.time_s, T_YUP)
    write_bvh(tmp_path / "m.bvh", rig)
    write_bvh(tmp_path / "cm.bvh", rig, unit_m=0.01)
    metres, _ = plain_bvh(tmp_path / "m.bvh")
    truth = y_up(result, "camera", 1)
    for joint in ("left_hand", "right_hand", "left_toe", "right_toe", "head_top"):
        np.testing.assert_allclose(metres[f"{bone_name(joint)}_end"], truth[:, SKELETON.index(joint)], atol=1e-5)
    centimetres, _ = plain_bvh(tmp_path / "cm.bvh")
    np.testing.assert_allclose(centimetres["left_hand_end"], 100 * metres["left_hand_end"], atol=2e-4)


def test_bvh_bridges_gaps_and_holds_the_ends(result: Result, tmp_path: Path) -> None:
    rig = rig_motion(result.motions[1], result.time_s, T_YUP)
    np.testing.assert_array_equal(np.flatnonzero(~rig.known), [*range(10), 15, 16])
    write_bvh(tmp_path / "x.bvh", rig)
    bones, _ = plain_bvh(tmp_path / "x.bvh")
    root, truth = bones["pelvis"], y_up(result, "camera", 2)[:, SKELETON.root]
    np.testing.assert_allclose(root[:10], np.tile(truth[10], (10, 1)), atol=1e-5)
    np.testing.assert_allclose(root[15], truth[14] + (truth[17] - truth[14]) / 3, atol=1e-5)


def test_uneven_clips_are_put_on_an_even_clock(result: Result) -> None:
    slow = result.time_s.copy()
    slow[15:] += 0.1
    even = even_rig(rig_motion(replace(result.motions[0], time_s=slow), slow, T_YUP))
    np.testing.assert_allclose(np.diff(even.time_s), 1 / 30)
    assert even.time_s[-1] == pytest.approx(slow[-1], abs=1 / 30)
    root = y_up(result, "camera", 1)[:, SKELETON.root]
    for t, place in zip(even.time_s, even.root_m, strict=True):
        np.testing.assert_allclose(place, [np.interp(t, slow, root[:, k]) for k in range(3)], atol=1e-9)
    same = rig_motion(result.motions[0], result.time_s + 1e-4 * np.sin(np.arange(FRAMES)), T_YUP)
    assert even_rig(same) is same, "time stamps rounded by the container are even enough"


@pytest.mark.parametrize("tilt", [0.0, 0.3, np.pi / 2, -np.pi / 2, 1.5])
def test_euler_angles_give_the_rotation_back(tilt: float) -> None:
    rng = np.random.default_rng(5)
    angles = rng.uniform(-3, 3, (40, 3, 3))
    angles[..., 1] = tilt
    R = Rotation.from_euler("ZXY", angles.reshape(-1, 3)).as_matrix().reshape(40, 3, 3, 3)
    back = Rotation.from_euler("ZXY", zxy_degrees(R).reshape(-1, 3), degrees=True).as_matrix()
    np.testing.assert_allclose(back.reshape(R.shape), R, atol=1e-7)


def test_euler_angles_do_not_wrap() -> None:
    """Three pirouettes, with the body leaning through every tilt but the lock itself."""
    turn = np.linspace(0, 6 * np.pi, 400)
    R = Rotation.from_euler("ZXY", np.column_stack([0.2 * np.sin(turn), 1.3 * np.sin(0.7 * turn), turn])).as_matrix()
    degrees = zxy_degrees(R[:, None])[:, 0]
    assert np.abs(np.diff(degrees, axis=0)).max() < 20
    assert degrees[-1, 2] - degrees[0, 2] == pytest.approx(1080, abs=1)


def test_glb_read_by_pygltflib(files: tuple[str, Path], result: Result) -> None:
    from pygltflib import GLTF2

    frame, folder = files
    gltf = GLTF2().load(str(folder / "walk.glb"))
    blob = gltf.binary_blob()

    def read(index: int) -> np.ndarray:
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        kind = {5126: "<f4", 5121: "u1", 5123: "<u2"}[accessor.componentType]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
        return np.frombuffer(blob, kind, accessor.count * width, view.byteOffset).reshape(-1, width)

    parent = {child: k for k, node in enumerate(gltf.nodes) for child in node.children or []}
    curves = {}
    for channel in gltf.animations[0].channels:
        sampler = gltf.animations[0].samplers[channel.sampler]
        np.testing.assert_allclose(read(sampler.input)[:, 0], result.time_s, atol=1e-6)
        curves[channel.target.node, channel.target.path] = read(sampler.output)

    def pose(node: int, t: int) -> np.ndarray:
        T = np.eye(4)
        T[:3, 3] = curves[node, "translation"][t] if (node, "translation") in curves else gltf.nodes[node].translation
        T[:3, :3] = Rotation.from_quat(curves[node, "rotation"][t]).as_matrix()
        return pose(parent[node], t) @ T if node in parent else T

    names = {node.name: k for k, node in enumerate(gltf.nodes)}
    for person, t in ((1, 0), (1, 17), (2, 29)):
        truth = y_up(result, frame, person)[t]
        for j, joint in enumerate(SKELETON.joints):
            placed = pose(names[f"person{person}_{bone_name(joint)}"], t)
            np.testing.assert_allclose(placed[:3, 3], truth[SKELETON.parent[j]], atol=1e-5)
    skin, mesh = gltf.skins[1], gltf.meshes[1].primitives[0].attributes
    position, bones = read(mesh.POSITION), read(mesh.JOINTS_0)[:, 0]
    inverse = read(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    moved = np.array([pose(skin.joints[b], 29) @ inverse[b] @ [*p, 1] for p, b in zip(position, bones, strict=True)])[:, :3]
    foot = moved[bones == [n.split("_", 1)[1] for n in names if n.startswith("person2_")].index("left_foot")]
    toe = y_up(result, frame, 2)[29, SKELETON.index("left_toe")]
    assert np.linalg.norm(foot - toe, axis=1).min() < 1e-5, "the skin's octahedron ends in the toe"
    for accessor in gltf.accessors:
        assert gltf.bufferViews[accessor.bufferView].byteOffset % 4 == 0
    np.testing.assert_allclose(np.linalg.norm(read(mesh.NORMAL), axis=1), 1, atol=1e-6)


def test_trc_read_by_trc_data_reader(files: tuple[str, Path], result: Result) -> None:
    import trc

    frame, folder = files
    data = trc.TRCData()
    data.load(str(folder / "walk_person2.trc"))
    assert data["Units"] == "mm"
    assert data["DataRate"] == pytest.approx(30)
    assert data["Markers"] == list(SKELETON.joints)
    np.testing.assert_allclose(data["Time"], result.time_s, atol=1e-6)
    points = np.array([data[f + 1][1] for f in range(FRAMES)], dtype=float)
    np.testing.assert_allclose(points, 1000 * y_up(result, frame, 2), atol=6e-4)
    assert np.isnan(points[:10]).all()


@pytest.mark.filterwarnings("ignore:No analog data")
def test_c3d_read_by_another_library(files: tuple[str, Path], result: Result) -> None:
    import c3d

    frame, folder = files
    with (folder / "walk_person2.c3d").open("rb") as handle:
        reader = c3d.Reader(handle)
        assert reader.point_rate == pytest.approx(30)
        assert [label.strip() for label in reader.point_labels] == list(SKELETON.joints)
        points = np.array([row for _, row, _ in reader.read_frames()])
    z_up = 1000 * y_up(result, frame, 2) @ R_YUP_ZUP
    known = np.isfinite(z_up).all(axis=-1)
    np.testing.assert_allclose(points[known][:, :3], z_up[known], atol=1e-3)
    assert (points[known][:, 3] >= 0).all()
    assert (points[~known][:, 3] < 0).all(), "gaps are marked as not measured"


def test_c3d_says_its_units_and_axes(files: tuple[str, Path], result: Result) -> None:
    """ezc3d is a second reader: what biomechanics programs look up in the parameters."""
    import ezc3d

    content = ezc3d.c3d(str(files[1] / "walk_person1.c3d"))
    point = content["parameters"]["POINT"]
    assert point["UNITS"]["value"] == ["mm"]
    assert point["RATE"]["value"][0] == pytest.approx(30)
    assert (point["X_SCREEN"]["value"], point["Y_SCREEN"]["value"]) == (["+X"], ["+Z"])
    assert content["data"]["points"].shape == (4, len(SKELETON), FRAMES)
    z_up = 1000 * y_up(result, files[0], 1) @ R_YUP_ZUP
    np.testing.assert_allclose(content["data"]["points"][:3], z_up.transpose(2, 1, 0), atol=1e-3)


def test_json_read_by_pycocotools(files: tuple[str, Path], result: Result, capsys: pytest.CaptureFixture) -> None:
    from pycocotools.coco import COCO

    coco = COCO(str(files[1] / "walk_2d.json"))
    capsys.readouterr()
    assert len(coco.getImgIds()) == FRAMES
    (category,) = coco.loadCats(coco.getCatIds())
    assert category["keypoints"] == list(SKELETON.joints)
    assert {(a - 1, b - 1) for a, b in category["skeleton"]} == set(SKELETON.limbs)
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[20]))
    assert [a["track_id"] for a in annotations] == [1, 2]
    flat = np.array(annotations[1]["keypoints"]).reshape(-1, 3)
    np.testing.assert_allclose(flat[:, :2], result.joints_2d.xy_px[1, 20], atol=0.006)
    assert (flat[:, 2] == 2).all()
    x, y, width, height = annotations[1]["bbox"]
    np.testing.assert_allclose([x, x + width], [flat[:, 0].min(), flat[:, 0].max()], atol=0.011)
    assert height > width > 0
    assert y == pytest.approx(flat[:, 1].min(), abs=0.011)
    assert len(coco.getAnnIds(imgIds=[0])) == 1, "person 2 is not there yet"


def test_npz_holds_the_frame_asked_for(files: tuple[str, Path], result: Result) -> None:
    frame, folder = files
    with np.load(folder / "walk.npz") as arrays:
        expected = result.world.points(result.joints.xyz_m) if frame == "world" else result.joints.xyz_m
        np.testing.assert_allclose(arrays["xyz_m"], expected)
        np.testing.assert_array_equal(arrays["persons"], [1, 2])
        assert arrays["joint_names"].tolist() == list(load_skeleton("vnect21").joints)


def test_joint_angles_table(files: tuple[str, Path]) -> None:
    with (files[1] / "joint_angles.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2 * FRAMES
    assert rows[1]["person"] == "2"
    assert rows[1]["left_knee_flexion_deg"] == "", "unknown is empty"
    assert all(name.endswith("_deg") for name in list(rows[0])[3:])
    elbow = {float(row["right_elbow_flexion_deg"]) for row in rows if row["person"] == "1"}
    assert max(abs(v - np.degrees(0.4)) for v in elbow) < 0.02, "the walker's elbows are bent by 0.4 rad"


def test_people_share_one_world_with_the_floor_at_zero(result: Result) -> None:
    for person in (1, 2):
        lowest_m = np.nanmin(y_up(result, "world", person)[..., 1])
        assert abs(lowest_m - 0.02) < 0.1
    between = np.linalg.norm(result.joints.xyz_m[0, 20, 14] - result.joints.xyz_m[1, 20, 14])
    moved = np.linalg.norm(y_up(result, "world", 1)[20, 14] - y_up(result, "world", 2)[20, 14])
    assert moved == pytest.approx(between)
    assert np.linalg.det(y_up_from_camera("camera", result.world)[:3, :3]) == pytest.approx(1)
    with pytest.raises(ConfigError, match="world"):
        z_up_from_camera("moon", result.world)


def test_a_motion_that_contradicts_itself_is_refused(result: Result) -> None:
    motion: Motion = result.motions[0]
    mirrored = replace(motion, xyz_m=motion.xyz_m[:, SKELETON.mirror])
    with pytest.raises(InputError, match="disagree by"):
        rig_motion(mirrored, result.time_s, T_YUP)
    nobody = replace(motion, xyz_m=np.full_like(motion.xyz_m, np.nan))
    with pytest.raises(InputError, match="no frame is known"):
        rig_motion(nobody, result.time_s, T_YUP)


def test_command_line_says_what_is_wrong(result: Result, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert parse_formats("all") == list(FORMATS)
    with pytest.raises(ConfigError, match="did you mean 'bvh'"):
        parse_formats("bhv")
    assert main([str(result.folder), "--format", "fbx"]) == 2
    error = capsys.readouterr().err
    assert "fbx" in error
    assert "bvh" in error
    assert error.count("\n") == 1
    (tmp_path / "file").write_text("")
    assert main([str(result.folder), "-o", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main([str(result.folder), "--format", "bvh", "-o", str(tmp_path)]) == 0
    assert "not seen in 12 of 30 frames" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*"))


def test_a_missing_library_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.export.find_spec", lambda name: None)
    assert parse_formats("bvh,trc") == ["bvh", "trc"]
    with pytest.raises(MissingDependencyError, match=r"pip install ezc3d; without it: bvh,glb,trc,json,npz,angles"):
        parse_formats("all")


def test_an_empty_result_exports_empty_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write_result(tmp_path / "none_pose3d", [], 3, film=False)
    assert main([str(folder), "--format", "all"]) == 0
    assert json.loads((folder / "none_2d.json").read_text())["annotations"] == []
    assert (folder / "joint_angles.csv").read_text().count("\n") == 1
    assert (folder / "none.glb").read_bytes()[:4] == b"glTF"
    assert not list(folder.glob("*.bvh"))
    assert "note: nobody was found, so there is no bvh, trc, c3d: of these every person has a file\n" in capsys.readouterr().err
    assert main([str(folder), "--format", "glb,npz"]) == 0
    assert "nobody was found" not in capsys.readouterr().err
