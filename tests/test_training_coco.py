"""COCO folders as training samples: people, crowds and their masks, the official layout."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pose2d.second_look import LOOK
from posecore.errors import InputError
from training import scenes
from training.augment import AugmentConfig
from training.coco import load_coco
from training.held_out import fully_labelled
from training.pose_task import PoseLesson, PoseTask
from training.samples import to_openpose18
from training.scenes import SceneConfig, SceneMaker, SceneShares


def test_coco_crowds_and_unlabelled_people_are_ignored_not_trained(tmp_path):
    keypoints = [20 + k % 5 for k in range(51)]
    keypoints[2::3] = [2] * 17
    raw = {
        "images": [{"id": 7, "file_name": "x.png", "width": 50, "height": 40}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [5, 5, 30, 30], "num_keypoints": 17, "keypoints": keypoints},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "num_keypoints": 0, "keypoints": [0] * 51},
            {
                "id": 3,
                "image_id": 7,
                "category_id": 1,
                "bbox": [1, 2, 3, 4],
                "num_keypoints": 5,
                "keypoints": keypoints,
                "iscrowd": 1,
            },
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(raw))
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((40, 50, 3), np.uint8))
    (sample,) = load_coco(tmp_path / "labels.json", tmp_path)
    assert len(sample.people) == 1
    assert sample.ignored_box_xyxy_px == ((0, 0, 9, 9), (1, 2, 4, 6))
    assert sample.read().shape == (40, 50, 3)


CROWD = [10, 20, 40, 20, 10, 60]  # a triangle: half of its box


def coco_with_masks(folder, crowd):
    """A picture of 100 x 80 px with a learnable person, one of four joints and a crowd, all with masks."""
    keypoints = [value for k in range(17) for value in (60 + 2 * k, 10 + 4 * k, 2)]
    few = [value for k in range(17) for value in ((4 + k // 4, 4 + k // 4, 2) if k < 4 else (0, 0, 0))]
    people = [
        {
            "bbox": [55, 5, 40, 70],
            "keypoints": keypoints,
            "num_keypoints": 17,
            "segmentation": [[55, 5, 95, 5, 95, 75, 55, 75]],
        },
        {"bbox": [0, 0, 12, 12], "keypoints": few, "num_keypoints": 4, "segmentation": [[0, 0, 12, 0, 12, 12, 0, 12]]},
        {"bbox": [10, 20, 30, 40], "keypoints": [0] * 51, "num_keypoints": 0, "segmentation": crowd, "iscrowd": 1},
    ]
    raw = {
        "images": [{"id": 7, "file_name": "x.png", "width": 100, "height": 80}],
        "annotations": [{"id": k, "image_id": 7, "category_id": 1, **person} for k, person in enumerate(people, start=1)],
        "categories": [{"id": 1, "name": "person"}],
    }
    folder.mkdir(exist_ok=True)
    (folder / "labels.json").write_text(json.dumps(raw))
    cv2.imwrite(str(folder / "x.png"), np.zeros((80, 100, 3), np.uint8))
    return load_coco(folder / "labels.json", folder)


def run_length_codes():
    """The crowd's triangle as COCO stores it: a polygon, run lengths, run lengths packed into text."""
    from pycocotools import mask

    packed = mask.merge(mask.frPyObjects([CROWD], 80, 100))
    pixels = mask.decode(packed).ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], pixels, [0]])))
    plain = np.diff(np.concatenate([[0], edges, [len(pixels)]])).tolist()
    text = {"size": packed["size"], "counts": packed["counts"].decode()}
    return [[CROWD], {"size": [80, 100], "counts": plain}, text]


@pytest.mark.parametrize("crowd", run_length_codes(), ids=["polygon", "run lengths", "packed"])
def test_crowds_and_small_people_are_ignored_by_their_pixels_whatever_the_encoding(tmp_path, monkeypatch, crowd):
    (sample,) = coco_with_masks(tmp_path / "coco", crowd)
    assert scenes.decode_mask(sample.ignored_mask[0]).sum() == pytest.approx(600, rel=0.1)
    config = SceneConfig(size_px=96, shares=SceneShares(0, 0, 1, 0), height_share=(0.9, 0.9), augment=STILL)
    maker = SceneMaker([], [sample], [], [], config)
    made = (maker.make(np.random.default_rng(seed)) for seed in range(50))
    scene = next(s for s in made if len(s.people) == 1 and s.ignored_px.any())
    assert not len(scene.ignored_box_xyxy_px)
    task = PoseTask(maker, [], PoseLesson(scene=config))
    monkeypatch.setattr(maker, "make", lambda rng: scene)
    unknown = ~task.make(0, np.random.default_rng(0))["heat_known"][0]
    cells = scene.ignored_px.reshape(12, 8, 12, 8).any(axis=(1, 3))
    np.testing.assert_array_equal(unknown, cells)
    assert 0 < cells.sum() < 0.9 * cells.size


STILL = AugmentConfig(rotation_sd_deg=0.0, upside_down=0.0, colour=0.0, degrade=0.0, occlude=0.0)


def test_ignored_pixels_move_with_the_picture(tmp_path):
    """Painting the ignored pixels into the picture itself, they are where the canvas says they are."""
    (sample,) = coco_with_masks(tmp_path / "coco", [CROWD])
    painted = np.any([scenes.decode_mask(m) for m in (sample.ignored_mask[0], sample.people[1].mask)], axis=0)
    rgb = np.repeat(painted[..., None] * np.uint8(255), 3, axis=2)
    sample = replace(sample, read=lambda: rgb)
    config = SceneConfig(size_px=96, shares=SceneShares(0, 0, 1, 0), augment=replace(STILL, rotation_sd_deg=20.0))
    maker = SceneMaker([], [sample], [], [], config)
    seen = 0
    for seed in range(20):
        scene = maker.make(np.random.default_rng(seed))
        np.testing.assert_array_equal(scene.rgb[..., 0] > 0, scene.ignored_px)
        seen += bool(scene.ignored_px.any())
    assert seen > 10


def test_a_close_up_shows_a_person_as_the_second_look_does(tmp_path):
    (sample,) = coco_with_masks(tmp_path / "coco", [CROWD])
    sample = replace(sample, people=sample.people[:1])
    steady = replace(STILL, scale_sd=0.0, shift_sd=0.0)
    config = SceneConfig(size_px=96, shares=SceneShares(0, 0, 1, 0), augment=steady, close_up=1.0)
    (person,) = SceneMaker([], [sample], [], [], config).make(np.random.default_rng(0)).people
    xy_px, trust = to_openpose18(person)
    low, high = xy_px[trust > 0].min(axis=0), xy_px[trust > 0].max(axis=0)
    assert (high - low).max() == pytest.approx(96 / LOOK.margin, rel=1e-4)
    np.testing.assert_allclose((low + high) / 2, 47.5, atol=1e-3)


def test_cocos_official_layout_is_found_with_its_own_split(tmp_path):
    folder = tmp_path / "coco"
    for split, place in (("train2017", folder / "images" / "train2017"), ("val2017", folder / "val2017")):
        place.mkdir(parents=True)
        (folder / "annotations").mkdir(exist_ok=True)
        keypoints = [value for k in range(17) for value in (20 + k, 30 + k, 2)]
        people = {"bbox": [10, 10, 60, 60], "keypoints": keypoints, "num_keypoints": 17, "category_id": 1}
        raw = {
            "images": [{"id": k, "file_name": f"{split}_{k}.jpg", "width": 90, "height": 90} for k in range(8)],
            "annotations": [{"id": k + 1, "image_id": k, **people} for k in range(8)],
            "categories": [{"id": 1, "name": "person"}],
        }
        (folder / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(raw))
        cv2.imwrite(str(place / f"{split}_0.jpg"), np.full((90, 90, 3), 77, np.uint8))
    for held_out, split in ((False, "train2017"), (True, "val2017")):
        samples = fully_labelled(folder, held_out)
        assert [s.key for s in samples] == [f"{split}_{k}.jpg" for k in range(8)]
        assert samples[0].read()[0, 0, 0] == 77
    with pytest.raises(InputError, match=r"people\.json"):
        fully_labelled(tmp_path, held_out=True)
