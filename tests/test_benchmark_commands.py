"""The benchmarks' command lines: what is wrong ends in one line before anything long, kept figures are those asked for."""

import json

import numpy as np
import pytest

from benchmarks import ablation, crossing, fitting, fitting_pictures, heads, starting_losses, tracking
from benchmarks.tracking import follow, in_sight
from posecore.track_metrics import score_tracks
from tests.people2d import upright
from training.synthetic.labels import Visibility

ABLATION = ["--data", "nowhere", "--rendered", "nowhere", "--rendered-test", "nowhere", "-o", "runs"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("benchmark", "words", "told"),
    [
        (fitting, ["accuracy", "acuracy"], "unknown part 'acuracy'; there are accuracy, causal"),
        (fitting, ["accuracy", "--assets", "nowhere"], "no motion.npz in 'nowhere'"),
        (fitting_pictures, ["--assets", "nowhere", "-o", "."], "no motion.npz in 'nowhere'"),
        (fitting_pictures, ["--assets", "nowhere", "-o", "no/folder"], "no folder 'no/folder'"),
        (tracking, ["nowhere.truth.npz"], "nowhere.truth.npz: no truth"),
        (tracking, ["other.npz"], "other.npz: no truth"),
        (crossing, ["nowhere.mp4"], "nowhere.truth.npz: no truth"),
        (crossing, ["there.mp4"], "there.mp4"),
        (starting_losses, ["--data", "nowhere", "-o", "runs"], "people.json.gz"),
        (heads, ["--data", "nowhere", "-o", "runs"], "people.json.gz"),
        (ablation, ABLATION, "people.json.gz"),
        (ablation, [*ABLATION, "--rows", "photos,bothe"], "unknown row 'bothe' in --rows; there are photos, rendered"),
    ],
)
def test_what_a_benchmark_lacks_is_one_line_and_exit_code_2(benchmark, words, told, elsewhere, monkeypatch, capsys):
    np.savez(elsewhere / "other.npz", xy_px=np.zeros(3))
    np.savez(elsewhere / "there.truth.npz", xy_px=np.zeros((1, 1, 21, 2)), visibility=np.zeros((1, 1, 21), np.uint8))
    monkeypatch.setattr(crossing, "load_networks", lambda settings: pytest.fail("something long"))
    assert benchmark.main(words) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def finished(folder, figures, options):
    folder.mkdir(parents=True)
    (folder / "figures.json").write_text(json.dumps({**figures, **({"options": options} if options else {})}))


def test_heads_keeps_figures_of_the_same_options_only(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(heads, "FROM_IMAGENET", {"resnet18": False})
    monkeypatch.setattr(heads, "train_head", lambda *words: pytest.fail("trained"))
    words = ["--data", "data", "-o", "runs"]
    options = heads.made_with(type("", (), {"samples": 6000, "size": 128, "data": elsewhere / "data"}))
    for k in range(len(heads.HEADS)):
        finished(elsewhere / "runs" / f"resnet18_{k}", {"pck20": [0.1, 0.2, 0.3, 0.4], "pck10": 0.1, "cpu_s": 1}, options)
    assert heads.main(words) == 0
    table = (elsewhere / "runs" / "table.md").read_text()
    capsys.readouterr()
    for changed, told in (("--samples", "samples 6000 there, 64 wanted"), ("--size", "size 128 there, 64 wanted")):
        assert heads.main([*words, changed, "64"]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1
    assert heads.main(["--data", "others", "-o", "runs"]) == 2
    assert (elsewhere / "runs" / "table.md").read_text() == table


def test_ablation_keeps_figures_of_the_same_options_only_whether_done_or_begun(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "train_row", lambda *words: pytest.fail("trained"))
    options = ablation.made_with(ablation.make_parser().parse_args(ABLATION))
    finished(elsewhere / "runs" / "photos", dict.fromkeys(ablation.COLUMNS, 1.0), options)
    assert ablation.main([*ABLATION, "--rows", "photos"]) == 0
    assert ablation.main([*ABLATION, "--rows", "photos", "--samples", "99"]) == 2
    assert "samples 6000 there, 99 wanted" in capsys.readouterr().err
    ablation.begin(elsewhere / "runs" / "both", options)
    assert ablation.main([*ABLATION, "--rows", "both", "--size", "64"]) == 2
    assert "size 128 there, 64 wanted" in capsys.readouterr().err
    finished(elsewhere / "runs" / "unread", dict.fromkeys(ablation.COLUMNS, 1.0), None)
    assert ablation.main([*ABLATION, "--rows", "photos,unread"]) == 2
    assert "older and does not tell its options" in capsys.readouterr().err


def still_clip(people=3, frames=240):
    """People who stand side by side in full sight, as a rendered clip's truth has them."""
    places = np.stack([upright(100 + 150 * k, 200, 150.0) for k in range(people)])
    xy = np.full((people, frames, 21, 2), np.nan)
    xy[:, :, :18] = places[:, None]
    xy[:, :, 18:] = places[:, None, :1]
    time = np.arange(frames)
    return {"frame": time, "time_s": time / 30, "xy_px": xy, "visibility": np.full((people, frames, 21), Visibility.VISIBLE)}


@pytest.mark.parametrize(("missed", "recall"), [(0.0, 1.0), (0.5, 0.5)])
def test_who_is_not_detected_is_missed(missed, recall, monkeypatch):
    """With every second person missed no tracker has them all, whatever it does with the rest: F1 of half is two thirds."""
    monkeypatch.setattr(tracking, "MISSED", missed)
    monkeypatch.setattr(tracking, "FOUND_SHARE", np.ones(4))
    scores = score_tracks(follow(still_clip(), 1, 0))
    assert scores.idf1 == pytest.approx(2 * recall / (1 + recall), abs=0.02)
    assert scores.missed == pytest.approx((1 - recall) * 3 * 240, abs=40)
    assert scores.false == 0


def test_who_is_hidden_but_for_a_few_joints_need_not_be_found():
    visibility = np.full((4, 21), Visibility.BEHIND_OTHER)
    for person, shown in enumerate((5, 6, 8, 21)):
        visibility[person, :shown] = Visibility.BEHIND_SELF
    assert in_sight(visibility).tolist() == [False, True, True, True]
    truth = {"xy_px": still_clip(4, 1)["xy_px"], "visibility": visibility[:, None]}
    assert crossing.scores(truth, [(0, [], [])])["missed"] == 3
