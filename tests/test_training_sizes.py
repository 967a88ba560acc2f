"""What a run trains at is what its card tells; sizes that a network cannot take are refused before a run."""

import pytest

from lift3d.lifter import NETWORKS, Lifter
from posecore.config import override_from_words
from posecore.errors import ConfigError
from tests.test_training_data import write_people
from training.cards import write_weights
from training.lift_task import LiftLesson
from training.runs import RUNS, check, make_trainer

SMALL_NETWORKS = {
    "lift3d": ["lesson.size_px=64", "lesson.network.width=8"],
    "shared": ["lesson.lift.size_px=64", "lesson.lift.network.width=8", "lesson.pose.width=8"],
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [160, 288])
def test_a_lifter_s_crop_is_of_the_size_that_it_was_trained_at(name, size):
    run = override_from_words(RUNS["lift3d"], [f"lesson.network.name={name}", f"lesson.size_px={size}"])
    check(run)
    assert run.lesson.settled_network().input_px == size
    check(override_from_words(run, [f"lesson.network.input_px={size}"]))
    assert LiftLesson().settled_network().input_px == LiftLesson().size_px


@pytest.mark.parametrize("network", ["lift3d", "shared"])
def test_a_card_tells_the_size_that_was_trained_at(tmp_path, network):
    write_people(tmp_path / "people")
    run = override_from_words(RUNS[network], ["data.coco=''", *SMALL_NETWORKS[network]])
    trainer = make_trainer(run, tmp_path, tmp_path / "run", None, workers=0)
    assert Lifter(write_weights(run, trainer, {}, "made up")[0]).input_px == 64


@pytest.mark.parametrize(
    ("network", "words", "expected"),
    [
        ("lift3d", ["lesson.size_px=150"], "multiple of 32"),
        ("lift3d", ["lesson.size_px=0"], "multiple of 32"),
        ("lift3d", ["lesson.network.name=vnect_resnet50", "lesson.size_px=360"], "multiple of 16"),
        ("lift3d", ["lesson.network.input_px=256"], r"lesson\.network\.input_px=256 .* lesson\.size_px=160"),
        ("shared", ["lesson.lift.size_px=150"], r"lesson\.lift\.size_px=150"),
        ("shared", ["lesson.lift.network.input_px=256"], r"lesson\.lift\.network\.input_px=256"),
        ("pose2d", ["lesson.scene.size_px=150"], r"lesson\.scene\.size_px=150: openpose_light"),
        ("openpose_vgg19", ["lesson.scene.size_px=365"], "multiple of 8"),
    ],
)
def test_a_size_that_does_not_fit_is_one_clear_line(tmp_path, network, words, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        make_trainer(override_from_words(RUNS[network], words), tmp_path, tmp_path / "run", None, workers=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("network", "words"), [("lift3d", ["lesson.network.name=vnect_resnet50", "lesson.size_px=368"]), ("openpose_vgg19", [])]
)
def test_published_sizes_are_taken(network, words):
    check(override_from_words(RUNS[network], words))


def test_a_refused_run_leaves_the_settings_of_the_one_before_in_its_folder(tmp_path):
    write_people(tmp_path / "people")
    run = override_from_words(RUNS["lift3d"], ["data.coco=''", *SMALL_NETWORKS["lift3d"]])
    make_trainer(run, tmp_path, tmp_path / "run", None, workers=0)
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(ConfigError, match="freeze_blocks"):
        make_trainer(override_from_words(run, ["loop.freeze_blocks=3"]), tmp_path, tmp_path / "run", None, workers=0)
    assert (tmp_path / "run" / "config.yaml").read_text() == before
