"""Rendered clips and their truth, and the split of the shared asset pack. Needs moderngl with EGL and the asset pack."""

import av
import numpy as np
import pytest

from posecore.camera import Camera, camera_from_fov, camera_to_image, world_to_camera
from posecore.errors import InputError, MissingDependencyError
from posecore.skeleton import load_skeleton
from training.synthetic.assets import open_assets, split
from training.synthetic.motion import MotionBank

VNECT = load_skeleton("vnect21")


@pytest.fixture(scope="module")
def pack(shared_data):
    return open_assets(shared_data / "synthetic_assets")


@pytest.fixture(scope="module")
def clip(pack, tmp_path_factory):
    pytest.importorskip("moderngl", reason="rendering needs moderngl")
    from training.synthetic.clips import ClipPlan, Film, write_clip

    plan = ClipPlan(seconds=1.6, fps=10.0, size_wh=(160, 90), people=2, crossing=True)
    try:
        film = Film(pack, plan, seed=3)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    with np.load(write_clip(film, path, lambda done, of: None)) as stored:
        return path, {key: stored[key] for key in stored.files}


def test_the_truth_has_a_row_for_every_frame_of_the_container(clip):
    path, truth = clip
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [float(f.pts * f.time_base) for f in frames] == pytest.approx(truth["time_s"].tolist(), abs=1e-9)
    assert (frames[0].width, frames[0].height) == tuple(truth["size_wh"]) == (160, 90)
    assert truth["xyz_m"].shape == (2, 16, 21, 3)
    assert tuple(truth["joints"]) == VNECT.joints


def test_the_truth_reprojects(clip):
    _, truth = clip
    camera = Camera(truth["K_px"], (160, 90))
    assert np.abs(camera_to_image(truth["xyz_m"], camera) - truth["xy_px"]).max() < 0.1
    assert camera.vertical_fov_deg == pytest.approx(54.0)
    assert ((truth["xy_px"] > -0.5) & (truth["xy_px"] < [159.5, 89.5])).all()  # everybody is whole in every frame
    assert (truth["visibility"] == 3).mean() > 0.5


def test_bones_are_constant_and_motion_is_continuous(clip):
    _, truth = clip
    for person in truth["xyz_m"].astype(np.float64):
        for a, b in (("left_hip", "left_knee"), ("right_knee", "right_ankle"), ("left_shoulder", "left_elbow")):
            length = np.linalg.norm(person[:, VNECT.index(a)] - person[:, VNECT.index(b)], axis=-1)
            assert np.ptp(length) < 0.02 * length.mean()
        assert np.linalg.norm(np.diff(person, axis=0), axis=-1).max() * 10 < 8.0  # m/s


def test_feet_are_on_the_floor_of_the_world(clip):
    _, truth = clip
    T_world_camera = np.linalg.inv(truth["T_camera_world"])
    world = world_to_camera(truth["xyz_m"], T_world_camera)
    lowest = world[..., VNECT.indices(["left_ankle", "right_ankle", "left_toe", "right_toe"]), 2].min(axis=-1)
    assert lowest.min() > 0.0
    assert lowest.max() < 0.07
    tall = world[..., VNECT.index("head_top"), 2].max(axis=1)
    assert tall == pytest.approx(truth["stature_m"], rel=0.05)


def test_walkers_never_run_into_each_other(clip):
    _, truth = clip
    a, b = truth["xyz_m"][:, :, VNECT.index("pelvis")]
    assert np.linalg.norm(a - b, axis=-1).min() > 0.49


def test_parts_of_the_pack_share_no_motion_and_no_background(pack):
    banks = {part: MotionBank(pack, part) for part in ("train", "test")}
    frames = {part: {clip.root_m.tobytes() for clip in bank.clips} for part, bank in banks.items()}
    assert not frames["train"] & frames["test"]
    assert len(banks["train"].clips) + len(banks["test"].clips) == len(pack.arrays("motion")["names"])
    for kind in ("real", "abstract"):
        train, test = (set(split(pack.backgrounds(kind), part)) for part in ("train", "test"))
        assert train
        assert test
        assert not train & test


def test_captured_clips_are_smooth_rotations(pack):
    clip = MotionBank(pack, "test").clips[0]
    Q = clip.smooth_rotations()
    assert Q @ np.swapaxes(Q, -1, -2) == pytest.approx(np.broadcast_to(np.eye(3), Q.shape), abs=1e-9)
    raw = np.stack([clip.rotations(t) for t in range(0, len(clip), 7)])
    angle = np.arccos(np.clip((np.trace(np.swapaxes(raw, -1, -2) @ Q[::7], axis1=-2, axis2=-1) - 1) / 2, -1, 1))
    assert np.degrees(np.median(angle)) < 1.5  # smoothing takes away jitter, not motion


def test_an_odd_size_is_refused():
    from training.synthetic.clips import ClipPlan

    with pytest.raises(InputError, match="even width"):
        ClipPlan(size_wh=(161, 90))


def test_where_no_place_shows_everybody_whole_there_is_no_film():
    from training.synthetic.clips import _filming_place
    from training.synthetic.staging import Performance

    joints = np.random.default_rng(0).uniform([-0.8, 0, -0.8], [0.8, 1.75, 0.8], (20, 26, 3))
    cast = [Performance(None, np.zeros((20, 1, 3, 4)), joints)]
    camera = camera_from_fov((160, 90), 54.0, "made up")
    T = _filming_place(cast, camera, np.random.default_rng(1))
    xy = camera_to_image(world_to_camera(joints, T), camera)
    assert ((xy > 0) & (xy < [159, 89])).all()
    with pytest.raises(InputError, match="--fov") as error:
        _filming_place(cast, camera_from_fov((160, 90), 10.0, "made up"), np.random.default_rng(1))
    assert "\n" not in str(error.value)


class _NoGraphics:
    """Stands in for renderer and textures: parts stay what they are."""

    def mesh(self, part):
        return part

    def get(self, path):
        return path

    def random_print(self, rng):
        return None


def test_a_pack_without_garments_still_dresses_people(pack, tmp_path):
    from training.synthetic.materials import Region
    from training.synthetic.people import Troupe

    for name in ("anny", "groups", "motion"):
        (tmp_path / f"{name}.npz").symlink_to(pack.folder / f"{name}.npz")
    bare = open_assets(tmp_path)
    troupe = Troupe(bare, "train", _NoGraphics(), _NoGraphics())
    parts = troupe.build(np.random.default_rng(0)).meshes
    assert {Region.TOP, Region.BOTTOM, Region.UNCLOTHED} <= {part.material.region for part in parts}
    assert bare.backgrounds("real") == bare.occluders() == []


def test_the_bare_wear_shorts_and_women_a_short_top(pack):
    from training.synthetic.materials import Region, Surface
    from training.synthetic.people import Troupe

    troupe = Troupe(pack, "train", _NoGraphics(), _NoGraphics(), bare=1.0)
    seen = set()
    for seed in range(6):
        person = troupe.build(np.random.default_rng(seed))
        cloth = {p.material.region: p.material for p in person.meshes if p.material.surface != Surface.SKIN}
        assert cloth[Region.BOTTOM].cut_bottom[0] <= 0.6  # the knee is at half the leg
        assert (Region.TOP in cloth) != person.shape.male
        assert person.shape.male or cloth[Region.TOP].cut_top[1] >= 0.4  # bare below
        seen.add(person.shape.male)
    assert seen == {True, False}
