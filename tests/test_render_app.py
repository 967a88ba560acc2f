"""The rendering command: a clip with its truth, shards of stills, and bad input in one line."""

import av
import numpy as np
import pytest

from apps.render import main
from posecore.camera import Camera, camera_to_image
from training.rendered import load_rendered_samples


@pytest.fixture
def assets(shared_data):
    pytest.importorskip("moderngl", reason="rendering needs moderngl")
    from posecore.errors import MissingDependencyError
    from training.synthetic.renderer import Renderer

    try:
        Renderer()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    return ["--assets", str(shared_data / "synthetic_assets")]


def test_a_clip_of_two_people_comes_with_truth_that_reprojects(assets, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["clip", "--seconds", "0.6", "--fps", "5", "--people", "2", "--size", "96x64", *assets]) == 0
    video, truth = (tmp_path / line for line in capsys.readouterr().out.split())
    assert video == tmp_path / "rendered.mp4"
    with av.open(str(video)) as container:
        assert len(list(container.decode(video=0))) == 3
    with np.load(truth) as stored:
        assert stored["xyz_m"].shape == (2, 3, 21, 3)
        projected = camera_to_image(stored["xyz_m"], Camera(stored["K_px"], (96, 64)))
        assert np.abs(projected - stored["xy_px"]).max() < 0.1


@pytest.mark.parametrize("arms", [[], ["--free-arms", "1"]])
def test_stills_become_training_samples(arms, assets, tmp_path, capsys):
    assert main(["stills", "--count", "2", "--size", "64", "--part", "test", "-o", str(tmp_path), *arms, *assets]) == 0
    (shard,) = capsys.readouterr().out.split()
    samples = load_rendered_samples(tmp_path)
    assert [s.read().shape for s in samples] == [(64, 64, 3)] * 2
    assert shard == str(tmp_path / "test_0_0000.npz")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["clip", "--size", "96"], "WxH"),
        (["clip", "--seconds", "0"], "--seconds"),
        (["stills", "--count", "0", "-o", "x"], "--count"),
        (["stills", "--count", "1", "--free-arms", "1.5", "-o", "x"], "--free-arms"),
        (["stills", "--count", "1", "--in-line", "-1", "-o", "x"], "--in-line"),
        (["stills", "--count", "1", "--folded", "0.9", "-o", "x"], "--free-arms"),
        (["clip", "--assets", "nothing_here"], "asset pack"),
    ],
)
def test_bad_input_is_one_clear_line(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDEO3D_ASSETS", raising=False)
    assert main(words) != 0
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
