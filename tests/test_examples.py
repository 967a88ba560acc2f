"""The numbered examples are the manual, so they run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from apps.video3d import DEMO
from lift3d.lifter import DEFAULT_WEIGHTS as LIFT_WEIGHTS
from pose2d.estimator import DEFAULT_WEIGHTS as DETECT_WEIGHTS
from posecore.video import VideoWriter, read_video

ROOT = Path(__file__).resolve().parents[1]
FRAMES = 16


def run(name: str, *arguments: object) -> str:
    """What an example prints, run from another folder as a user would."""
    done = process(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def process(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error::DeprecationWarning", str(ROOT / "examples" / name), *map(str, arguments)]
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the demo clip."""
    if not all(path.is_file() for path in (DEMO, LIFT_WEIGHTS, DETECT_WEIGHTS)):
        pytest.skip("the demo clip or the weights are not here")
    path = tmp_path_factory.mktemp("examples") / "short.mp4"
    frames = [frame for frame, _ in zip(read_video(DEMO), range(FRAMES), strict=False)]
    with VideoWriter(path, (frames[0].rgb.shape[1], frames[0].rgb.shape[0]), 25.0) as writer:
        for frame in frames:
            writer.write(frame.rgb, frame.time_s)
    return path


def test_one_image(clip: Path) -> None:
    photo = clip.with_suffix(".png")
    cv2.imwrite(str(photo), next(iter(read_video(clip))).rgb[..., ::-1])
    text = run("01_one_image.py", photo)
    assert int(text.split()[0]) >= 1
    assert re.search(r"pelvis .* \+0\.00 \+0\.00 \+0\.00", text), "the pelvis is the origin"


def test_one_clip_then_look_and_export(clip: Path, tmp_path: Path) -> None:
    folder, picture = tmp_path / "short_pose3d", tmp_path / "view.png"
    text = run("02_one_clip.py", clip, folder)
    assert f"in {FRAMES} frames" in text
    assert "pelvis path" in text
    text = run("03_look_and_export.py", folder, picture)
    assert "gravity from: " in text
    assert (folder / "short_person1.bvh").is_file()
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape == (540, 960, 3)


def test_own_skeleton_fit() -> None:
    text = run("04_own_skeleton_fit.py")
    measured, fitted = (int(n) for n in re.search(r"measured (\d+) mm off, fitted (\d+) mm", text).groups())  # type: ignore[union-attr]
    assert fitted < 0.7 * measured
    assert int(re.search(r"camera: fitted (\d+) mm", text).group(1)) < 150  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("01_one_image.py", [], "usage: python examples/01_one_image.py photo.jpg"),
        ("01_one_image.py", ["nowhere.jpg"], "nowhere.jpg: no picture that OpenCV can read"),
        ("01_one_image.py", [__file__], "test_examples.py: no picture that OpenCV can read"),
        ("02_one_clip.py", [], "usage: python examples/02_one_clip.py clip.mp4 result_folder"),
        ("02_one_clip.py", ["nowhere.mp4", "out"], "error: nowhere.mp4: cannot be opened (No such file or directory)"),
        ("03_look_and_export.py", ["one"], "usage: python examples/03_look_and_export.py result_folder picture.png"),
        ("03_look_and_export.py", ["nowhere", "view.png"], "error: nowhere: no such folder"),
        ("04_own_skeleton_fit.py", ["clip.mp4"], "usage: python examples/04_own_skeleton_fit.py"),
    ],
)
def test_an_example_started_wrongly_says_how_in_one_line(name: str, arguments: list[str], words: str) -> None:
    done = process(name, *arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert done.stdout == ""


def test_every_example_is_run_here_and_says_how() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert f'run("{path.name}"' in here, f"{path.name} is run by no test"
        assert f"python examples/{path.name}" in path.read_text(encoding="utf-8"), (
            f"{path.name}: its docstring shows no command"
        )
