"""Close-ups of half a body: what the detector learns of people before a webcam and at tables, and what it is measured on."""

from dataclasses import replace

import numpy as np
import pytest

from apps.evaluate import main
from posecore.oks import joints_box
from tests.test_held_out import write_backgrounds
from tests.test_training_data import STILL, make_sample, mask_of, random_person
from training.held_out import CLOSE_UP, close_ups, is_held_out
from training.lift_task import LiftLesson
from training.runs import ARTICLES_SCENE, DataFolders, lift_lessons
from training.samples import LABELS
from training.scenes import HALF_SD, HALF_SHARE, HALVES, LOOK, SceneConfig, SceneMaker, SceneShares

SIZE = 96


def standing(seed=4):
    """Somebody whose upper half ends where the lower begins, at the pelvis; taller than wide, each half too."""
    person = random_person(seed)
    upper, lower = HALVES
    person.xy_px[upper, 1] = np.linspace(10, 100, upper.sum())
    person.xy_px[lower, 1] = np.linspace(100, 190, lower.sum())
    person.xy_px[LABELS.root, 1] = 100
    person.xy_px[:, 0] = np.random.default_rng(seed).uniform(80, 120, 26)
    person = replace(person, box_xyxy_px=joints_box(person.xy_px))
    return replace(person, mask=mask_of(person, 200))


def boxes(person):
    """(2, 4): the boxes of the upper and the lower half."""
    return np.array([joints_box(person.xy_px[half]) for half in HALVES])


def half_maker(shares, **config):
    settings = SceneConfig(size_px=SIZE, shares=shares, augment=replace(STILL, half=1.0), people=(0, 1.0), **config)
    return SceneMaker([make_sample(standing())], [], [], [lambda: np.zeros((150, 150, 3), np.uint8)], settings)


def test_composites_of_half_a_body_end_at_the_border():
    maker, shown = half_maker(SceneShares(1, 0, 0, 0)), []
    for seed in range(60):
        for person in maker.make(np.random.default_rng(seed)).people:
            (x0, y0, x1, y1), (u0, v0, u1, v1) = boxes(person)
            shares = np.array([max(x1 - x0, y1 - y0), max(u1 - u0, v1 - v0)]) / SIZE
            off = np.array([y1 - (SIZE - 1), v0]) / SIZE  # of the upper half's lower edge, of the lower half's upper edge
            half = int(np.argmin(np.abs(off)))
            assert abs(off[half]) < 4 * HALF_SD
            assert HALF_SHARE[0] - 0.01 < shares[half] < HALF_SHARE[1] + 0.01
            shown.append(half)
    assert 0 < np.mean(shown) < 0.45  # more upper halves than lower ones


def test_lower_halves_are_learnt_like_upper_ones():
    maker = half_maker(SceneShares(1, 0, 0, 0))
    scenes = [maker.make(np.random.default_rng(seed)) for seed in range(60)]
    ignored = sum(len(scene.ignored_box_xyxy_px) for scene in scenes)
    assert ignored <= 3  # of 60; only whom the jitter of the border leaves fewer than six joints


def test_a_photo_of_half_a_body_is_cut_as_close_as_a_webcam_or_the_second_look():
    maker, cut = half_maker(SceneShares(0, 1, 0, 0), close_up=1.0), []
    for seed in range(30):
        for person in maker.make(np.random.default_rng(seed)).people:
            halves = boxes(person)
            centres = (halves[:, :2] + halves[:, 2:]) / 2
            half = int(np.argmin(np.linalg.norm(centres - (SIZE - 1) / 2, axis=1)))
            np.testing.assert_allclose(centres[half], (SIZE - 1) / 2, atol=1e-3)  # float32 labels
            cut.append(SIZE / (halves[half, 2:] - halves[half, :2]).max())
    assert 1 - 1e-3 < min(cut) < 1.1
    assert 1.4 < max(cut) < LOOK.margin + 1e-3


@pytest.mark.parametrize("shares", [SceneShares(1, 0, 0, 0), SceneShares(0, 1, 0, 0)])
def test_scenes_are_mirrored_as_often_as_the_settings_say(shares):
    person, mirrored = standing(), []
    order = person.xy_px[:, 0] - person.xy_px[0, 0]
    for flip in (0.0, 1.0):
        config = SceneConfig(size_px=SIZE, shares=shares, augment=replace(STILL, flip=flip), people=(0, 1.0))
        maker = SceneMaker([make_sample(person)], [], [], [lambda: np.zeros((150, 150, 3), np.uint8)], config)
        people = [p for seed in range(12) for p in maker.make(np.random.default_rng(seed)).people]
        back = [p.xy_px[LABELS.mirror if flip else slice(None), 0] for p in people]
        mirrored.append([float(order @ (x - x[0])) < 0 for x in back])
    assert not any(mirrored[0])
    assert all(mirrored[1])
    assert min(map(len, mirrored)) > 4


def test_the_article_s_scale_holds_for_every_picture_of_the_article_s_run():
    settings = replace(ARTICLES_SCENE, size_px=SIZE, shares=SceneShares(0, 1, 0, 0), augment=STILL)
    person = replace(standing(), mask=None)
    sample = replace(make_sample(person), size_wh=(2000, 2000))  # a picture large enough for any window
    maker, sides = SceneMaker([sample], [], [], [], settings), []
    for seed in range(60):
        for seen in maker.make(np.random.default_rng(seed)).people:
            low, high = np.split(seen.box_xyxy_px, 2)
            sides.append((high - low).max() / SIZE)
    assert len(sides) > 50
    assert settings.height_share[0] - 1e-3 < min(sides) < 0.35
    assert 0.6 < max(sides) < settings.height_share[1] + 1e-3


def test_close_ups_show_the_upper_half_with_its_joints_where_they_were():
    person = standing()
    sample = make_sample(person)
    (near,) = close_ups([sample])
    rgb, (seen,) = near.read(), near.people
    assert rgb.shape == (near.size_wh[1], near.size_wh[0], 3)
    assert max(near.size_wh) == pytest.approx(CLOSE_UP * 90, abs=1)  # to whole pixels
    assert (seen.trust[HALVES[0]] == 1).all()
    assert (seen.trust == 0).any()  # feet are beyond the border
    shift = person.xy_px - seen.xy_px
    np.testing.assert_allclose(shift, np.broadcast_to(np.round(shift[0]), (26, 2)), atol=1e-4)
    for before, after in zip(person.xy_px[seen.trust > 0].astype(int), seen.xy_px[seen.trust > 0].astype(int), strict=True):
        np.testing.assert_array_equal(rgb[after[1], after[0]], sample.read()[before[1], before[0]])


def test_of_whom_hardly_anything_is_known_there_is_no_close_up():
    person = standing()
    person.trust[np.flatnonzero(HALVES[0])[5:]] = 0
    assert close_ups([make_sample(person)]) == []


def test_close_ups_are_of_the_people_photos(tmp_path, capsys):
    assert main(["pose2d", "--set", "synthetic", "--data", str(tmp_path), "--close-ups"]) == 2
    assert "--set people" in capsys.readouterr().err


@pytest.mark.parametrize("chance", [0.0, 0.3])
def test_the_lifter_gets_the_backgrounds_that_its_lessons_ask_for(tmp_path, chance):
    names = [f"{k}.jpg" for k in range(9)]
    write_backgrounds(tmp_path / "backgrounds", names)
    lesson = LiftLesson()
    lesson = replace(lesson, augment=replace(lesson.augment, elsewhere=chance))
    pictures = lift_lessons(tmp_path, DataFolders(coco=""), lesson)[1].pictures
    assert len(pictures) == (sum(not is_held_out(n) for n in names) if chance else 0)
