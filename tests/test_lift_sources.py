"""Sources of the lifter beyond the people photos, from the data folder to the batch: MPI-INF-3DHP, 2D photos, a renderer."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from apps.evaluate import main as evaluate
from lift3d.lifter import Lifter
from lift3d.network import LiftConfig, VNectResNet18
from posecore.camera import Camera, camera_to_image
from posecore.config import override_from_words
from posecore.errors import InputError
from posecore.weights import save_weights
from tests.mpi_made_up import write_masks, write_sequence, write_test_sequence
from tests.test_training_data import make_sample, random_person
from training.augment import AugmentConfig
from training.cards import rights, write_weights
from training.coco import liftable_people
from training.held_out import is_held_out
from training.lift_task import LiftLesson, LiftTask, MoreLessons, SourceShares
from training.loop import LoopConfig
from training.mix import SourceMix
from training.pose_task import PoseLesson, PoseTask
from training.rendered import rendered_sample
from training.runs import LIVE_MIX, RUNS, DataFolders, LiftRun, lift_lessons, make_trainer
from training.samples import PersonLabel, Sample
from training.scenes import SceneConfig, SceneMaker, SceneShares
from training.synthetic.labels import Visibility
from training.synthetic.rendered import JOINTS, RenderedSample
from training.synthetic.rendered import PersonLabel as RenderedPerson

SMALL = LiftConfig(width=8, channels=16, input_px=64)
WHOLE = AugmentConfig(upright=0.7, half=0.25, company=0.45)  # no borders, beyond which labels are guesses
LESSON = LiftLesson(size_px=64, easy_samples=0, augment=WHOLE, network=SMALL)
LOOP = LoopConfig(samples=4, batch=2, warmup_steps=1, threads=1, log_every_s=0.0, evaluate_every=1000)


@pytest.fixture(scope="module")
def mpi(tmp_path_factory):
    """A data folder with MPI-INF-3DHP alone, and a background."""
    root = tmp_path_factory.mktemp("data")
    write_sequence(root / "mpi" / "S2" / "Seq2", cameras=(1,))
    write_masks(root / "mpi" / "S2" / "Seq2", camera=1)
    (root / "backgrounds").mkdir()
    name = next(f"{k}.jpg" for k in range(99) if not is_held_out(f"{k}.jpg"))
    cv2.imwrite(str(root / "backgrounds" / name), np.full((90, 120, 3), 77, np.uint8))
    return root


def test_a_lifter_trains_on_mpi_inf_3dhp_alone(mpi, tmp_path):
    run = LiftRun(LOOP, DataFolders(people="", coco="", mpi_inf_3dhp="mpi"), LESSON)
    trainer = make_trainer(run, mpi, tmp_path, None, workers=0)
    assert [s.source for s in trainer.task.mix.by_source["mpi_inf_3dhp"]] == ["mpi_inf_3dhp"] * 6
    assert len(trainer.task.around.pictures) == 1
    batch = next(iter(trainer.task.batches(LOOP, 0)))
    assert (batch["xyz_weight"] == 1).all()
    assert batch["heat"].sum(dim=(2, 3)).max() == pytest.approx(1, abs=1e-4)
    terms = trainer._one_step(batch)
    assert np.isfinite(terms["total"])


def test_the_published_network_trains_by_its_name_and_its_weights_lift(mpi, tmp_path):
    lesson = LiftLesson(size_px=64, network=LiftConfig(name="vnect_resnet50", input_px=64))
    run = LiftRun(replace(LOOP, samples=2), DataFolders(people="", coco="", mpi_inf_3dhp="mpi"), lesson)
    trainer = make_trainer(run, mpi, tmp_path, None, workers=0)
    batch = next(iter(trainer.task.batches(run.loop, 0)))
    assert {"bone", "length", "heat", "location"} <= set(trainer._one_step(batch))
    (path,) = write_weights(run, trainer, {}, "made up")
    lifter = Lifter(path, mirror=False)
    assert lifter.maps(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 6, 21, 8, 8)


def test_its_test_set_is_measured_while_training_and_by_the_command(mpi, tmp_path, capsys):
    pytest.importorskip("h5py", reason="the extra `test` is not installed")
    write_test_sequence(mpi / "mpi" / "TS1", frames=2, invalid=())
    run = LiftRun(LOOP, DataFolders(people="", coco="", mpi_inf_3dhp="mpi"), LESSON)
    task = make_trainer(run, mpi, tmp_path / "run", None, workers=0).task
    assert [s.key for s in task.val] == ["TS1/000001"]

    state = {k: v.numpy() for k, v in VNectResNet18(SMALL).state_dict().items()}
    save_weights(tmp_path / "w.safetensors", state, {"network": "vnect_resnet18", "config": asdict(SMALL)})
    command = ["lift3d", "--set", "mpi_inf_3dhp", "--data", str(mpi / "mpi"), "--weights", str(tmp_path / "w.safetensors")]
    assert evaluate(command) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == figures["TS1_frames"] == 2
    for name in ("mpjpe_mm", "pa_mpjpe_mm", "pck3d_percent", "auc_percent"):
        assert {name, f"TS1_{name}", f"real_{name}", f"real_TS1_{name}"} <= set(figures)
    assert 0 < figures["pa_mpjpe_mm"] < 2000
    assert evaluate([*command[:4], str(tmp_path)]) == 2
    assert "TS1..TS6" in capsys.readouterr().err


def test_only_people_large_and_labelled_enough_are_lifted():
    good, small, bare = random_person(0), random_person(1, size=40.0), random_person(2)
    bare.trust[7:] = 0
    sample = Sample("x", "coco", (200, 200), (good, small, bare), make_sample(good).read, True)
    (kept,) = liftable_people([sample, Sample("y", "coco", (9, 9), (small,), make_sample(small).read)])
    assert kept.people == (good,)
    assert not kept.complete  # somebody in it is not labelled any more


def test_photos_in_2d_only_give_no_depth_loss():
    flat = PersonLabel(**{**asdict(random_person(3)), "trust_xyz": np.zeros(26, np.float32)})
    sample = Sample("x", "coco", (200, 200), (flat,), make_sample(flat).read)
    task = LiftTask([sample], [], LiftLesson(size_px=64, shares=SourceShares(coco=1.0), network=SMALL))
    batch = {k: torch.from_numpy(v)[None] for k, v in task.make(0, np.random.default_rng(0)).items()}
    torch.manual_seed(0)
    network = VNectResNet18(SMALL)
    task.loss(network, batch)["total"].backward()
    last = network.head[-1].weight.grad.view(6, 21, -1)
    assert last[0].abs().max() > 0
    assert last[1:].abs().max() == 0


def test_a_maker_is_a_source_like_the_others():
    made = make_sample(random_person(4))
    stored = Sample("stored", "ccp", (200, 200), (random_person(5),), made.read)
    mix = SourceMix([stored], {"ccp": 1.0, "live": 3.0, "lspet": 1.0}, {"live": lambda rng: made})
    rng = np.random.default_rng(0)
    drawn = [mix.draw(rng) is made for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.06)
    assert all(mix.draw(rng, without="ccp") is made for _ in range(5))
    only = SourceMix([], {"live": 1.0}, {"live": lambda rng: made})
    assert only.draw(rng, without="live") is made  # nothing else is there


def test_a_card_names_what_the_weights_were_made_from():
    assert "MPI-INF-3DHP (research only)" in rights({"ccp", "mpi_inf_3dhp"})
    plain = rights({"live"})
    assert "rendered people" in plain
    assert "photo sets" not in plain
    assert "3DHP" not in plain
    assert "(Clothing Co-Parsing)" in rights({"ccp", "rendered"})


@pytest.mark.parametrize("company", [0.0, 0.5])
def test_of_a_lifter_only_what_is_drawn_is_in_its_card(company):
    photos = [
        replace(make_sample(replace(random_person(k), mask={})), source=s) for k, s in enumerate(("ccp", "lspet", "coco"))
    ]
    shares = SourceShares(ccp=0.0, sports=1.0, lspet=1.0, coco=0.0)
    lesson = replace(LESSON, shares=shares, augment=AugmentConfig(company=company))
    task = LiftTask(photos, [], lesson, more=MoreLessons(makers={"live": lambda rng: photos[0]}))
    assert task.sources() == {"lspet", "live", *(["ccp"] if company else [])}


@pytest.mark.parametrize(
    ("shares", "drawn"),
    [
        (SceneShares(1, 0, 0, 0), {"ccp"}),  # of sports there is no mask
        (SceneShares(0, 1, 0, 1), {"ccp", "sports", "rendered"}),
        (SceneShares(0, 0, 1, 0), {"coco"}),
    ],
)
def test_of_a_detector_only_what_is_drawn_is_in_its_card(shares, drawn):
    whole = replace(make_sample(replace(random_person(1), mask={})), source="ccp")
    bare, scene, rendered = (replace(make_sample(random_person(2)), source=s) for s in ("sports", "coco", "rendered"))
    maker = SceneMaker([whole, bare], [scene], [rendered], [], SceneConfig(shares=shares))
    assert PoseTask(maker, [], PoseLesson()).sources() == drawn


def test_an_asset_pack_that_is_none_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="asset pack") as error:
        lift_lessons(tmp_path, DataFolders(backgrounds="", assets="nothing"), LiftLesson())
    assert "\n" not in str(error.value)


def test_people_rendered_on_the_fly_show_what_the_settings_say(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("training.live.LiveStudio", lambda assets, mix: made.append((assets, mix)))
    words = ["data.assets=pack", "data.coco=''", "data.live.bare=1", "data.live.pose.balancing=0.7"]
    for data in (DataFolders(coco="", assets="pack"), override_from_words(RUNS["lift3d"], words).data):
        lift_lessons(tmp_path, data, LiftLesson())
    assert made[0] == (tmp_path / "pack", LIVE_MIX)
    assert made[1][1] == replace(LIVE_MIX, bare=1.0, pose=replace(LIVE_MIX.pose, balancing=0.7))


WORKER = """
import sys
from pathlib import Path
from training.augment import AugmentConfig
from training.lift_task import LiftLesson, LiftTask, MoreLessons, SourceShares
from training.live import LiveStudio
from training.loop import LoopConfig
from training.synthetic.stills import StillMix
studio = LiveStudio(Path(sys.argv[1]), StillMix(size_px=96))
lesson = LiftLesson(size_px=64, shares=SourceShares(live=1.0), augment=AugmentConfig())
task = LiftTask([], [], lesson, 1, MoreLessons(makers={"live": studio}))
batch = next(iter(task.batches(LoopConfig(batch=2, samples=4), 0)))
print(float(batch["xyz_weight"].min()), float(batch["rgb"].float().std()) > 5, studio._studio is None)
"""


def test_people_are_rendered_in_the_worker_that_draws_them(shared_data):
    pytest.importorskip("moderngl", reason="rendering needs moderngl")
    root = Path(__file__).resolve().parents[1]
    words = [sys.executable, "-c", WORKER, str(shared_data / "synthetic_assets")]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    if "EGL" in done.stderr:
        pytest.skip("no OpenGL here")
    assert done.stdout.split() == ["1.0", "True", "True"], done.stderr


def test_makers_need_no_samples():
    more = MoreLessons(makers={"live": lambda rng: make_sample(random_person(6))})
    assert LiftTask([], [], LESSON, more=more).make(0, np.random.default_rng(1))["rgb"].shape == (64, 64, 3)


def test_of_a_rendered_person_nearly_all_behind_another_only_the_box_is_known():
    """The subject is learnt as rendered; the lifter draws nobody of whom less is known than the subject."""
    camera = Camera(np.array([[100.0, 0, 32], [0, 100.0, 32], [0, 0, 1]]), (64, 64))
    xyz = np.random.default_rng(0).normal([0, 0, 4], [0.4, 0.8, 0.2], (len(JOINTS), 3))
    code = np.full(len(JOINTS), Visibility.VISIBLE, np.uint8)
    half, most = (np.where(np.arange(26) < n, Visibility.BEHIND_OTHER, code).astype(np.uint8) for n in (13, 20))
    rgb, png = (cv2.imencode(".png", np.zeros((64, 64, n), np.uint8))[1].ravel() for n in (3, 1))
    people = tuple(RenderedPerson(camera_to_image(xyz, camera), xyz, seen, 1.7) for seen in (code, half, most))
    sample = rendered_sample(RenderedSample(rgb, png, camera, people), "made up")
    assert [sorted(set(p.trust.tolist())) for p in sample.people] == [[1.0], [0.5, 1.0], [0.0]]
    task = LiftTask([sample], [], replace(LESSON, shares=SourceShares(rendered=1.0)))
    known = [(task.example(k, np.random.default_rng(k)).person.trust > 0).sum() for k in range(12)]
    assert min(known) > 0
