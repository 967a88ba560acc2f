"""The viewer: what is drawn lies where it should, with and without OpenGL, with and without a display."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from apps.result_folder import load_result
from apps.viewer import main
from apps.viewer_caption import BAR_PX
from apps.viewer_cast import cast_of
from apps.viewer_open3d import Open3DRenderer
from apps.viewer_opencv import PainterRenderer
from apps.viewer_picture import ClipPictures
from apps.viewer_player import KEY_0, KEY_C, KEY_ESC, KEY_HOME, KEY_RIGHT, KEY_SPACE, KEY_T, SPEEDS, Player
from apps.viewer_scene import floor_mesh, frustum_corners, person_mesh, shadow_mesh, side_colours, spheres, trail_mesh, tubes
from apps.viewer_show import ResultShow, emptier_side
from apps.viewer_stage import TRAIL_ROWS, Viewer, make_renderer, person_colour, score_colours, sigma_colours, source_colours
from apps.viewer_view import View, view_on
from posecore.camera import camera_to_image, world_to_camera
from posecore.errors import ConfigError, InputError, MissingDependencyError
from posecore.results import CONFIG, MOTIONS, OVERLAY, TRACKS, camera_to_dict, write_config
from posecore.stages import Clip, write_motions, write_tracks
from posecore.types import Motion, Track
from posecore.video import VideoWriter
from posecore.world import World, estimate_world
from tests.walker import CAMERA, walk

SIZE = (320, 240)


def write_result(folder: Path, motions: list[Motion], frames: int, film: bool = True, cuts: tuple[int, ...] = ()) -> Path:
    """A result folder as video3d writes it, from motions; the film's frames get brighter by 5 levels each."""
    folder.mkdir(exist_ok=True)
    time_s = np.arange(frames) / 30
    tracks = [Track(m.person, m.frame, m.time_s, m.xy_px, np.full(m.xy_px.shape[:2], 0.9), m.xyz_m, m.sigma_m) for m in motions]
    write_motions(folder / MOTIONS, motions)
    write_tracks(folder / TRACKS, Clip(time_s, 30.0, CAMERA, cuts), tracks)
    write_config(folder / CONFIG, {"camera": camera_to_dict(CAMERA)})
    if film:
        with VideoWriter(folder / OVERLAY, (64, 48), 30.0) as writer:
            for frame in range(frames):
                writer.write(np.full((48, 64, 3), 40 + 5 * frame, np.uint8), time_s[frame])
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    people = [walk(24, person=1), walk(12, start_xy=(1.5, 6), heading_deg=120, person=2, first_frame=6)]
    return write_result(tmp_path_factory.mktemp("results") / "walk_pose3d", people, 24)


def test_shapes_have_their_size_and_unknown_ones_vanish() -> None:
    centres = np.array([[1.0, 2, 3], [np.nan, 0, 0]])
    vertices, normals, triangles = spheres(centres, np.array([0.5, 0.5]))
    half = len(vertices) // 2
    np.testing.assert_allclose(np.linalg.norm(vertices[:half] - centres[0], axis=1), 0.5)
    assert not vertices[half:].any()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    assert triangles.max() == len(vertices) - 1
    vertices, normals, _ = tubes(np.array([[0.0, 0, 0]]), np.array([[0.3, 0.4, 1.2]]), np.array([[0.1, 0.2]]))
    axis = np.array([0.3, 0.4, 1.2]) / 1.3
    along = vertices @ axis
    np.testing.assert_allclose(sorted(set(along.round(9))), [0, 1.3], atol=1e-9)
    radius = np.linalg.norm(vertices - along[:, None] * axis, axis=1)
    np.testing.assert_allclose(radius, np.where(along > 0.5, 0.2, 0.1))
    np.testing.assert_allclose(normals @ axis, 0, atol=1e-12)


def test_a_mesh_keeps_its_triangles_whatever_is_known() -> None:
    xyz = walk(2).xyz_m[0]
    holes = xyz.copy()
    holes[[3, 10]] = np.nan
    whole, part = person_mesh(xyz, side_colours(person_colour(1))), person_mesh(holes, side_colours(person_colour(1)))
    np.testing.assert_array_equal(whole.triangles, part.triangles)
    assert whole.vertices.shape == part.vertices.shape
    assert np.isfinite(part.vertices).all()
    assert whole.colours.min() >= 0
    assert whole.colours.max() <= 1
    shadow = shadow_mesh(whole)
    assert set(shadow.vertices[:, 2]) == {0.003}


def test_trail_fades_towards_its_old_end_and_floor_has_whole_tiles() -> None:
    path = np.column_stack([np.linspace(0, 1, 5), np.zeros((5, 2))])[None]
    trail = trail_mesh(path, np.array([0.8, 0, 0]))
    old, new = trail.colours[trail.vertices[:, 0] < 0.1], trail.colours[trail.vertices[:, 0] > 0.9]
    assert old.mean() > new.mean()
    floor = floor_mesh((0.4, -0.3), 2.0)
    np.testing.assert_allclose(floor.vertices[:, :2], floor.vertices[:, :2].round())
    assert np.linalg.norm(floor.vertices[:, :2], axis=1).max() >= 2


def test_view_looks_at_its_target_with_up_upwards() -> None:
    view = View((1.0, 2.0, 0.5), 4.0, azimuth_deg=25, elevation_deg=20)
    T = view.T_view_world
    np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)
    np.testing.assert_allclose(world_to_camera([1.0, 2.0, 0.5], T), [0, 0, 4], atol=1e-12)
    above = camera_to_image(world_to_camera([[1.0, 2.0, 1.0], [1.0, 2.0, 0.5]], T), view.camera(SIZE))
    assert above[0, 1] < above[1, 1]
    eye = np.linalg.inv(T)[:3, 3]
    assert eye[0] > 1, "a positive azimuth stands to the right"
    assert eye[2] > 0.5


@pytest.mark.parametrize("around", [False, True])
def test_everybody_fits_into_the_picture(around: bool) -> None:
    world = estimate_world([walk(60)])
    xyz = world.points(walk(60).xyz_m)
    view = view_on(xyz, 4 / 3, azimuth_deg=50, around=around)
    for turn in range(0, 360, 40) if around else [0]:
        xy = camera_to_image(world_to_camera(xyz, view.turned(turn).T_view_world), view.camera(SIZE)).reshape(-1, 2)
        assert xy.min() > 0
        assert (xy < np.array(SIZE) - 1).all()
    assert np.ptp(xy[:, 1]) > 0.3 * SIZE[1] or np.ptp(xy[:, 0]) > 0.3 * SIZE[0]


def test_frustum_is_the_picture_seen_by_the_camera() -> None:
    centre, corners = frustum_corners(CAMERA, np.eye(4), 0.7)
    np.testing.assert_allclose(centre, 0)
    width, height = CAMERA.size_wh
    expected = [(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)]
    np.testing.assert_allclose(camera_to_image(corners, CAMERA), expected, atol=1e-9)
    np.testing.assert_allclose(corners[:, 2], 0.7)


@pytest.mark.parametrize("name", ["opencv", "open3d"])
def test_a_joint_is_drawn_where_its_projection_falls(name: str) -> None:
    """Both renderers, one law: the person's colour appears around the pelvis and not beside the body."""
    try:
        renderer = make_renderer(name, SIZE, visible=False)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    motion = walk(1)
    world = estimate_world([motion])
    viewer = Viewer(world, CAMERA, renderer)
    viewer.frame_all(motion.xyz_m, azimuth_deg=40)
    red = np.tile([0.9, 0.0, 0.0], (21, 1))
    assert viewer.show({1: motion.xyz_m[0]}, colours={1: red})
    image = viewer.picture()
    assert image.shape == (SIZE[1], SIZE[0], 3)
    xyz_view = world_to_camera(world.points(motion.xyz_m[0]), viewer.view.T_view_world)
    xy = camera_to_image(xyz_view, viewer.view.camera(SIZE)).round().astype(int)
    is_red = (image[..., 0] > 1.6 * image[..., 1]) & (image[..., 0] > 80)
    assert is_red[xy[:, 1], xy[:, 0]].all()
    rows, columns = np.nonzero(is_red)
    assert abs(columns.min() - xy[:, 0].min()) <= 14
    assert abs(columns.max() - xy[:, 0].max()) <= 14
    assert abs(rows.max() - xy[:, 1].max()) <= 14
    assert viewer.show({})
    assert not ((viewer.picture()[..., 0] > 1.6 * viewer.picture()[..., 1]) & (viewer.picture()[..., 0] > 80)).any()
    viewer.close()


def meshes_of(*people: int) -> set[str]:
    return {"floor", "camera"} | {f"{what} {person}" for what in ("shadow", "person", "trail") for person in people}


def test_a_frame_costs_what_is_in_sight_whoever_was_there_before() -> None:
    renderer = PainterRenderer(SIZE)
    puts: list[str] = []
    put = renderer.put
    renderer.put = lambda name, mesh: (puts.append(name), put(name, mesh))[1]  # type: ignore[method-assign]
    viewer, xyz_m = Viewer(World(np.eye(4), "test"), CAMERA, renderer), walk(1).xyz_m[0]
    for person in (1, 2, 3):
        viewer.show({person: xyz_m})
    for left in range(TRAIL_ROWS - 1, 0, -1):
        assert {"trail 2", "person 3"} <= set(renderer._meshes), f"{left} frames before a trail runs out"
        viewer.show({3: xyz_m})
    assert set(renderer._meshes) == meshes_of(3)
    puts.clear()
    viewer.show({3: xyz_m, 1: np.full((21, 3), np.nan)})
    assert set(puts) == meshes_of(3) - {"floor", "camera"}
    viewer.show({1: xyz_m})
    assert set(renderer._meshes) == meshes_of(1, 3), "who comes back is seen again"


def test_a_result_shows_those_who_are_there(folder: Path) -> None:
    """The second person is there from frame 6 to 17, and his trail for a while after."""
    renderer = PainterRenderer(SIZE)
    show = ResultShow([load_result(folder)], renderer)
    for frame, people in ((0, [1]), (5, [1]), (6, [1, 2]), (20, [1, 2]), (3, [1])):
        show.show(frame)
        assert set(renderer._meshes) == meshes_of(*people), frame
    show.close()


@pytest.mark.parametrize("name", ["opencv", "open3d"])
def test_who_has_gone_leaves_nothing_and_who_comes_turns_no_view(name: str) -> None:
    try:
        renderer = make_renderer(name, SIZE, visible=False)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    motion = walk(1)
    viewer, xyz_m = Viewer(estimate_world([motion]), CAMERA, renderer), motion.xyz_m[0]
    viewer.frame_all(xyz_m)
    viewer.show({})
    if isinstance(renderer, Open3DRenderer):
        renderer._window.get_view_control().rotate(30, 10)  # as the mouse does
        viewer.show({})
    empty = viewer.picture()
    viewer.show({1: xyz_m, 2: xyz_m + 0.3}, trails={1: xyz_m[None], 2: xyz_m[None]})
    assert (viewer.picture() != empty).any()
    viewer.show({})
    np.testing.assert_array_equal(viewer.picture(), empty)
    viewer.close()


@pytest.mark.parametrize("name", ["opencv", "open3d"])
def test_the_bar_stays_at_the_foot_wherever_one_looks(name: str) -> None:
    try:
        renderer = make_renderer(name, SIZE, visible=False)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    viewer = Viewer(World(np.eye(4), "test"), None, renderer)
    red = np.zeros((20, SIZE[0], 3), np.uint8)
    red[..., 0] = 255
    renderer.put_bar(red)
    for azimuth in (0, 75, 210):
        viewer.look(View((0.0, 0.0, 1.0), 4.0, azimuth_deg=azimuth))
        viewer.show({})
        is_red = (viewer.picture()[..., 0] > 200) & (viewer.picture()[..., 1] < 50)
        assert is_red[-18:].all()
        assert not is_red[:-21].any()
    viewer.close()


def test_the_nearer_thing_hides_the_farther() -> None:
    world = World(np.eye(4), "test")
    renderer = PainterRenderer(SIZE)
    viewer = Viewer(world, None, renderer)
    viewer.look(View((0.0, 0.0, 1.0), 4.0, azimuth_deg=0, elevation_deg=0))
    near, far = np.tile([0.0, -1.0, 1.0], (21, 1)), np.tile([0.0, 1.0, 1.0], (21, 1))
    colours = {1: np.tile([1.0, 0, 0], (21, 1)), 2: np.tile([0, 0, 1.0], (21, 1))}
    viewer.show({1: far, 2: near}, colours=colours)
    red, _, blue = viewer.picture()[SIZE[1] // 2, SIZE[0] // 2].tolist()
    assert blue > 100 > red


def test_colours_say_what_they_mean() -> None:
    sigma = np.tile([0.01, 0.5], (21, 1))
    sigma[5], sigma[6], sigma[7] = 0.3, np.nan, [0.03, 0.5]
    score = np.ones(21)
    score[5], score[6], score[7] = 0.0, np.nan, 0.5
    for colours in (sigma_colours(sigma), score_colours(score)):
        assert colours[0, 2] > colours[0, 0], "sure is blue"
        assert colours[5, 0] > colours[5, 2], "unsure is red"
        np.testing.assert_array_equal(colours[5], colours[6])
        assert colours[0, 0] < colours[7, 0] < colours[5, 0], "and between is between"
    assert len(np.unique(source_colours(np.arange(6, dtype=np.uint8)), axis=0)) == 6


def test_player_keeps_the_clips_own_time() -> None:
    player = Player(np.array([0.0, 0.1, 0.5, 0.6]))
    assert player.tick(0.3) == 1
    assert player.tick(0.25) == 2
    player.faster(1)
    assert player.speed == 2.0
    assert player.tick(0.03) == 3, "0.06 s at double speed"
    assert player.tick(1.0) == 0, "starts again"
    player.step(-1)
    assert (player.frame, player.playing) == (0, False)
    player.skip(1.0)
    assert player.tick(9.0) == 3, "paused"
    for _ in SPEEDS:
        player.faster(-1)
    assert player.speed == SPEEDS[0]
    long = Player(np.arange(101) / 25)
    for tenth in (7, 0, 9):
        long.keys()[KEY_0 + tenth]()
        assert long.frame == 10 * tenth


def test_clip_pictures_seek_both_ways(folder: Path) -> None:
    pictures = ClipPictures(folder / OVERLAY, width_px=32)
    for frame in (0, 1, 10, 23, 3, 22, 0):
        rgb = pictures.at(frame / 30)
        assert rgb is not None
        assert rgb.shape == (24, 32, 3)
        assert abs(int(rgb.mean()) - (40 + 5 * frame)) <= 2, frame
    pictures.close()


def test_screenshot_and_movie_without_a_display(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    picture, film = tmp_path / "s.png", tmp_path / "m.mp4"
    common = [str(folder), "--renderer", "opencv", "--size", "320", "180"]
    assert main([*common, "--screenshot", str(picture), "--frame", "10"]) == 0
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape == (180, 320, 3)
    corners = [int(image[10, x, 0]) for x in (20, -20)]
    assert min(abs(value - 90) for value in corners) <= 3, "the clip's frame 10 is shown in an upper corner"
    assert main([*common, "--movie", str(film), "--turntable", "--picture", "none"]) == 0
    assert str(film) in capsys.readouterr().out
    capture = cv2.VideoCapture(str(film))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 24
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30, abs=0.1)


def test_keys_of_the_window(folder: Path) -> None:
    """The window's loop with a renderer that presses keys: pause, step, look from behind the camera, close."""

    class Keyboard(PainterRenderer):
        interactive = True

        def __init__(self) -> None:
            super().__init__(SIZE)
            self.actions: dict[int, Callable[[], None]] = {}
            self.drawn: list[View] = []
            self.bars: list[np.ndarray] = []
            self.presses = iter([KEY_SPACE, KEY_HOME, KEY_RIGHT, KEY_C, KEY_T, KEY_ESC])

        def on_key(self, key: int, action: Callable[[], None]) -> None:
            self.actions[key] = action

        def draw(self) -> bool:
            self.drawn.append(self._view)
            self.bars.append(self.picture()[-BAR_PX])
            self.actions[next(self.presses)]()
            return True

    keyboard = Keyboard()
    show = ResultShow([load_result(folder)], keyboard)
    show.frame_all()
    show.play(5)
    assert len(keyboard.drawn) == 6, "Esc closes"
    passed = [int((row[:, 2] > row[:, 0] + 50).sum()) for row in keyboard.bars]  # blue pixels of the bar's upper line
    assert passed[0] == round(SIZE[0] * 5 / 23), "the clip starts at frame 5"
    assert passed[3] == round(SIZE[0] / 23), "home, then one frame to the right"
    before, behind = keyboard.drawn[0], keyboard.drawn[-1]
    assert before != behind
    world, T = show.viewer.world, behind.T_view_world
    outline = camera_to_image(world_to_camera(world.points(show.viewer.camera_outline()), T), behind.camera(SIZE))
    people = camera_to_image(world_to_camera(world.points(walk(24).xyz_m), T), behind.camera(SIZE)).reshape(-1, 2)
    for xy in (outline, people):
        assert xy.min() > 0, "camera and people are in view"
        assert (xy < SIZE).all()
    assert not show._trails, "t hides the trails"
    show.close()


def test_two_results_are_compared(folder: Path, tmp_path: Path) -> None:
    other = write_result(tmp_path / "other", [walk(24, start_xy=(0, 6), person=4)], 24, film=False)
    options = ["--renderer", "opencv", "--size", "160", "120", "--screenshot", str(tmp_path / "s.png")]
    assert main([str(folder), str(other), *options]) == 0
    short = write_result(tmp_path / "short", [walk(5)], 5, film=False)
    assert main([str(folder), str(short), *options]) == 2
    both = cast_of([load_result(folder), load_result(other)])
    assert both.keys == (1, 2, 3), "everybody gets a colour of his own"
    np.testing.assert_array_equal(both.xyz_m[2], load_result(other).joints.xyz_m[0])
    assert [text.strip() for text, _ in both.legend] == ["walk", "1", "2", "other", "4"]
    np.testing.assert_array_equal(both.legend[4][1], person_colour(3))
    assert cast_of([load_result(other)]).keys == (4,), "alone, people keep their numbers"


def test_joints_are_coloured_by_what_is_asked_for(folder: Path) -> None:
    cast = cast_of([load_result(folder)])
    assert cast.colours("person", 0) is None
    for kind, value in (("sigma", sigma_colours(cast.sigma_m[0, 7])), ("score", score_colours(np.full(21, 0.9)))):
        colours = cast.colours(kind, 7)
        assert colours is not None
        np.testing.assert_allclose(colours[1], value)
    assert cast.colours("score", 0)[2][0, 0] == score_colours(np.full(21, np.nan))[0, 0], "not there yet"  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--frame", "99", "--screenshot", "x.png"], "frames 0 to 23"),
        (["--turntable"], "--turntable needs --movie"),
        (["--renderer", "opencv"], "pictures only"),
        (["--size", "1", "1", "--screenshot", "x.png"], "64 to 8192"),
        (["--renderer", "opencv", "--screenshot", "/nowhere/x.png"], "/nowhere: no such folder; make it, or choose another"),
        (["--screenshot", "x.txt"], "x.txt: no picture's ending; name a file that ends in .png or .jpg"),
        (["--screenshot", "png"], "png: no picture's ending"),
        (["--movie", "x.webm"], "x.webm: a film is written as H.264 in MP4; end its name in .mp4 or .m4v or .mov"),
        (["--movie", "/nowhere/x.MP4"], "/nowhere: no such folder"),
    ],
)
def test_bad_options_are_one_clear_line(
    folder: Path, options: list[str], says: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":97")  # none of these comes as far as opening a window
    assert main([str(folder), *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["--screenshot", "--movie"])
def test_a_folder_that_cannot_be_written_is_told_before_the_drawing(
    option: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    monkeypatch.setattr("apps.viewer_stage.make_renderer", None)
    assert main([str(folder), option, str(tmp_path / ("x.png" if option == "--screenshot" else "x.mp4"))]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path}: this folder cannot be written to; allow it, or choose another\n"


def test_without_a_display_a_window_is_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert "--screenshot" in error
    assert error.count("\n") == 1
    with pytest.raises(MissingDependencyError, match="no display"):
        make_renderer("open3d", SIZE, visible=True)


def test_a_folder_that_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_result(tmp_path / "absent")
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(InputError, match=r"clip\.mp4: this is a file; give its result folder, as in .*/clip_pose3d$"):
        load_result(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match=r"motions\.npz is missing"):
        load_result(tmp_path)
    with pytest.raises(ConfigError, match="open3d and opencv"):
        make_renderer("vulkan", SIZE, visible=False)


def test_missing_system_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    from apps.viewer_open3d import import_open3d

    real = builtins.__import__

    def broken(name: str, *args: object, **kwargs: object) -> object:
        if name == "open3d":
            raise OSError("libusb-1.0.so.0: cannot open shared object file")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(MissingDependencyError, match=r"libusb-1\.0-0"):
        import_open3d()


def test_the_inset_goes_where_less_is_drawn():
    image = np.full((100, 300, 3), 250, np.uint8)
    assert emptier_side(image, 30, 60, 5) == 5
    image[10:30, 20:40] = 0  # somebody in the upper left
    assert emptier_side(image, 30, 60, 5) == 300 - 5 - 60
