"""Finished shards: taken for done only where they show what is asked for."""

import numpy as np
import pytest

from apps.render import main
from posecore.camera import Camera
from posecore.config import to_dict
from posecore.errors import InputError
from training.synthetic.poses import PoseMix
from training.synthetic.rendered import JOINTS, PersonLabel, ShardWriter, load_rendered
from training.synthetic.stills import StillMix, check_finished

NO_CAMERA = Camera(np.array([[100.0, 0, 32], [0, 100.0, 32], [0, 0, 1]]), (64, 64))
ASKED = ["--count", "2", "--size", "64"]


def write_stills(folder, mix, name="train_0_0000.npz", count=2):
    """A shard as `apps/render.py stills` names it, of grey pictures."""
    writer, nobody = ShardWriter(), np.zeros((64, 64), np.uint8)
    joints = np.ones((len(JOINTS), 3))
    person = PersonLabel(joints[:, :2], joints, np.full(len(JOINTS), 3, np.uint8), 1.7)
    for _ in range(count):
        writer.add(np.full((64, 64, 3), 128, np.uint8), 90, NO_CAMERA, [person], nobody)
    writer.save(folder / name, 0, None if mix is None else to_dict(mix))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--bare", "1"], "bare 0.0 there, 1.0 wanted"),
        (["--half", "0.5"], "half 0.0 there"),
        (["--in-line", "1"], "in_line"),
        (["--high", "0.4"], "high 0.0 there, 0.4 wanted"),
        (["--balancing", "1"], "pose.balancing"),
        (["--free-arms", "0.9", "--folded", "0.7"], "pose.folded 0.0 there, 0.7 wanted"),
        (["--size", "96"], "size_px 64 there, 96 wanted"),
        (["--count", "3"], "count 2 there, 3 wanted"),
    ],
)
def test_other_stills_under_a_used_seed_are_refused_and_not_taken_for_done(tmp_path, capsys, words, told):
    write_stills(tmp_path, StillMix(size_px=64))
    assert main(["stills", "-o", str(tmp_path), "--assets", str(tmp_path / "none"), *ASKED, *words]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert "--seed" in error
    assert error.count("\n") == 1


def test_the_same_stills_under_a_used_seed_and_others_under_another_go_on(tmp_path):
    mix = StillMix(size_px=64, pose=PoseMix(balancing=0.3))
    write_stills(tmp_path, mix)
    check_finished(tmp_path, [(0, 2), (1, 2)], 0, "train", mix)
    for seed, part in ((1, "train"), (0, "test")):
        check_finished(tmp_path, [(0, 9)], seed, part, StillMix(bare=1.0))


def test_a_shard_that_does_not_tell_what_it_shows_is_read_but_not_taken_for_done(tmp_path):
    write_stills(tmp_path, None)
    assert len(load_rendered(tmp_path)) == 2
    with pytest.raises(InputError, match="older and does not tell") as error:
        check_finished(tmp_path, [(0, 2)], 0, "train", StillMix(size_px=64))
    assert "\n" not in str(error.value)
