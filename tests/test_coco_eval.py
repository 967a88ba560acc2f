import contextlib
import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from apps.evaluate import main
from apps.evaluate_pose2d import evaluate_coco
from posecore.errors import InputError
from posecore.oks import oks
from posecore.skeleton import convert, load_skeleton
from posecore.types import Detection2D
from tests.people2d import upright
from training.coco_eval import (
    SIGMA,
    average_precision,
    coco_dataset,
    coco_from_samples,
    coco_keypoint_ap,
    evaluate_samples,
    matched_pck,
)
from training.samples import LABELS, PersonLabel, Sample

COCO, OPENPOSE = load_skeleton("coco17"), load_skeleton("openpose18")
STATURE_PX = 150.0


def person(x, y):
    return upright(x, y, STATURE_PX)


def dataset(people_per_image, known=None):
    """Annotations of openpose18 people, all joints labelled unless `known` (17,) says otherwise."""
    annotations = []
    for image_id, people in enumerate(people_per_image, start=1):
        for xy in people:
            xy17 = convert(xy, OPENPOSE, COCO)
            v = np.full((17, 1), 2.0) if known is None else 2.0 * known[:, None]
            low, size = xy17.min(axis=0), np.ptp(xy17, axis=0)
            row = {"image_id": image_id, "category_id": 1, "id": len(annotations) + 1, "bbox": [*low, *size]}
            annotations.append(row | {"keypoints": np.concatenate([xy17, v], axis=1).ravel().tolist()})
    images = [{"id": k, "width": 640, "height": 480, "file_name": f"{k}.png"} for k in range(1, len(people_per_image) + 1)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def seen(xy, score=1.0):
    return Detection2D(np.array(xy, dtype=float), np.isfinite(xy[:, 0]).astype(float), person_score=score)


TWO = [[person(100, 100), person(300, 120)], [person(200, 90)]]


def test_the_labels_themselves_score_one_and_nobody_scores_zero():
    perfect = {k: [seen(p) for p in people] for k, people in enumerate(TWO, start=1)}
    figures = coco_keypoint_ap(dataset(TWO), perfect)
    assert figures["AP"] == figures["AP75"] == figures["AR"] == pytest.approx(1)
    assert (figures["people"], figures["found"], figures["pck"], figures["well_found"]) == (3, 1, 1, 1)
    nobody = coco_keypoint_ap(dataset(TWO), {})
    assert nobody["AP"] == nobody["AR"] == nobody["found"] == nobody["pck"] == nobody["pck_found"] == 0


def test_guessed_joints_count_where_they_are_but_make_nobody_surer():
    xy = person(100, 100)
    missing = np.arange(len(xy))[:, None] >= 12  # of openpose18: a hip, a knee, an ankle, the face
    part = seen(np.where(missing, np.nan, xy))
    right, wrong = replace(part, guess_px=xy), replace(part, guess_px=xy + 200)
    truth = dataset([[xy]])
    assert coco_keypoint_ap(truth, {1: [right]})["AP"] == pytest.approx(1)
    assert coco_keypoint_ap(truth, {1: [wrong]})["AP"] == coco_keypoint_ap(truth, {1: [part]})["AP"] < 1
    false = seen(person(400, 300)[:14])
    surer = Detection2D(np.concatenate([false.xy_px, np.full((4, 2), np.nan)]), np.append(false.score, np.zeros(4)))
    assert coco_keypoint_ap(truth, {1: [right, surer]})["AP"] == pytest.approx(0.5)  # 14 joints rank before 12 and 6 guesses


def test_average_precision_is_pycocotools_own():
    from pycocotools.coco import COCO as Index  # noqa: N811
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    truth = coco_dataset(dataset([[person(x, 100) for x in rng.uniform(80, 560, 3)] for _ in range(6)]))
    found = {
        a["image_id"]: [seen(person(*rng.uniform(60, 300, 2)), 0.3)] for a in truth["annotations"]
    }  # one false person each, and every true one, roughly
    rows = []
    for a in truth["annotations"]:
        xy = np.array(a["keypoints"]).reshape(17, 3)[:, :2] + rng.normal(0, 4, (17, 2))
        found[a["image_id"]].append(Detection2D(xy, np.ones(17), "coco17", float(rng.uniform(0.5, 1))))
    for image_id, people in found.items():
        for p in people:
            xy = p.xy_px if p.skeleton == "coco17" else convert(p.xy_px, OPENPOSE, COCO)
            keypoints = np.concatenate([xy, np.ones((17, 1))], axis=1).ravel().tolist()
            rows.append({"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": 17 * p.person_score})
    with contextlib.redirect_stdout(io.StringIO()):
        index = Index()
        index.dataset = truth
        index.createIndex()
        judge = COCOeval(index, index.loadRes(rows), "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    ours = average_precision(truth, found)
    np.testing.assert_allclose(list(ours.values()), judge.stats[:6])
    assert 0.2 < ours["AP"] < 0.95


def test_without_a_detection_the_figures_are_those_of_pycocotools():
    """A false person who is found without any confidence changes no figure of nobody found."""
    large = [[upright(200, 100, 300.0)]]
    false = {1: [seen(person(500, 300), 0.0)]}
    for people in (TWO, large, [[]], [[], large[0]]):
        truth = coco_dataset(dataset(people))
        alone = average_precision(truth, {})
        assert alone == average_precision(truth, false)
    assert (alone["AP"], alone["APM"], alone["APL"], alone["AR"]) == (0, -1, 0, 0)
    assert set(average_precision(coco_dataset(dataset([[]])), {}).values()) == {-1}


def alike(a, b, area):
    return float(oks(convert(a, OPENPOSE, COCO), convert(b, OPENPOSE, COCO), area, SIGMA))


@pytest.mark.parametrize(("off_px", "least", "most", "found"), [(11.0, 0.1, 0.3, 1), (17.0, 0.0, 0.1, 0)])
def test_a_detection_is_about_a_person_from_a_tenth_of_similarity_on(off_px, least, most, found):
    truth = coco_dataset(dataset(TWO[1:]))
    assert least < alike(TWO[1][0], TWO[1][0] + off_px, truth["annotations"][0]["area"]) < most
    assert matched_pck(truth, {1: [seen(TWO[1][0] + off_px)]})["found"] == found


def test_a_person_without_a_labelled_area_fills_just_over_half_of_the_box():
    (annotation,) = coco_dataset(dataset(TWO[1:]))["annotations"]
    assert annotation["area"] == pytest.approx(0.55 * annotation["bbox"][2] * annotation["bbox"][3])


@pytest.mark.parametrize(("wrong", "well"), [(("left_knee", "left_ankle"), 1), (("left_knee", "left_ankle", "right_knee"), 0)])
def test_well_found_is_three_quarters_of_the_labelled_joints(wrong, well):
    known = np.ones(17)
    known[COCO.indices(["left_wrist", "right_wrist"])] = 0  # 10 limb joints are left: 8 are enough, 7 are not
    moved = TWO[1][0].copy()
    moved[OPENPOSE.indices(wrong)] += 60.0
    figures = matched_pck(coco_dataset(dataset(TWO[1:], known)), {1: [seen(moved)]})
    assert figures["pck"] == pytest.approx(1 - len(wrong) / 10)
    assert figures["well_found"] == well


def test_every_joint_counts_the_same_and_crowds_do_not_count():
    """One of 12 labelled joints is not found, another of 8 is: 8 of 20 right, whatever a labelled crowd says."""
    known = np.ones(17)
    known[COCO.indices(["left_wrist", "right_wrist", "left_ankle", "right_ankle"])] = 0
    raw = dataset(TWO[:1])
    few = dataset([TWO[0][1:]], known)["annotations"][0] | {"id": 2}
    crowd = dataset([[person(450, 300)]])["annotations"][0] | {"id": 3, "iscrowd": 1}
    raw["annotations"] = [raw["annotations"][0], few, crowd]
    figures = matched_pck(coco_dataset(raw), {1: [seen(TWO[0][1])]})
    assert (figures["people"], figures["found"]) == (2, 0.5)
    assert figures["pck"] == pytest.approx(8 / 20)


def test_a_false_person_costs_precision_but_no_pck():
    found = {k: [seen(p, 0.5) for p in people] for k, people in enumerate(TWO, start=1)}
    found[2].append(seen(person(500, 300), 0.9))
    figures = coco_keypoint_ap(dataset(TWO), found)
    assert figures["AP"] < 0.9
    assert figures["pck"] == 1


def test_one_of_two_people_found_is_half_the_pck():
    figures = matched_pck(coco_dataset(dataset(TWO[:1])), {1: [seen(TWO[0][1])]})
    assert (figures["found"], figures["pck"], figures["pck_found"], figures["well_found"]) == (0.5, 0.5, 1, 0.5)


def test_one_detection_is_not_two_people():
    near = [[person(100, 100), person(106, 100)]]
    assert matched_pck(coco_dataset(dataset(near)), {1: [seen(near[0][0])]})["found"] == 0.5


def test_joints_beyond_a_fifth_of_the_torso_are_wrong_and_missing_ones_too():
    xy = person(200, 90)
    torso = np.hypot(0.11 + 0.07, 0.31) * STATURE_PX  # shoulder to opposite hip of the figure
    moved = xy.copy()
    moved[OPENPOSE.index("left_wrist")] += (0.21 * torso, 0)
    moved[OPENPOSE.index("right_wrist")] += (0.19 * torso, 0)
    moved[OPENPOSE.index("left_ankle")] = np.nan
    moved[OPENPOSE.indices(["left_knee", "right_knee"])] = np.nan
    figures = matched_pck(coco_dataset(dataset([[xy]])), {1: [seen(moved)]})
    assert figures["pck"] == pytest.approx(8 / 12)
    assert (figures["found"], figures["well_found"]) == (1, 0)


def test_unlabelled_joints_are_ignored_and_a_person_without_torso_is_not_counted():
    known = np.ones(17)
    known[COCO.index("left_wrist")] = 0
    wild = person(200, 90)
    wild[OPENPOSE.index("left_wrist")] = (600, 10)
    assert matched_pck(coco_dataset(dataset(TWO[1:], known)), {1: [seen(wild)]})["pck"] == 1
    known[COCO.index("left_hip")] = 0
    assert matched_pck(coco_dataset(dataset(TWO[1:], known)), {1: [seen(wild)]}) == {"people": 0}


def test_other_keypoints_and_other_images_are_refused():
    other = dataset(TWO) | {"categories": [{"id": 1, "name": "dog", "keypoints": ["nose", "tail"]}]}
    with pytest.raises(InputError, match="17 keypoints"):
        coco_dataset(other)
    with pytest.raises(InputError, match="do not know"):
        average_precision(coco_dataset(dataset(TWO)), {99: [seen(TWO[0][0])]})


class Oracle:
    """Finds the people whose number the picture's colour tells."""

    def __init__(self, people_per_image):
        self._people = people_per_image

    def detect(self, rgb):
        return [seen(p) for p in self._people[int(rgb[0, 0, 0])]]


def sample(source, number, complete):
    xy = convert(TWO[number][0], OPENPOSE, LABELS)
    trust = np.isfinite(xy[:, 0]).astype(np.float32)
    box = np.array([60, 60, 300, 300], dtype=np.float32)
    nothing = np.zeros((26, 3), np.float32), np.zeros(26, np.float32)
    label = PersonLabel(np.nan_to_num(xy).astype(np.float32), trust, *nothing, box)
    colour = np.full((4, 4, 3), number, np.uint8)
    crowd = ((400.0, 10.0, 500.0, 200.0),)
    return Sample(str(number), source, (640, 480), (label,), lambda: colour, complete, crowd)


def test_precision_is_told_only_where_everybody_is_labelled_in_all_pictures():
    figures = evaluate_samples(Oracle(TWO).detect, [sample("films", 0, True), sample("films", 1, False)])
    assert (figures["films_people"], figures["films_pck"]) == (2, 1)
    assert "films_AP" not in figures


def test_samples_of_any_source_are_evaluated_by_source():
    samples = [sample("films", 0, True), sample("photos", 1, False)]
    figures = evaluate_samples(Oracle(TWO).detect, samples)
    assert figures["films_pck"] == figures["photos_pck"] == 1
    assert "photos_AP" not in figures
    assert figures["films_AP"] == pytest.approx(1)
    assert [a["iscrowd"] for a in coco_from_samples(samples)["annotations"]] == [0, 1, 0, 1]


def test_a_coco_folder_is_evaluated_and_problems_are_one_line(tmp_path, capsys):
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 4, 3), number - 1, np.uint8))
    labels = tmp_path / "person_keypoints.json"
    labels.write_text(json.dumps(dataset(TWO), default=float), encoding="utf-8")
    assert evaluate_coco(Oracle(TWO).detect, labels, tmp_path)["AP"] == pytest.approx(1)
    with pytest.raises(InputError, match="--images"):
        evaluate_coco(Oracle(TWO).detect, labels, tmp_path / "nowhere")
    assert main(["pose2d"]) == 2
    assert "--annotations" in capsys.readouterr().err
