"""The 3D of a lifter's crop is in the axes of a camera that looks at the crop's centre (docs/conventions.md)."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from posecore.camera import Camera, camera_to_image, image_to_ray, rotation_to_ray
from posecore.scale import KNEE_TO_NECK_M, knee_to_neck_m
from tests.mpi_made_up import K as MPI_K
from tests.mpi_made_up import write_sequence, write_test_sequence
from tests.test_training_data import STILL, make_sample, random_person
from training.lift_data import make_example, person_crop
from training.mpi_inf_3dhp import load_mpi_inf_3dhp, load_mpi_inf_3dhp_test
from training.rendered import rendered_sample
from training.samples import LABELS, LIFT_JOINTS
from training.scenes import HALVES
from training.synthetic.labels import Visibility
from training.synthetic.rendered import JOINTS, PersonLabel, RenderedSample

SIZE, CROP = 400, 128
CAMERA = Camera(np.array([[300.0, 0, 190], [0, 300.0, 210], [0, 0, 1]]), (SIZE, SIZE))


@pytest.fixture
def somebody():
    """A rendered person off the middle, and his joints (26, 3) about the pelvis in camera axes and the lift's metres."""
    upper, lower = HALVES
    xyz = np.random.default_rng(3).normal([0.7, 0, 3.4], [0.25, 0.0, 0.2], (len(JOINTS), 3))
    xyz[upper, 1], xyz[lower, 1] = np.linspace(-1.4, -0.5, upper.sum()), np.linspace(-0.5, 0.5, lower.sum())
    rgb = cv2.imencode(".png", np.zeros((SIZE, SIZE, 3), np.uint8))[1].ravel()
    seen = np.full(len(JOINTS), Visibility.VISIBLE, np.uint8)
    person = PersonLabel(camera_to_image(xyz, CAMERA), xyz, seen, 1.7)
    about = (xyz - xyz[LABELS.root]) * KNEE_TO_NECK_M / knee_to_neck_m(xyz[LIFT_JOINTS])
    return rendered_sample(RenderedSample(rgb, rgb, CAMERA, (person,)), "made up"), about


def expected(sample, moved, xyz_camera, mirrored):
    """What the label must be by where the crop's pixels came from: (26, 3), and how far its centre is off the box's, px."""
    order = LABELS.mirror if mirrored else np.arange(26)
    there = np.column_stack([moved.xy_px[order], np.ones(26)])
    affine = np.linalg.lstsq(there.astype(float), sample.people[0].xy_px.astype(float), rcond=None)[0]
    centre = np.array([(CROP - 1) / 2, (CROP - 1) / 2, 1.0]) @ affine
    turn = np.eye(3)
    turn[:2, :2] = affine[:2] / np.sqrt(abs(np.linalg.det(affine[:2])))  # crop directions, as rows, in the picture
    box = sample.people[0].box_xyxy_px
    off = np.linalg.norm(centre - (box[:2] + box[2:]) / 2)
    return (xyz_camera @ rotation_to_ray(image_to_ray(centre, CAMERA)) @ turn.T)[order], off


WHOLE = replace(STILL, flip=0.0)
JITTERED = replace(WHOLE, shift_sd=0.1, scale_sd=0.1)
CROPS = {
    "plain": (None, WHOLE, 0),
    "half": (range(8), replace(WHOLE, half=1.0), 20),
    "jittered": (range(8), JITTERED, 4),
    "cut": (range(8), replace(WHOLE, cut=1.0), 10),
    "jittered, cut, turned, mirrored": (range(8), replace(JITTERED, cut=1.0, rotation_sd_deg=30.0, upright=1.0, flip=1.0), 10),
    "jittered, half, turned, mirrored": (
        range(8),
        replace(JITTERED, half=1.0, rotation_sd_deg=30.0, upright=1.0, flip=1.0),
        10,
    ),
}


@pytest.mark.parametrize("name", CROPS)
def test_labels_are_the_camera_s_joints_turned_by_the_ray_of_the_crop_s_centre(somebody, name):
    sample, xyz_camera = somebody
    seeds, config, far_px = CROPS[name]
    offs = []
    for seed in seeds or [None]:
        moved = make_example(sample, CROP, None if seed is None else np.random.default_rng(seed), config).person
        wanted, off = expected(sample, moved, xyz_camera, mirrored=config.flip == 1.0)
        np.testing.assert_allclose(moved.xyz_m, wanted, atol=1e-6)
        offs.append(off)
    assert max(offs) >= far_px  # or the axes would be the box's anyway


def test_without_a_camera_labels_stay_as_they_are():
    person = random_person(4)
    shown = make_example(make_sample(person), CROP, np.random.default_rng(0), replace(JITTERED, half=1.0)).person
    np.testing.assert_array_equal(shown.xyz_m, person.xyz_m)


def test_a_cut_person_s_crop_stays_in_place_without_a_camera():
    """It grows and shrinks about its centre, so that the 3D's axes stay what they were."""
    sample, sides = make_sample(random_person(4)), []
    for seed in range(8):
        moved = make_example(sample, CROP, np.random.default_rng(seed), replace(WHOLE, cut=1.0)).person
        there = np.column_stack([moved.xy_px, np.ones(26)]).astype(float)
        affine = np.linalg.lstsq(there, sample.people[0].xy_px.astype(float), rcond=None)[0]
        middle = np.array([(CROP - 1) / 2, (CROP - 1) / 2, 1.0]) @ affine
        plain = person_crop(sample.people[0], CROP)
        np.testing.assert_allclose(middle, plain.centre_px, atol=1e-3)
        np.testing.assert_array_equal(moved.xyz_m, sample.people[0].xyz_m)
        sides.append(CROP * np.sqrt(abs(np.linalg.det(affine[:2]))) / plain.side_px)
    assert np.std(np.log(sides)) > 0.1


def test_mpi_inf_3dhp_s_cameras_come_with_its_samples(tmp_path):
    write_sequence(tmp_path / "S2" / "Seq2", cameras=(1,))
    assert all((s.camera.K_px == MPI_K).all() for s in load_mpi_inf_3dhp(tmp_path))
    pytest.importorskip("h5py", reason="the extra `test` is not installed")
    write_test_sequence(tmp_path / "TS1", frames=2, invalid=())
    for sample in load_mpi_inf_3dhp_test(tmp_path):
        np.testing.assert_allclose(sample.camera.K_px, MPI_K, atol=1e-3)


def test_half_a_body_before_an_unknown_camera_teaches_nothing_in_3d():
    sample = make_sample(random_person(4))
    whole, half = (
        make_example(sample, CROP, np.random.default_rng(0), replace(JITTERED, half=share)).person for share in (0.0, 1.0)
    )
    assert (whole.trust_xyz > 0).any()
    assert not half.trust_xyz.any()
    np.testing.assert_array_equal(half.trust, sample.people[0].trust)


@pytest.mark.parametrize("known", [0, 1], ids=["upper", "lower"])
def test_a_crop_is_of_half_a_body_only_where_another_half_is_left_out(known):
    """Of whom one half alone is known every crop shows the same and teaches 3D, whichever half was drawn."""
    person = random_person(4)
    person = replace(person, trust=np.where(HALVES[known], person.trust, 0).astype(np.float32))
    sample, drawn = make_sample(person), replace(WHOLE, half=1.0)
    plain = make_example(sample, CROP, None, WHOLE).person
    for seed in range(8):
        shown = make_example(sample, CROP, np.random.default_rng(seed), drawn).person
        np.testing.assert_array_equal(shown.xy_px, plain.xy_px)
        np.testing.assert_array_equal(shown.trust_xyz, person.trust_xyz)
