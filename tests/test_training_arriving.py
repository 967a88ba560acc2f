"""Shards of rendered people that come while a training runs."""

import numpy as np
import pytest

from posecore.camera import Camera
from posecore.errors import ConfigError, InputError
from tests.test_held_out import write_backgrounds
from tests.test_training_data import STILL, make_sample, random_person
from training import rendered
from training.lift_task import LiftLesson, LiftTask
from training.pose_task import PoseLesson
from training.rendered import ArrivingShards
from training.runs import DataFolders, LiftRun, PoseRun, crop_samples, lift_lessons, make_trainer, scene_maker
from training.scenes import SceneConfig, SceneShares
from training.synthetic.rendered import JOINTS, PersonLabel, ShardWriter, load_rendered
from training.synthetic.stills import StillMix

CAMERA = Camera(np.array([[100.0, 0, 32], [0, 100.0, 32], [0, 0, 1]]), (64, 64))


def write(path, seed):
    """A shard of one picture, told by its seed."""
    rng, writer = np.random.default_rng(seed), ShardWriter()
    xyz = rng.normal([0, 0, 4], [0.3, 0.5, 0.2], (len(JOINTS), 3))
    person = PersonLabel(rng.uniform(5, 60, (len(JOINTS), 2)), xyz, np.full(len(JOINTS), 3, np.uint8), 1.7)
    writer.add(np.full((64, 64, 3), 10 * seed, np.uint8), 90, CAMERA, [person], np.ones((64, 64), np.uint8))
    writer.save(path, seed)


def drawn(maker, count=60):
    rng = np.random.default_rng(0)
    return {maker(rng).key for _ in range(count)}


@pytest.fixture
def at_once(monkeypatch):
    """A look at every sample."""
    monkeypatch.setattr(rendered, "LOOK_S", -1.0)


def test_a_shard_is_taken_up_when_it_is_there(tmp_path, at_once):
    write(tmp_path / "a.npz", 1)
    maker = ArrivingShards(tmp_path)
    assert drawn(maker) == {"a.npz:0"}
    write(tmp_path / "b.npz", 2)
    assert drawn(maker) == {"a.npz:0", "b.npz:0"}


def test_between_two_looks_nothing_is_read(tmp_path):
    write(tmp_path / "a.npz", 1)
    maker = ArrivingShards(tmp_path)
    drawn(maker, 1)
    write(tmp_path / "b.npz", 2)
    assert drawn(maker) == {"a.npz:0"}


def test_half_a_shard_waits_until_it_is_whole_and_what_stays_broken_is_named(tmp_path, at_once):
    write(tmp_path / "a.npz", 1)
    write(tmp_path / "b.npz", 2)
    whole = (tmp_path / "b.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable"):
        load_rendered(tmp_path / "b.npz")
    maker, rng = ArrivingShards(tmp_path), np.random.default_rng(0)
    assert maker(rng).key == "a.npz:0"
    (tmp_path / "b.npz").write_bytes(whole)
    assert drawn(maker) == {"a.npz:0", "b.npz:0"}
    (tmp_path / "c.npz").write_bytes(whole[:100])
    maker(rng)
    with pytest.raises(InputError, match=r"c\.npz"):
        maker(rng)


def test_without_any_shard_a_training_cannot_start(tmp_path):
    with pytest.raises(InputError, match="no shard has arrived"):
        ArrivingShards(tmp_path)(np.random.default_rng(0))


def test_shards_that_are_given_are_drawn_without_asking_for_a_share(tmp_path):
    write(tmp_path / "a.npz", 1)
    photo = make_sample(random_person(0))
    stored = crop_samples(tmp_path, DataFolders(people="", rendered=str(tmp_path)))[0]
    task = LiftTask([photo, *stored], [], LiftLesson(size_px=64))
    rng = np.random.default_rng(0)
    assert {task.mix.draw(rng).source for _ in range(40)} == {"ccp", "rendered"}
    assert set(LiftTask([photo], [], LiftLesson()).mix.shares) == {"ccp"}


def test_a_run_reads_them_as_one_source_or_as_a_maker(tmp_path):
    write(tmp_path / "a.npz", 1)
    stored = DataFolders(people="", coco="", backgrounds="", rendered=str(tmp_path))
    coming = DataFolders(people="", coco="", backgrounds="", rendered=str(tmp_path), arriving=True)
    assert [len(crop_samples(tmp_path, data)[0]) for data in (stored, coming)] == [1, 0]
    makers = [lift_lessons(tmp_path, data, LiftLesson())[1].makers for data in (stored, coming)]
    assert [list(m) for m in makers] == [[], ["rendered"]]


def test_a_detector_takes_up_shards_too(tmp_path, at_once):
    write_backgrounds(tmp_path / "backgrounds", [f"{k}.jpg" for k in range(9)])
    write(tmp_path / "shards" / "a.npz", 1)
    data = DataFolders(people="", coco="", rendered="shards", arriving=True)
    lesson = PoseLesson(scene=SceneConfig(size_px=32, shares=SceneShares(0, 0, 0, 1), close_up=0.0, augment=STILL))
    maker = scene_maker(tmp_path, data, crop_samples(tmp_path, data)[0], lesson)
    write(tmp_path / "shards" / "b.npz", 20)  # far brighter
    levels = [maker.make(np.random.default_rng(k)).rgb.max() for k in range(20)]
    assert min(levels) < 60
    assert max(levels) > 150
    stored = DataFolders(people="", coco="", rendered="shards")
    other = scene_maker(tmp_path, stored, crop_samples(tmp_path, stored)[0], lesson)
    for k in range(4):  # the same shards, the same scenes
        np.testing.assert_array_equal(*(m.make(np.random.default_rng(k)).rgb for m in (maker, other)))


@pytest.mark.parametrize(
    ("run", "data", "word"),
    [
        (PoseRun, {"assets": "pack"}, r"data\.assets"),
        (PoseRun, {"mpi_inf_3dhp": "mpi"}, r"data\.mpi_inf_3dhp"),
        (LiftRun, {"arriving": True}, r"data\.rendered"),
        (LiftRun, {"live": StillMix()}, r"data\.assets"),
        (PoseRun, {"arriving": True}, r"data\.rendered"),
    ],
)
def test_data_that_a_run_would_not_use_are_refused_before_anything_is_read(tmp_path, run, data, word):
    with pytest.raises(ConfigError, match=word) as error:
        make_trainer(run(data=DataFolders(**data)), tmp_path, tmp_path / "run", None, workers=0)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
