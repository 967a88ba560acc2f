import csv
import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.pipeline import run_clip, select
from apps.report_page import report_html
from apps.result_folder import load_result
from apps.settings import CutSettings, OutputSettings, PeopleSettings, Settings
from fitting.settings import FitSettings
from posecore import results, stages
from posecore.errors import InputError
from posecore.types import Frame, Source, Track
from tests.fakes import CAMERA, RATE_FPS, Actor, World, frame_of

# Actors glide over the floor in the T-pose, which the search for resting feet would not understand.
QUICK_FIT = FitSettings(lift_sigma=1.0, lift_memory_s=0.1, contact=False, floor=False, iterations=4)
TABLES_ONLY = Settings(output=OutputSettings(overlay=False), fit=QUICK_FIT)
FRAMES = 40


@pytest.fixture
def two_people():
    return World([Actor((0.9, 0, 4.5), (0.1, 0, 0.1)), Actor((-0.9, 0, 4.0))])


def run(world: World, folder: Path, frames: int = FRAMES, settings: Settings = TABLES_ONLY, scene_start: int = 10_000):
    clip = world.write(folder / "clip.mp4", frames, scene_start)
    return run_clip(clip, folder / "out", settings, quiet=True, networks=world.networks)


def test_two_people_get_their_numbers_from_left_to_right_and_their_places(two_people, tmp_path):
    summary = run(two_people, tmp_path)
    assert (summary.persons, summary.frames, summary.warnings) == ((1, 2), FRAMES, ())
    joints = results.read_joints3d(tmp_path / "out" / results.JOINTS_3D)
    for person, actor in ((0, two_people.actors[1]), (1, two_people.actors[0])):
        truth = np.stack([actor.xyz_m(k) for k in range(FRAMES)])
        assert np.abs(joints.xyz_m[person] - truth).max() < 0.03
    assert (joints.source == Source.MEASURED).mean() > 0.95


def test_every_input_frame_has_a_row_with_the_clip_s_time(two_people, tmp_path):
    run(two_people, tmp_path)
    with (tmp_path / "out" / results.JOINTS_3D).open() as table:
        rows = list(csv.DictReader(table))
    assert [(int(r["frame"]), int(r["person"])) for r in rows] == [(f, p) for f in range(FRAMES) for p in (1, 2)]
    np.testing.assert_allclose([float(r["time_s"]) for r in rows[::2]], np.arange(FRAMES) / RATE_FPS, atol=1e-5)


def test_the_detector_looks_seldom_while_all_goes_well(two_people, tmp_path):
    run(two_people, tmp_path)
    assert two_people.looks == [0, 3, 16, 29]  # to confirm the newcomers, then every 0.5 s at 25 frames a second
    assert two_people.lifts == 2 * (FRAMES + 4)  # newcomers twice, and the detector's crop after each later look


def test_a_gap_keeps_the_number_and_is_bridged(tmp_path):
    world = World([Actor((0, 0, 4), (0.3, 0, 0), unseen=range(15, 22))])
    assert run(world, tmp_path).persons == (1,)
    joints = results.read_joints3d(tmp_path / "out" / results.JOINTS_3D)
    assert (joints.source[0, 15:22] == Source.FILLED).all()
    assert np.isfinite(joints.xyz_m).all()
    truth = np.stack([world.actors[0].xyz_m(k) for k in range(FRAMES)])
    assert np.abs(joints.xyz_m[0] - truth).max() < 0.1
    seen = results.read_joints2d(tmp_path / "out" / results.JOINTS_2D)
    assert np.isnan(seen.xy_px[0, 15:22]).all()
    assert np.isfinite(seen.xy_px[0, 24:]).all()
    assert world.looks[:5] == [0, 3, 16, 19, 22]  # after the loss every 0.1 s, rounded up to whole frames


def test_a_long_absence_stays_empty_and_the_number_comes_back(tmp_path):
    world = World([Actor((0, 0, 4), unseen=range(10, 40))])
    assert run(world, tmp_path, 60).persons == (1,)
    joints = results.read_joints3d(tmp_path / "out" / results.JOINTS_3D)
    assert np.isnan(joints.xyz_m[0, 12:38]).all()
    assert (joints.source[0, 12:38] == Source.EMPTY).all()
    assert np.isfinite(joints.xyz_m[0, 44:]).all()


def test_who_comes_later_is_empty_before(tmp_path):
    world = World([Actor((0.8, 0, 4)), Actor((-0.8, 0, 4), frames=range(20, 60))])
    assert run(world, tmp_path).persons == (1, 2)
    joints = results.read_joints3d(tmp_path / "out" / results.JOINTS_3D)
    assert np.isnan(joints.xyz_m[1, :20]).all()
    assert np.isfinite(joints.xyz_m[1, 30:]).all()  # the look behind frame 16 is at 29


def test_nobody(tmp_path):
    world = World([])
    summary = run(world, tmp_path, 12)
    assert (summary.persons, summary.frames) == ((), 12)
    assert "no people in 12 frames, no warnings" in summary.line()
    assert (tmp_path / "out" / results.JOINTS_3D).read_text() == ",".join(results.columns_3d()) + "\n"
    assert world.looks == [0, 3, 6, 9]


def test_one_frame(tmp_path):
    world = World([Actor((0, 0, 4))])
    summary = run(world, tmp_path, 1)
    assert summary.persons == (1,)
    assert "1 person in 1 frame" in summary.line()
    joints = results.read_joints3d(tmp_path / "out" / results.JOINTS_3D)
    assert np.abs(joints.xyz_m[0, 0] - world.actors[0].xyz_m(0)).max() < 0.05


def test_a_cut_ends_everybody_s_track(tmp_path):
    world = World([Actor((0, 0, 4))])
    summary = run(world, tmp_path, scene_start=20)
    assert summary.persons == (1, 2)
    clip, tracks = stages.read_tracks(tmp_path / "out" / results.TRACKS)
    assert clip.cuts == (20,)
    assert [(t.frame[0], t.frame[-1]) for t in tracks] == [(0, 19), (20, FRAMES - 1)]
    unaware = replace(TABLES_ONLY, cuts=CutSettings(change_min=256))
    assert run(world, tmp_path, settings=unaware, scene_start=20).persons == (1,)


def test_two_detections_of_one_person_are_one_person(tmp_path):
    assert run(World([Actor((0, 0, 4))], copies=2), tmp_path).persons == (1,)


def test_a_glimpse_is_dropped_and_said(tmp_path):
    world = World([Actor((0.8, 0, 4)), Actor((-0.8, 0, 4), frames=range(16, 20))])
    summary = run(world, tmp_path)
    assert summary.persons == (1,)
    assert summary.warnings == ("tracks shorter than 0.3 s that were dropped: 1",)


def test_what_the_detector_saw_once_and_never_again_is_a_phantom(tmp_path):
    """The lift, always asked about people, sees them anywhere; only the detector can tell."""
    world = World([Actor((0.8, 0, 4)), Actor((-0.8, 0, 4))])
    detect = world.detect
    world.detect = lambda rgb: detect(rgb)[: 2 if len(world.looks) == 1 else 1]
    settings = replace(TABLES_ONLY, detect=replace(TABLES_ONLY.detect, every_s=0.1))
    summary = run(world, tmp_path, settings=settings)
    assert summary.persons == (1,)
    assert summary.warnings == ("tracks that the detector hardly ever confirmed and that were dropped: 1",)


def test_an_unsure_detection_continues_a_person_but_starts_nobody(tmp_path):
    world = World([Actor((0, 0, 4))])
    detect = world.detect
    world.detect = lambda rgb: [replace(d, person_score=0.6 if frame_of(rgb) == 6 else 0.25) for d in detect(rgb)]
    assert run(world, tmp_path).persons == (1,)
    _, (track,) = stages.read_tracks(tmp_path / "out" / results.TRACKS)
    assert track.frame.tolist() == list(range(6, FRAMES))


def test_a_crop_that_collapses_onto_a_spot_is_let_go(tmp_path):
    world = World([Actor((0, 0, 4))])
    lift = world.lift

    def collapse(rgb, crops, camera):
        poses = lift(rgb, crops, camera)
        if frame_of(rgb) not in (20, 21):
            return poses
        return [replace(p, xy_px=c.centre_px + 0.3 * (p.xy_px - c.centre_px)) for p, c in zip(poses, crops, strict=True)]

    world.lift = collapse
    run(world, tmp_path)
    _, (track,) = stages.read_tracks(tmp_path / "out" / results.TRACKS)
    assert set(range(FRAMES)) - set(track.frame.tolist()) == {20, 21, 22, 23}  # looked for at 21 and 24


def test_a_person_whom_the_detector_never_sees_again_is_given_up(two_people, tmp_path):
    settings = replace(TABLES_ONLY, detect=replace(TABLES_ONLY.detect, every_s=0.1, missed_max=2))
    world = World([Actor((0, 0, 4))])
    detect = world.detect
    world.detect = lambda rgb: detect(rgb) if len(world.looks) < 4 else world.looks.append(-1) or []
    run(world, tmp_path, settings=settings)
    _, (track,) = stages.read_tracks(tmp_path / "out" / results.TRACKS)
    assert track.frame[-1] == 17  # looks every third frame: seen at 0, 3, 6, 9, missed at 12, 15 and, once too often, 18


def test_two_runs_give_the_same_bytes(two_people, tmp_path):
    names = (results.JOINTS_3D, results.JOINTS_2D, results.TRACKS, results.MOTIONS, results.CONFIG)
    run(two_people, tmp_path)
    first = [(tmp_path / "out" / name).read_bytes() for name in names]
    run(two_people, tmp_path)
    assert [(tmp_path / "out" / name).read_bytes() for name in names] == first


def test_config_says_what_was_done(two_people, tmp_path):
    run(two_people, tmp_path, settings=replace(TABLES_ONLY, people=PeopleSettings(height_m=1.8)))
    config = results.read_config(tmp_path / "out" / results.CONFIG)
    assert config["settings"]["people"]["height_m"] == 1.8
    assert config["camera"]["source"] == "assumed 54 degrees vertically"
    assert config["camera"]["K"] == CAMERA.K_px.tolist()
    assert config["weights"]["pose2d"]["sha256"] == "0"
    assert config["clip"]["path"] == "../clip.mp4"
    assert config["versions"]["numpy"] == np.__version__


def test_an_assumed_stature_is_written_and_told(two_people, tmp_path):
    summary = run(two_people, tmp_path)
    config = results.read_config(tmp_path / "out" / results.CONFIG)
    assert config["people"] == {"stature_m": 1.7, "source": "assumed"}
    assert config["settings"]["people"]["height_m"] is None, "which is what a refit starts from"
    assert summary.line().endswith("; camera: assumed 54 degrees vertically; stature: 1.70 m, assumed")
    assert "Stature of the people: 1.70 m, assumed;" in report_html(load_result(tmp_path / "out"))


def test_no_frame_is_kept(two_people):
    from apps.observe import Observer
    from pose2d.tracker import Tracker

    observer = Observer(two_people, two_people, Tracker(), CAMERA, TABLES_ONLY.detect, TABLES_ONLY.follow, TABLES_ONLY.cuts)
    alive = []
    for k in range(5):
        rgb = two_people.picture(k)
        alive.append(weakref.ref(rgb))
        observer.see(Frame(k, k / RATE_FPS, rgb))
        del rgb
    gc.collect()
    assert [ref() for ref in alive] == [None] * 5


def test_a_truncated_clip_gives_what_there_is(two_people, tmp_path):
    rng = np.random.default_rng(0)
    plain = two_people.picture
    two_people.picture = lambda k, scene: np.where(
        np.arange(160)[None, :, None] < 16, plain(k), rng.integers(0, 99, (120, 160, 3))
    ).astype(np.uint8)
    clip = two_people.write(tmp_path / "clip.mp4", FRAMES)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    summary = run_clip(clip, tmp_path / "out", TABLES_ONLY, quiet=True, networks=two_people.networks)
    assert 0 < summary.frames < FRAMES
    assert any("truncated" in warning for warning in summary.warnings)
    assert summary.persons == (1, 2)


@pytest.mark.parametrize(
    ("people", "person", "numbers", "words"),
    [
        (None, None, [1, 2, 3], ""),
        (2, None, [2, 3], ""),
        (9, None, [1, 2, 3], ""),
        (None, 2, [2], ""),
        (None, 7, [1, 2, 3], "7"),
    ],
)
def test_selection(people, person, numbers, words):
    def track(number: int, frames: int, height_px: float) -> Track:
        xy = np.zeros((frames, 21, 2))
        xy[:, 0, 1] = height_px
        zeros = np.zeros((frames, 21, 3))
        return Track(number, np.arange(frames), np.arange(frames) / 25, xy, zeros[..., 0], zeros, zeros[..., :2])

    tracks = [track(1, 10, 50.0), track(2, 10, 100.0), track(3, 30, 40.0)]
    chosen, warnings = select(tracks, people, person)
    assert [t.person for t in chosen] == numbers
    assert all(words in warning for warning in warnings)
    assert bool(warnings) == bool(words)


def test_the_clip_is_never_overwritten(two_people, tmp_path):
    clip = two_people.write(tmp_path / "overlay.mp4", 2)
    with pytest.raises(InputError, match="would be overwritten"):
        run_clip(clip, tmp_path, Settings(), quiet=True, networks=two_people.networks)


def test_bad_result_folders(two_people, tmp_path):
    clip = two_people.write(tmp_path / "clip.mp4", 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a file of this name exists"):
        run_clip(clip, tmp_path / "file", Settings(), quiet=True, networks=two_people.networks)
    with pytest.raises(InputError, match="cannot be made"):
        run_clip(clip, tmp_path / "file" / "out", Settings(), quiet=True, networks=two_people.networks)
