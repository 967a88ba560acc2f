"""The trainings, from data folder to weights with their card. What `apps/train.py` calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lift3d.lifter import make_network
from lift3d.network import LiftConfig
from pose2d.estimator import network_of
from pose2d.network import OpenPoseLight, PoseConfig
from pose2d.public_weights import load_published_trunk, read_public
from pose2d.vgg import VGG19_CONFIG, OpenPoseVgg19
from posecore.config import describe
from posecore.errors import ConfigError, InputError
from posecore.weights import load_weights
from training.augment import AugmentConfig
from training.coco import file_reader, liftable_people
from training.held_out import background_files, fully_labelled, held_out_composites
from training.lift_task import LiftLesson, LiftTask, MoreLessons
from training.loop import LoopConfig, Trainer
from training.mix import Maker
from training.mpi_inf_3dhp import has_test_set, load_mpi_inf_3dhp, load_mpi_inf_3dhp_test
from training.people import load_people
from training.pose_task import PoseLesson, PoseTask
from training.pretrained import load_imagenet
from training.rendered import ArrivingShards, load_rendered_samples
from training.samples import Sample
from training.scenes import SceneConfig, SceneMaker
from training.shared import SharedLesson, SharedNetwork, SharedTask, split_shared
from training.synthetic.poses import PoseMix
from training.synthetic.stills import StillMix

IMAGENET = "imagenet"  # the word that stands for published features in place of a file to start from
SIZE_DIVISOR = {"vnect_resnet50": 16, "openpose_vgg19": 8}  # a picture's side is a multiple of it; 32 for the other networks
MPI_VAL_STEP = 20  # of the test frames of MPI-INF-3DHP one in so many is measured on while training


# The means of the 20,750 stills of vnect_lite0-v13 (docs/training_log.md, tenth round).
LIVE_MIX = StillMix(size_px=400, in_line=0.2, half=0.1, bare=0.4, pose=PoseMix(free_arms=0.55, folded=0.35, balancing=0.15))


@dataclass(frozen=True)
class DataFolders:
    """Where the sources lie; an empty name leaves one out."""

    people: str = "people"  # photos of one labelled person (people.json.gz and shards)
    coco: str = (
        "coco_people"  # fully labelled photos: COCO's folder, or people.json and images, of which one in five is held out
    )
    backgrounds: str = "backgrounds"  # pictures without people; one in five is held out
    rendered: str = ""  # shards written by apps/render.py; an absolute path or below the data folder
    arriving: bool = False  # take up shards of `rendered` also while training, each when it is there
    rendered_val: str = ""  # the same of the test split: what accuracy in 3D and error bars are measured on
    assets: str = ""  # for the lifter: asset pack to render people from in the workers (a GPU's machine has cores to spare)
    live: StillMix = LIVE_MIX  # what people rendered from `assets` show; by default about what the default weights have seen
    mpi_inf_3dhp: str = ""  # for the lifter: MPI-INF-3DHP, S1..S8 to train on; TS1..TS6, if there, to measure on
    val_gymnasts: int = 200  # of the gymnasts' validation photos used while training, to save time
    val_photos: int = 200  # of the held-out fully labelled photos, on which the detector is measured while training
    val_composites: int = 60  # held-out composites on which the detector is measured while training


@dataclass(frozen=True)
class SharedRun:
    """Both networks on one trunk, from scratch."""

    loop: LoopConfig = field(default_factory=LoopConfig)
    data: DataFolders = field(default_factory=DataFolders)
    lesson: SharedLesson = field(default_factory=SharedLesson)


@dataclass(frozen=True)
class LiftRun:
    """The lifter."""

    loop: LoopConfig = field(default_factory=LoopConfig)
    data: DataFolders = field(default_factory=DataFolders)
    lesson: LiftLesson = field(default_factory=LiftLesson)


@dataclass(frozen=True)
class PoseRun:
    """The detector."""

    loop: LoopConfig = field(default_factory=LoopConfig)
    data: DataFolders = field(default_factory=DataFolders)
    lesson: PoseLesson = field(default_factory=PoseLesson)


Run = SharedRun | LiftRun | PoseRun
# The article's own: its batch, rate, decay, picture size, turns up to 45 degrees, colours and scale (a person's longer side is
# 0.6 of the picture, times 0.5 to 1.1) over its 200,000 steps; the cosine stands for its halvings.
ARTICLES_SCENE = SceneConfig(
    size_px=368,
    height_share=(0.3, 0.66),
    close_up=0.0,
    augment=AugmentConfig(rotation_sd_deg=18.0, upside_down=0.0, swap_channels=0.1, degrade=0.0, occlude=0.0),
)
VGG19_RUN = PoseRun(
    LoopConfig(samples=2_000_000, batch=10, learning_rate=1e-4, weight_decay=5e-4),
    lesson=PoseLesson(scene=ARTICLES_SCENE, network=VGG19_CONFIG),
)
RUNS: dict[str, Run] = {"shared": SharedRun(), "lift3d": LiftRun(), "pose2d": PoseRun(), "openpose_vgg19": VGG19_RUN}


def crop_samples(root: Path, data: DataFolders) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples of single people."""
    train, val = photo_samples(root, data) if data.people else ([], [])
    if data.rendered and not data.arriving:
        train += load_rendered_samples(root / data.rendered)
    if data.rendered_val:
        val += load_rendered_samples(root / data.rendered_val)
    if data.mpi_inf_3dhp:
        train += load_mpi_inf_3dhp(root / data.mpi_inf_3dhp)
        val += (
            load_mpi_inf_3dhp_test(root / data.mpi_inf_3dhp)[::MPI_VAL_STEP] if has_test_set(root / data.mpi_inf_3dhp) else []
        )
    return train, val


def photo_samples(root: Path, data: DataFolders) -> tuple[list[Sample], list[Sample]]:
    """The people photos' splits, with fewer gymnasts to measure on."""
    train, val = (load_people(root / data.people, split) for split in ("train", "val"))
    gymnasts = [s for s in val if s.source == "lspet"]
    some = np.random.default_rng(0).permutation(len(gymnasts))[: data.val_gymnasts]
    return train, [s for s in val if s.source != "lspet"] + [gymnasts[i] for i in some]


def lift_lessons(root: Path, data: DataFolders, lesson: LiftLesson) -> tuple[list[Sample], MoreLessons]:
    """What the lifter learns from beside `crop_samples`: 2D photos of several people, other backgrounds, a renderer."""
    photos = fully_labelled(root / data.coco, held_out=False) if data.coco and lesson.shares.coco > 0 else []
    wanted = data.mpi_inf_3dhp or lesson.augment.elsewhere > 0
    backgrounds = background_files(root / data.backgrounds, held_out=False) if wanted and data.backgrounds else []
    makers: dict[str, Maker] = {}
    if data.rendered and data.arriving:
        makers["rendered"] = ArrivingShards(root / data.rendered)
    if data.assets:
        from training.live import LiveStudio  # needs the extra `render`

        makers["live"] = LiveStudio(root / data.assets, data.live)
    return liftable_people(photos), MoreLessons(list(map(file_reader, backgrounds)), makers)


def scene_maker(root: Path, data: DataFolders, people: list[Sample], lesson: PoseLesson) -> SceneMaker:
    """Scenes of several people from all sources, without what is held out (training.held_out)."""
    backgrounds = background_files(root / data.backgrounds, held_out=False)
    scenes = fully_labelled(root / data.coco, held_out=False) if data.coco else []
    photos, stored = ([s for s in people if (s.source == "rendered") == wanted] for wanted in (False, True))
    rendered = ArrivingShards(root / data.rendered) if data.rendered and data.arriving else stored
    return SceneMaker(photos, scenes, rendered, [file_reader(p) for p in backgrounds], lesson.scene)


def scenes_to_measure_on(root: Path, data: DataFolders) -> list[Sample]:
    """Held-out pictures of several people, all labelled: photos and composites."""
    photos = fully_labelled(root / data.coco, held_out=True)[: data.val_photos] if data.coco else []
    composites = (
        held_out_composites(root / data.people, root / data.backgrounds, data.val_composites) if data.val_composites else []
    )
    return photos + composites


def check(run: Run) -> None:
    """ConfigError for data that are set and would not be used, sizes that do not fit, networks that cannot share a trunk."""
    data = run.data
    check_sizes(run)
    if isinstance(run, SharedRun):
        run.lesson.networks()
    if data.arriving and not data.rendered:
        raise ConfigError("data.arriving=true takes up shards of rendered people; say in which folder with data.rendered")
    if data.live != LIVE_MIX and not data.assets:
        raise ConfigError("data.live says what people rendered on the fly show; say from which asset pack with data.assets")
    if isinstance(run, PoseRun) and data.assets:
        raise ConfigError("a detector is not trained on data.assets; make shards with apps/render.py stills, set data.rendered")
    if isinstance(run, PoseRun) and data.mpi_inf_3dhp:
        raise ConfigError("a detector is not trained on data.mpi_inf_3dhp; leave it out, it is for lift3d and shared")


def check_sizes(run: Run) -> None:
    """ConfigError for a picture that the network cannot take, or whose size is not what the card would tell."""
    where, size_px, network = _trained_at(run)
    divisor = SIZE_DIVISOR.get(network.name, 32)
    if size_px < divisor or size_px % divisor:
        raise ConfigError(f"{where}.size_px={size_px}: {network.name} takes pictures whose side is a multiple of {divisor}")
    if isinstance(network, LiftConfig) and network.input_px not in (0, size_px):
        raise ConfigError(
            f"{where}.network.input_px={network.input_px} is what the card tells, but {where}.size_px={size_px} is what is "
            "trained at; set them alike, or leave input_px out"
        )


def _trained_at(run: Run) -> tuple[str, int, LiftConfig | PoseConfig]:
    """The settings that hold the size of the pictures, that size, and the network they are made for."""
    if isinstance(run, PoseRun):
        return "lesson.scene", run.lesson.scene.size_px, run.lesson.network
    if isinstance(run, SharedRun):
        return "lesson.lift", run.lesson.lift.size_px, run.lesson.lift.network
    return "lesson", run.lesson.size_px, run.lesson.network


def make_trainer(run: Run, root: Path, folder: Path, init: Path | None, workers: int) -> Trainer:
    """Everything loaded and ready to run; `init`, if any, is where to start from, see `start`."""
    check(run)
    train, val = crop_samples(root, run.data)
    task: Any
    network: nn.Module
    if isinstance(run, SharedRun):
        network = SharedNetwork(*run.lesson.networks())
        flat, more = lift_lessons(root, run.data, run.lesson.lift)
        task = SharedTask(train + flat, val, run.lesson, workers, more)
    elif isinstance(run, LiftRun):
        network = make_network(run.lesson.settled_network())
        flat, more = lift_lessons(root, run.data, run.lesson)
        task = LiftTask(train + flat, val, run.lesson, workers, more)
    else:
        network = network_of(run.lesson.network)
        maker = scene_maker(root, run.data, train, run.lesson)
        task = PoseTask(maker, val + scenes_to_measure_on(root, run.data), run.lesson, workers)
    if init is not None:
        start(network, init)
    trainer = Trainer(task, network, run.loop, folder)
    (folder / "config.yaml").write_text(describe(run), encoding="utf-8")  # once nothing is refused any more
    return trainer


def start(network: nn.Module, init: Path) -> None:
    """Put in what a network starts from: a checkpoint.pt or weights of ours; the word imagenet for EfficientNet-Lite0's
    published features; for openpose_vgg19 a published .pth of VGG-19 or of OpenPose's body model. InputError, WeightsError."""
    if str(init) == IMAGENET:
        load_imagenet(network)
    elif init.suffix == ".pth" and isinstance(network, OpenPoseVgg19):
        load_published_trunk(network.trunk, read_public(init))
    else:
        network.load_state_dict(read_start(init, network), strict=False)


def read_start(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """A checkpoint's averaged weights (of this network, a shared one, or the other's trunk) or a weights file."""
    if path.suffix == ".safetensors":
        if isinstance(network, SharedNetwork):
            raise InputError(f"{path}: a shared run starts from a checkpoint.pt, not from one network's weights")
        name = getattr(network.config, "name", "")
        tensors = load_weights(path, str(name)).tensors
        return _whole({k: torch.from_numpy(v) for k, v in tensors.items()}, network, path)
    state = torch.load(path, map_location="cpu", weights_only=True)["ema"]
    shared = any(k.startswith("lifter.") for k in state)
    if shared and not isinstance(network, SharedNetwork):
        state = split_shared(state)[isinstance(network, OpenPoseLight)]
    wanted = set(network.state_dict())
    trunk = {k for k in wanted if k.startswith("trunk.")}
    if trunk and wanted & set(state) == trunk:
        return _fitting({k: state[k] for k in trunk}, network, path)  # the other network's trunk; the head starts anew
    return _whole(state, network, path)


def _whole(state: dict[str, Tensor], network: nn.Module, path: Path) -> dict[str, Tensor]:
    """The state, if it has all of the network's tensors but batch counters, as large as they are; InputError otherwise."""
    missing = sorted(k for k, v in network.state_dict().items() if k not in state and v.dtype.is_floating_point)
    if missing:
        raise InputError(f"{path} lacks {len(missing)} of the network's tensors, first {missing[0]}; it is of another network")
    return _fitting(state, network, path)


def _fitting(state: dict[str, Tensor], network: nn.Module, path: Path) -> dict[str, Tensor]:
    """The state, if its tensors are as large as the network's of the same names; InputError otherwise."""
    for name, own in network.state_dict().items():
        if name in state and state[name].shape != own.shape:
            theirs, ours = ("x".join(map(str, tensor.shape)) for tensor in (state[name], own))
            raise InputError(f"{path} is of a network of another size ({name}: {theirs}, here {ours}); train with its settings")
    return state
