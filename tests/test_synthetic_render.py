"""Rendering and labels against geometry: needs moderngl with EGL, and the shared asset pack for people."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.camera import Camera, camera_from_fov, camera_to_image
from posecore.errors import MissingDependencyError
from posecore.skeleton import halves
from training.synthetic.assets import open_assets
from training.synthetic.labels import Visibility, visibility
from training.synthetic.lighting import room_light
from training.synthetic.props import box
from training.synthetic.rendered import JOINTS
from training.synthetic.renderer import Draw, Picture, Renderer
from training.synthetic.viewpoint import T_STAGE_WORLD, look_at

SIZE = (120, 90)


@pytest.fixture(scope="module")
def renderer():
    pytest.importorskip("moderngl", reason="rendering needs moderngl")
    try:
        return Renderer()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def studio(shared_data, renderer):
    from training.synthetic.stills import StillMix, StillStudio

    return StillStudio(open_assets(shared_data / "synthetic_assets"), "test", StillMix(size_px=192, second_person=0.5))


def _shoot(renderer: Renderer, parts: list, camera: Camera, T_camera_stage: np.ndarray) -> Picture:
    light = room_light(np.zeros(3), np.random.default_rng(0))
    white = renderer.texture(np.full((2, 2, 3), 255, np.uint8))
    draws = [Draw(renderer.mesh(part), renderer.still_bones, number + 1) for number, part in enumerate(parts)]
    return renderer.render(draws, camera, T_camera_stage, light, white)


def test_a_quad_covers_exactly_the_pixels_whose_centres_project_into_it(renderer):
    """Catches a shift of half a pixel, a flipped axis and a principal point that is ignored."""
    camera = Camera(np.array([[100.0, 0, 40.3], [0, 110.0, 52.6], [0, 0, 1]]), SIZE)
    T = look_at(np.array([0.2, 1.0, 4.0]), np.array([0.1, 0.7, 0.0]), roll_deg=0)
    plate = box((0.3, 0.6, 0), (1.0, 0.8, 1e-4), T[:3, :3].T, None, (0.5, 0.5, 0.5))  # parallel to the image
    picture = _shoot(renderer, [plate], camera, T)
    corners = camera_to_image(plate.vertices[:, :3] @ T[:3, :3].T + T[:3, 3], camera)
    (u0, v0), (u1, v1) = corners.min(axis=0), corners.max(axis=0)
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    expected = (u > u0) & (u < u1) & (v > v0) & (v < v1)
    # The number is that of one of four samples around the centre: only pixels within half a pixel of an edge may differ.
    edge = np.minimum(np.abs(np.stack([u - u0, u - u1])).min(axis=0), np.abs(np.stack([v - v0, v - v1])).min(axis=0)) < 0.5
    assert np.array_equal(picture.person[~edge] == 1, expected[~edge])
    area = (u1 - u0) * (v1 - v0)
    assert abs((picture.person == 1).sum() - area) < 0.06 * area


def test_depth_is_that_along_the_optical_axis(renderer):
    camera = camera_from_fov(SIZE, 50.0, "test")
    T = look_at(np.array([0.0, 1.5, 5.0]), np.zeros(3))
    plate = box((0.4, 0.2, 0), (1.0, 1.0, 1e-5), T[:3, :3].T, None, (0.5, 0.5, 0.5))
    picture = _shoot(renderer, [plate], camera, T)
    inner = picture.person == 1
    assert inner.sum() > 200
    z = (plate.vertices[:, :3] @ T[:3, :3].T + T[:3, 3])[:, 2].mean()
    assert np.abs(picture.depth_m[inner] - z).max() < 1e-3


def test_the_nearer_thing_hides_the_farther_whatever_the_order(renderer):
    camera = camera_from_fov(SIZE, 50.0, "test")
    T = look_at(np.array([0.0, 0.0, 5.0]), np.zeros(3))
    near, far = (box((0, 0, z), (1, 1, 0.1), np.eye(3), None, (0.5, 0.5, 0.5)) for z in (1.0, -1.0))
    a, b = _shoot(renderer, [near, far], camera, T), _shoot(renderer, [far, near], camera, T)
    middle = (SIZE[1] // 2, SIZE[0] // 2)
    assert (a.person[middle], b.person[middle]) == (1, 2)


def test_visibility_codes():
    depth, person = np.full((10, 10), 9.0, np.float32), np.zeros((10, 10), np.uint8)
    depth[:, :5], person[:, :5] = 2.0, 1
    depth[:, 5:8], person[:, 5:8] = 1.0, 2
    picture = Picture(np.zeros((10, 10, 3), np.uint8), person, depth)
    cases = [  # pixel, depth, expected for person 1
        ((2, 2), 2.1, Visibility.VISIBLE),  # just under the own skin
        ((2, 2), 2.3, Visibility.BEHIND_SELF),
        ((6, 2), 2.0, Visibility.BEHIND_OTHER),
        ((8.6, 2), 2.0, Visibility.VISIBLE),  # pixel 9, background far behind
        ((-0.4, 2), 2.1, Visibility.VISIBLE),  # still in the first pixel
        ((-0.6, 2), 2.1, Visibility.OUTSIDE),
        ((2, 9.6), 2.1, Visibility.OUTSIDE),
        ((np.nan, np.nan), -1.0, Visibility.OUTSIDE),
    ]
    xy = np.array([case[0] for case in cases])
    codes = visibility(xy, np.array([case[1] for case in cases]), picture, 1)
    assert codes.tolist() == [case[2] for case in cases]


def test_look_at_has_camera_axes_and_the_world_is_z_up():
    T = look_at(np.array([1.0, 1.5, 3.0]), np.array([0.0, 1.5, 0.0]))
    assert np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)
    assert T[:3, :3] @ [0, 1, 0] == pytest.approx([0, -1, 0])  # the stage's up is the image's up
    assert T[:3] @ [0, 1.5, 0, 1] == pytest.approx([0, 0, np.sqrt(10)])
    assert np.array_equal(T_STAGE_WORLD @ [0, 0, 1, 0], [0, 1, 0, 0])
    assert np.linalg.det(T_STAGE_WORLD[:3, :3]) == pytest.approx(1)


def test_labels_reproject_and_masks_agree(studio):
    rng = np.random.default_rng(4)
    on_person: list[bool] = []
    for _ in range(6):
        still = studio.make(rng)
        for number, person in enumerate(still.people, start=1):
            front = person.xyz_m[:, 2] > 0.05
            assert np.abs(camera_to_image(person.xyz_m, still.camera) - person.xy_px)[front].max() < 0.1
            seen = person.visibility == Visibility.VISIBLE
            mask = still.person == number
            if number == 1:
                assert mask.sum() > 0.02 * mask.size
            column, row = np.floor(person.xy_px[seen] + 0.5).astype(int).T
            on_person += mask[row, column].tolist()
    # A visible joint of a thin limb may lie just beside its outline, never a crowd of them.
    assert np.mean(on_person) > 0.9


def test_the_persons_own_left_is_left(studio):
    """A person who faces the camera has the own left on the image's right."""
    from training.synthetic.retarget import ROLES

    person = studio.troupe.build(np.random.default_rng(0))
    posed = studio.troupe.pose(person, np.tile(np.eye(3), (len(ROLES), 1, 1)), {})
    at = dict(zip(JOINTS, posed.joints_m, strict=True))
    for joint in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "toe", "eye", "ear"):
        assert at[f"left_{joint}"][0] > at[f"right_{joint}"][0], joint
    assert at["nose"][2] > at["head"][2]
    assert at["left_toe"][2] > at["left_ankle"][2]
    arm = np.stack([at[f"left_{joint}"] for joint in ("shoulder", "elbow", "wrist")])
    assert np.abs(np.diff(arm, axis=0)[:, 1:]).max() < 0.03  # the T-pose: arms straight out
    heights = [at[joint][1] for joint in ("head_top", "head", "neck", "spine", "pelvis", "left_knee", "left_ankle", "left_toe")]
    assert heights == sorted(heights, reverse=True)
    top, floor = at["head_top"][1], posed.lowest_m
    assert top - floor == pytest.approx(person.shape.stature_m, rel=0.03)


def test_stills_are_deterministic_and_read_back(studio, tmp_path):
    from training.synthetic.rendered import load_rendered
    from training.synthetic.stills import write_shard

    for name in ("a", "b"):
        write_shard(studio, 7, 3, 3, tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    write_shard(studio, 8, 3, 1, tmp_path / "c.npz")
    samples = load_rendered(tmp_path)
    assert len(samples) == 7
    assert not np.array_equal(samples[6].people[0].xy_px, samples[0].people[0].xy_px)
    for sample in samples[:3]:
        assert sample.rgb.shape == (192, 192, 3)
        masks = [sample.mask(i) for i in range(len(sample.people))]
        assert masks[0].any()
        assert not np.logical_and.reduce(masks).any() or len(masks) == 1
        for person in sample.people:
            assert np.nanmax(np.abs(camera_to_image(person.xyz_m, sample.camera) - person.xy_px)) < 0.1


def test_cameras_turn_with_the_stage():
    """Turning the place of a camera about the vertical turns its axes alike."""
    T = look_at(np.array([0.0, 1.2, 4.0]), np.array([0.0, 1.0, 0.0]))
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("y", 1.1).as_matrix()
    assert look_at(turn[:3, :3] @ [0, 1.2, 4], np.array([0.0, 1.0, 0.0])) == pytest.approx(T @ turn.T, abs=1e-12)


def test_high_cameras_look_down_on_the_subject(studio):
    """Standing people's trunks lean towards a camera that looks down, and towards one at chest height not."""
    from training.synthetic.stills import StillMix

    def leans(high):
        seen, rng = copy.copy(studio), np.random.default_rng(11)
        seen.mix = StillMix(size_px=128, high=high, pose=replace(studio.mix.pose, sitting=0, crouching=0, lying=0, noisy=0))
        people = [seen.make(rng).people[0].xyz_m for _ in range(6)]
        trunks = np.array([xyz[JOINTS.index("neck")] - xyz[JOINTS.index("pelvis")] for xyz in people])
        return np.degrees(np.arctan2(-trunks[:, 2], -trunks[:, 1]))

    assert 10 < np.median(leans(1.0)) < 45
    assert np.abs(np.median(leans(0.0))) < 10


def test_an_eye_high_up_is_as_far_away_as_any_and_looks_down_by_its_angle():
    from training.synthetic.viewpoint import sample_high_eye

    rng, target = np.random.default_rng(2), np.array([0.3, 0.9, -0.2])
    off = np.array([sample_high_eye(target, rng) for _ in range(300)]) - target
    distance, down = np.linalg.norm(off, axis=1), np.degrees(np.arcsin(off[:, 1] / np.linalg.norm(off, axis=1)))
    assert (distance.min(), distance.max()) == pytest.approx((1.8, 6.0), abs=0.1)
    assert (down.min(), down.max()) == pytest.approx((10.0, 45.0), abs=0.5)


def test_people_in_line_stand_before_and_behind_the_subject(studio):
    """Whoever is added lies along the camera's ray to the subject, a little aside, and is half hidden or hides."""
    from training.synthetic.stills import StillMix

    lined = copy.copy(studio)
    lined.mix = StillMix(size_px=192, in_line=1.0)
    hidden, rng = 0, np.random.default_rng(3)
    for _ in range(6):
        still = lined.make(rng)
        assert len(still.people) in (2, 3)
        xyz = np.array([person.xyz_m[JOINTS.index("pelvis")] for person in still.people])
        apart = np.linalg.norm(xyz[1:] - xyz[0], axis=1)
        assert (apart > 0.3).all()
        aside = np.abs(xyz[1:, 0] / xyz[1:, 2] - xyz[0, 0] / xyz[0, 2]) * xyz[0, 2]
        assert (aside < 1.0).all()  # four standard deviations
        hidden += sum((person.visibility == Visibility.BEHIND_OTHER).any() for person in still.people)
    assert hidden >= 6  # somebody in every picture, on average


def test_close_ups_show_one_half_of_the_subject(studio):
    from training.synthetic.stills import StillMix

    close = copy.copy(studio)
    close.mix = StillMix(size_px=192, half=1.0, occluded=0.0)
    shown, rng = set(), np.random.default_rng(5)
    for _ in range(8):
        xy = close.make(rng).people[0].xy_px
        inside = ((xy > -0.5) & (xy < 191.5)).all(axis=1)
        whole = [k for k, half in enumerate(halves(JOINTS)) if inside[half].all()]
        assert whole
        shown.update(whole)
    assert shown == {0, 1}
