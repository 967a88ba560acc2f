"""The viewer says what its colours mean, in the colours that it draws, and people keep theirs beside them."""

from pathlib import Path

import numpy as np
import pytest

from apps.result_folder import load_result
from apps.viewer_caption import BAR_PX, INK, SCALE_PX, SWATCH, Piece, bar
from apps.viewer_scale import scale_of
from apps.viewer_show import ResultShow
from apps.viewer_stage import SOURCE_COLOURS, Viewer, make_renderer, person_colour, score_colours, sigma_colours
from apps.viewer_view import View
from posecore.camera import camera_to_image, world_to_camera
from posecore.errors import MissingDependencyError
from posecore.types import Source
from posecore.world import World
from tests.test_viewer import write_result
from tests.walker import SKELETON, walk

SIZE = (640, 360)


def words(scale: tuple[Piece, ...]) -> str:
    return "".join(text for text, _ in scale)


def between(scale: tuple[Piece, ...], before: str, after: str) -> np.ndarray:
    """(N, 3) colours of the swatches between two words."""
    texts = [text.strip() for text, _ in scale]
    return np.array([colour for text, colour in scale[texts.index(before) : texts.index(after)] if text == SWATCH])


def test_the_scale_of_sigma_has_the_colours_of_its_millimetres() -> None:
    scale = scale_of("sigma")
    assert words(scale).replace(SWATCH, "").startswith("sigma across the view: up to 10  20  40  80 mm and more")
    middle_mm = 40 * 2 ** np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    drawn = sigma_colours(np.column_stack([middle_mm / 1000, np.full(5, 9.9)]))
    np.testing.assert_allclose(between(scale, "40", "80 mm and more"), drawn, atol=1e-9)
    red = np.vstack([between(scale, "up to 10", "20"), between(scale, "20", "40"), drawn])[:, 0]
    assert (np.diff(red) > 0).all()


def test_the_scale_of_scores_runs_from_sure_to_not_seen() -> None:
    swatches = between(scale_of("score"), "1", "0.5")
    np.testing.assert_allclose(swatches, score_colours(np.array([0.95, 0.85, 0.75, 0.65, 0.55])), atol=1e-9)
    assert "0, not seen" in words(scale_of("score"))


def test_every_source_that_can_be_drawn_is_named_behind_its_colour() -> None:
    scale = scale_of("source")
    named = {scale[k + 1][0].strip(): tuple(colour) for k, (text, colour) in enumerate(scale) if text == SWATCH}  # type: ignore[arg-type]
    assert named == {source.name.lower(): SOURCE_COLOURS[source] for source in Source if source != Source.EMPTY}


@pytest.mark.parametrize("kind", ["sigma", "score", "source"])
@pytest.mark.parametrize("width_px", [420, 1280])
def test_the_window_s_foot_has_a_line_for_the_scale_and_room_for_all_of_it(kind: str, width_px: int) -> None:
    image = bar(width_px, [("demo", INK)], 0.0, scale_of(kind))
    assert image.shape == (BAR_PX + SCALE_PX, width_px, 3)
    line = np.ptp(image[6:BAR_PX], axis=(0, 2)) > 8
    assert line.any()
    assert not line[-8:].any(), "its end is in the picture"
    assert bar(width_px, [("demo", INK)], 0.0).shape[0] == BAR_PX


@pytest.mark.parametrize("name", ["opencv", "open3d"])
def test_a_picture_can_be_read_alone(name: str, tmp_path: Path) -> None:
    """The swatches of a kind stand in the picture in their own colours; 'person' needs none."""
    result = load_result(write_result(tmp_path / "walk_pose3d", [walk(3)], 3, film=False))
    for kind, others in (("source", "person"), ("sigma", "source")):
        for shown in (kind, others):
            try:
                show = ResultShow([result], make_renderer(name, SIZE, visible=False), shown)
            except MissingDependencyError as error:
                pytest.skip(str(error))
            show.frame_all()
            show.show(1)
            foot = show.annotated(1, SIZE)[-60:].reshape(-1, 3).astype(int)
            show.close()
            wanted = [np.round(255 * np.asarray(colour)) for text, colour in scale_of(kind) if text == SWATCH]
            found = [(foot == level).all(axis=1).sum() > 20 for level in wanted]
            assert all(found) if shown == kind else not any(found)


@pytest.mark.parametrize("name", ["opencv", "open3d"])
def test_heads_keep_the_person_s_colour(name: str) -> None:
    try:
        renderer = make_renderer(name, SIZE, visible=False)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    viewer, people = Viewer(World(np.eye(4), "test"), None, renderer), {}
    for person, x_m in ((1, -0.6), (2, 0.6)):
        xyz_m = walk(1).xyz_m[0]
        people[person] = (xyz_m - xyz_m[SKELETON.root])[:, [0, 2, 1]] * [1, 1, -1] + [x_m, 0, 1]  # z up, as this world has it
    viewer.look(View((0.0, 0.0, 1.0), 5.0, azimuth_deg=0, elevation_deg=0))
    viewer.show(people, colours=dict.fromkeys(people, np.tile([0.1, 0.9, 0.1], (21, 1))))
    image, camera = viewer.picture().astype(float), viewer.view.camera(SIZE)
    for person, xyz_m in people.items():
        middle = 0.5 * (xyz_m[SKELETON.index("head")] + xyz_m[SKELETON.index("head_top")])
        head, pelvis = camera_to_image(world_to_camera([middle, xyz_m[SKELETON.root]], viewer.view.T_view_world), camera)
        rgb = image[round(head[1]), round(head[0])]
        np.testing.assert_allclose(rgb / rgb.max(), person_colour(person) / person_colour(person).max(), atol=0.05)
        assert image[round(pelvis[1]), round(pelvis[0])].argmax() == 1, "all else has the colour asked for"
    viewer.close()
