"""Other people and places in a lifter's crop: pixels and labels must tell the same story."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from posecore.camera import Camera
from tests.test_training_data import make_sample, mask_of, random_person
from training import company
from training.augment import AugmentConfig
from training.coco import liftable_people
from training.company import Surroundings, set_in
from training.lift_data import make_example
from training.lift_eval import evaluate_lift
from training.lift_task import LiftLesson, LiftTask, SourceShares
from training.rendered import rendered_sample
from training.shared import SharedLesson, SharedTask
from training.synthetic.labels import Visibility
from training.synthetic.rendered import PersonLabel as RenderedPerson
from training.synthetic.rendered import RenderedSample

SIZE = 200
STILL = {"rotation_sd_deg": 0.0, "upside_down": 0.0, "colour": 0.0}
GREEN = [lambda: np.full((90, 80, 3), (0, 255, 0), np.uint8)]


def with_mask(person, size=SIZE):
    return replace(person, mask=mask_of(person, size))


@pytest.fixture
def red_people():
    """A photo of a red box of a person, and only red."""
    sample = make_sample(with_mask(random_person(3)))
    red = np.full((SIZE, SIZE, 3), (255, 0, 0), np.uint8)
    return [replace(sample, read=lambda: red)]


def crops(alpha, around, count=40, **chances):
    """The grey picture of a person in many surroundings."""
    grey, person = np.full((SIZE, SIZE, 3), 128, np.uint8), random_person(6)
    config = AugmentConfig(**STILL, **chances)
    return person, [set_in(grey, person, alpha, around, np.random.default_rng(k), config)[:2] for k in range(count)]


def left_half(person):
    """An alpha of all that is left of the person's middle joint."""
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[:, : int(np.median(person.xy_px[:, 0]))] = 1
    return alpha


def test_who_stands_behind_hides_nothing_of_the_person(red_people, monkeypatch):
    monkeypatch.setattr(company, "IN_FRONT", 0.0)
    alpha = left_half(random_person(6))
    person, made = crops(alpha, Surroundings((), red_people), company=1.0)
    reds = [(rgb != 128).any(axis=2) for rgb, _ in made]
    assert sum(red.any() for red in reds) > 20
    assert not any(red[alpha == 1].any() for red in reds)
    for red, (_, seen) in zip(reds, made, strict=True):
        x, y = np.round(person.xy_px).astype(int).T
        assert (seen.trust[~red[y, x]] == 1).all()
        assert (seen.trust[red[y, x]] >= 0.5).all()
    assert any((seen.trust == 0.5).any() for _, seen in made)  # some joints lie outside the mask, and there others cover them


def test_who_stands_in_front_hides_joints_but_never_the_whole_person(red_people, monkeypatch):
    monkeypatch.setattr(company, "IN_FRONT", 1.0)
    monkeypatch.setattr(company, "NEXT_ONE", 0.0)
    person, made = crops(np.ones((SIZE, SIZE), np.float32), Surroundings((), red_people), company=1.0)
    x, y = np.round(person.xy_px).astype(int).T
    hidden = []
    for rgb, seen in made:
        red = rgb[y, x, 0] > 192  # more than half of the red
        np.testing.assert_array_equal(seen.trust, np.where(red, 0.5, 1.0))
        hidden.append(red.mean())
    assert sum(h > 0 for h in hidden) > 10
    assert max(hidden) <= 0.6  # who would hide more is left out


def test_without_a_mask_nobody_is_put_behind(red_people, monkeypatch):
    monkeypatch.setattr(company, "IN_FRONT", 0.0)
    _, made = crops(None, Surroundings(GREEN, red_people), company=1.0, elsewhere=1.0)
    assert all((rgb == 128).all() and (seen.trust == 1).all() for rgb, seen in made)


def test_another_background_keeps_the_person_and_forgets_what_the_mask_missed():
    alpha = left_half(random_person(6))
    person, made = crops(alpha, Surroundings(GREEN), count=3, elsewhere=1.0)
    middle = int(np.median(person.xy_px[:, 0]))
    for rgb, seen in made:
        assert (rgb[alpha == 1] == 128).all()
        assert (rgb[alpha == 0] == (0, 255, 0)).all()
        beyond = person.xy_px[:, 0] - middle
        assert (seen.trust[beyond > 10] == 0).all()
        assert (seen.trust[beyond < 0] == 1).all()
        assert (beyond > 10).any()


def test_accuracy_in_company_is_measured_on_the_same_pictures_every_time(red_people):
    seen = []

    def maps_of(rgb):
        seen.append(rgb)
        return np.zeros((len(rgb), 6, 21, 8, 8), np.float32)

    samples = [make_sample(with_mask(random_person(k))) for k in range(5)]
    figures = [evaluate_lift(maps_of, samples, 64, batch=batch, company=red_people) for batch in (5, 2)]
    evaluate_lift(maps_of, samples, 64, batch=5)
    np.testing.assert_array_equal(seen[0], np.concatenate(seen[1:4]))
    assert figures[0] == figures[1]
    assert (seen[0] != seen[4]).any()


def test_who_shows_but_a_joint_stays_alone(red_people):
    grey, person = np.full((SIZE, SIZE, 3), 128, np.uint8), random_person(6)
    person = replace(person, box_xyxy_px=np.full(4, 90, np.float32))
    config = AugmentConfig(**STILL, company=1.0)
    rgb, *_ = set_in(grey, person, None, Surroundings((), red_people), np.random.default_rng(0), config)
    assert (rgb == 128).all()


def test_off_is_off(red_people):
    _, made = crops(np.ones((SIZE, SIZE), np.float32), Surroundings(GREEN, red_people), 5, company=0.0)
    assert all((rgb == 128).all() and (seen.trust == 1).all() for rgb, seen in made)


def shared_examples(samples, size=128, count=12, **chances):
    """What both networks learn from a crop of the first sample, the others keeping it company."""
    augment = AugmentConfig(**STILL, degrade=0.0, occlude=0.0, flip=0.0, scale_sd=0.0, shift_sd=0.0, **chances)
    task = SharedTask(samples[:1], [], SharedLesson(lift=LiftLesson(size_px=size, easy_samples=0, augment=augment)))
    task.around = Surroundings((), samples[1:])
    return [task.make(0, np.random.default_rng(k)) for k in range(count)]


def test_where_company_shows_the_detector_of_a_shared_run_is_taught_nothing(red_people):
    sample = make_sample(with_mask(random_person(6)))
    sample = replace(sample, read=lambda: np.full((SIZE, SIZE, 3), 128, np.uint8))
    shown = 0
    for example in shared_examples([sample, *red_people], company=1.0):
        red = (example["rgb"][..., 0] > 224) & (example["rgb"][..., 1] < 32)
        cells = red.reshape(16, 8, 16, 8).any(axis=(1, 3))
        assert not example["pose_heat_known"][:, cells].any()
        assert not example["pose_paf_known"][:, cells].any()
        assert example["pose_heat_known"].any()
        shown += cells.sum()
    assert shown > 50
    (alone,) = shared_examples([sample, *red_people], count=1, company=0.0)
    assert alone["pose_heat_known"][:, 4:12, 4:12].all()


def test_where_others_of_the_picture_stand_only_the_person_s_own_joints_are_taught_to_a_shared_detector():
    person, other = random_person(6), random_person(3)
    other.trust[8:] = 0  # too little for a lesson of his own
    both = replace(make_sample(person), people=(person, other), complete=True)
    (one,), (two,) = (shared_examples([replace(both, people=p)], count=1) for p in ((person,), (person, other)))
    np.testing.assert_array_equal(one["pose_heat"], two["pose_heat"])
    lost = one["pose_heat_known"][:-1] & ~two["pose_heat_known"][:-1]
    assert lost.any()
    assert (two["pose_heat"][:-1][lost] == 0).all()


@pytest.mark.parametrize("kind", ["barely labelled", "small", "crowd"])
def test_whom_the_lifter_does_not_learn_a_shared_detector_does_not_take_for_background(kind):
    person, other = random_person(6), random_person(3, size=60.0 if kind == "small" else SIZE)
    few = replace(other, trust=np.where(np.arange(26) < 7, other.trust, 0))  # too little for a lesson of his own
    other = person_at(other, 70) if kind == "small" else few
    both = replace(make_sample(person), people=(person, other), complete=True)
    box = tuple(map(float, other.box_xyxy_px))
    crowd = replace(both, people=(person,), ignored_box_xyxy_px=(box,))
    (kept,) = liftable_people([crowd if kind == "crowd" else both])
    assert (kept.people, kept.ignored_box_xyxy_px, len(kept.ignored_mask)) == ((person,), (box,), 1)
    alone, labelled = (
        shared_examples([replace(both, people=people)], count=1)[0]
        for people in ((person,), (person, replace(few, box_xyxy_px=other.box_xyxy_px)))
    )
    (liftable,) = shared_examples([kept], count=1)
    for key in ("pose_heat_known", "pose_paf_known"):
        np.testing.assert_array_equal(liftable[key], labelled[key])
        assert (alone[key] & ~liftable[key]).any()


def person_at(person, px):
    return replace(person, xy_px=person.xy_px + np.float32(px), box_xyxy_px=person.box_xyxy_px + np.float32(px))


def test_only_photos_of_one_person_with_a_mask_keep_company():
    bare, masked = random_person(3), with_mask(random_person(4))
    photos = [make_sample(bare), make_sample(masked)]
    others = [replace(s, source="lspet") for s in photos]
    task = LiftTask(photos + others, [], LiftLesson(shares=SourceShares()))
    assert task.around.people == [photos[1]]


def test_a_crop_of_a_photo_is_set_in_company(red_people):
    sample = make_sample(with_mask(random_person(6)))
    config = AugmentConfig(**STILL, degrade=0.0, occlude=0.0, flip=0.0, company=1.0)
    alone = AugmentConfig(**STILL, degrade=0.0, occlude=0.0, flip=0.0, company=0.0)
    for k in range(10):
        one, two = (
            make_example(sample, 128, np.random.default_rng(k), c, 0, Surroundings((), red_people)) for c in (config, alone)
        )
        np.testing.assert_array_equal(one.person.xy_px, two.person.xy_px)
        if (one.rgb != two.rgb).any():
            return
    pytest.fail("nobody came")


def rendered_people(count=3, unseen=1):
    """A grey rendered picture of people side by side, each in a field of pixels of his own; one is out of sight."""
    person_png, people = np.zeros((SIZE, SIZE), np.uint8), []
    for k in range(count):
        columns = slice(SIZE * k // count, SIZE * (k + 1) // count)
        person_png[20:180, columns] = k + 1
        xyz = np.random.default_rng(k).normal([0, 0, 4], [0.3, 0.5, 0.2], (26, 3))
        xy = np.random.default_rng(k).uniform([columns.start + 3, 23], [columns.stop - 3, 176], (26, 2))
        seen = Visibility.OUTSIDE if k == unseen else Visibility.VISIBLE
        people.append(RenderedPerson(xy, xyz, np.full(26, seen, np.uint8), 1.7))
    png = [cv2.imencode(".png", picture)[1].ravel() for picture in (np.full((SIZE, SIZE, 3), 128, np.uint8), person_png)]
    return rendered_sample(RenderedSample(*png, Camera(np.eye(3), (SIZE, SIZE)), tuple(people)), "made up")


def test_a_rendered_person_s_pixels_are_his_own_though_somebody_is_out_of_sight():
    sample = rendered_people()
    assert len(sample.people) == 2
    for k, person in enumerate(sample.people):
        pixels = sample.visible_px(k)
        x, y = np.round(person.xy_px).astype(int).T
        assert pixels[y, x].all()
        assert pixels.sum() < 0.5 * pixels.size


@pytest.mark.parametrize("which", [0, 1])
def test_others_stand_behind_rendered_people_too(red_people, monkeypatch, which):
    monkeypatch.setattr(company, "IN_FRONT", 0.0)
    sample, came = rendered_people(), 0
    config = AugmentConfig(**STILL, degrade=0.0, occlude=0.0, flip=0.0, scale_sd=0.0, shift_sd=0.0, company=1.0)
    for k in range(20):
        example = make_example(sample, SIZE, np.random.default_rng(k), config, which, Surroundings((), red_people))
        red = example.rgb[..., 0] > 192
        x, y = np.round(example.person.xy_px).astype(int).T
        assert not red[y, x].any()
        assert (example.person.trust == 1).all()
        came += red.any()
    assert came > 12


def test_a_rendered_person_s_mask_is_decoded_for_company_alone_and_takes_nobody_out_of_his_room(red_people):
    def decode(k):
        raise AssertionError("decoded")

    sample = rendered_people()
    still = AugmentConfig(**STILL, degrade=0.0, occlude=0.0, elsewhere=1.0)
    around = Surroundings(GREEN, red_people)
    example = make_example(replace(sample, visible_px=decode), 64, np.random.default_rng(0), still, 0, around)
    assert not (example.rgb == (0, 255, 0)).all(axis=2).any()
    with pytest.raises(AssertionError, match="decoded"):
        make_example(replace(sample, visible_px=decode), 64, np.random.default_rng(0), replace(still, company=1.0), 0, around)
