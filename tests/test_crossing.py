"""People who cross keep their numbers, though the lift goes over from one to the other."""

from dataclasses import replace

import numpy as np
import pytest

from apps.clothes import ClothesSettings
from apps.followed import Followed, are_close, is_another_s
from apps.observe_settings import FollowSettings
from apps.pipeline import observe
from apps.relink import RelinkSettings
from apps.settings import Settings
from benchmarks.crossing import without
from pose2d.motion import BodyMotion, MotionSettings
from posecore.camera import camera_to_image
from posecore.track_metrics import TrackFrame
from posecore.types import Crop, Detection2D, Pose3D
from posecore.video import VideoReader
from tests.fakes import CAMERA, Actor, World

FRAMES = 50


def crossing(speed_mps: float, gap_m: float, front_first: bool) -> World:
    """Two who walk past each other; the lift sees the first of the list wherever both stand in the middle of a crop."""
    actors = [Actor((-speed_mps, 0, 4.0), (speed_mps, 0, 0)), Actor((speed_mps, 0, 4.0 + gap_m), (-speed_mps, 0, 0))]
    return World(actors if front_first else actors[::-1])


def who_is(world: World, frame: int, xy_px: np.ndarray) -> int:
    """The actor whose joints these are."""
    return int(np.argmin([np.abs(camera_to_image(a.xyz_m(frame), CAMERA) - xy_px).mean() for a in world.actors]))


# Nobody is drawn in these clips: what people wear there is the wall.
PLACE_ALONE = Settings(clothes=ClothesSettings(away_s=0.0), relink=RelinkSettings(away_s=0.0))


def tracks_of(world: World, folder, settings: Settings = PLACE_ALONE):
    clip = world.write(folder / "clip.mp4", FRAMES)
    return observe(VideoReader(clip), world.networks, CAMERA, settings, quiet=True).tracks


@pytest.mark.parametrize("front_first", [True, False])
@pytest.mark.parametrize(("speed_mps", "gap_m"), [(0.6, 0.3), (1.0, 1.0), (1.5, 1.5)])
def test_two_who_cross_keep_their_numbers(speed_mps, gap_m, front_first, tmp_path):
    world = crossing(speed_mps, gap_m, front_first)
    tracks = tracks_of(world, tmp_path)
    assert len(tracks) == 2
    for track in tracks:
        assert len({who_is(world, int(f), xy) for f, xy in zip(track.frame, track.xy_px, strict=True)}) == 1
        assert len(track.frame) >= 0.4 * FRAMES  # hidden for as long as the other stands before him
        assert track.frame[-1] == FRAMES - 1


def test_without_the_watch_over_who_is_close_they_swap(tmp_path):
    world = crossing(1.0, 1.0, True)
    tracks = tracks_of(world, tmp_path, replace(PLACE_ALONE, follow=FollowSettings(close=0.0)))
    assert any(len({who_is(world, int(f), xy) for f, xy in zip(t.frame, t.xy_px, strict=True)}) > 1 for t in tracks)


def test_a_pose_is_his_whom_the_detector_found_nearest():
    def found(x: float, time_s: float) -> Followed:
        return Followed(None, found_s=time_s, found_xy_px=np.full((21, 2), x))

    pose = Pose3D(np.full((21, 2), 10.0), np.ones(21), np.zeros((21, 3)), np.ones((21, 2)))
    him, nearer, further = found(14.0, 1.0), found(9.0, 1.0), found(20.0, 1.0)
    assert is_another_s(pose, him, [further, nearer])
    assert not is_another_s(pose, him, [further])
    assert not is_another_s(pose, him, [found(9.0, 0.9)])  # he may have gone on since
    assert is_another_s(pose, Followed(None), [further])  # of whom nothing is known
    assert not is_another_s(pose, him, [])


def test_crops_are_close_by_the_larger_one_s_side():
    small, large = Crop(np.array([0.0, 0.0]), 10.0, 64), Crop(np.array([5.0, -9.0]), 20.0, 64)
    assert are_close(small, large, 0.5)
    assert are_close(large, small, 0.5)
    assert not are_close(small, large, 0.4)
    assert not are_close(small, None, 1.0)


class Ghosts(World):
    """Whoever is unseen leaves a body that the detector hardly finds, put together from the joints of who knows whom."""

    def detect(self, rgb):
        found, frame = super().detect(rgb), self.looks[-1]
        hidden = [camera_to_image(a.xyz_m(frame), CAMERA) for a in self.actors if not a.is_seen(frame)]
        return found + [Detection2D(xy_px, np.ones(21), "vnect21", 0.2) for xy_px in hidden]


@pytest.mark.parametrize(("distance_m", "looked_for"), [(0.6, False), (1.9, True)])
def test_what_is_hardly_found_does_not_count_beside_others(distance_m, looked_for, tmp_path):
    world = Ghosts([Actor((-distance_m, 0, 5)), Actor((0, 0, 5), unseen=range(20, FRAMES))])
    tracks_of(world, tmp_path)
    sure = World(world.actors)
    tracks_of(sure, tmp_path)
    assert (world.lifts > sure.lifts) == looked_for  # the lift tries every place that the detector names


def test_a_place_told_by_few_joints_moves_a_body_less():
    rest = np.stack([np.linspace(0, 40, 18), np.linspace(0, 100, 18)], axis=1)
    few = np.full_like(rest, np.nan)
    few[:4] = rest[:4]
    shift = np.array([6.0, 0.0])

    def moved(seen: np.ndarray) -> float:
        body = BodyMotion(0.0, rest, MotionSettings(speed_sigma=0.1))
        body.correct(0.1, seen + shift)
        return float(np.median(body.predict(0.1)[0][4:, 0] - rest[4:, 0]))

    assert 0 < moved(few) < 0.5 * moved(rest) <= 0.5 * shift[0]


def test_who_is_hidden_is_asked_of_nobody():
    frame = TrackFrame(["seen", "hidden"], [1, 2, 3], np.array([[0.9, 0.2, 0.1], [0.3, 0.7, 0.2]]))
    left = without(frame, np.array([1]))
    assert (left.truth, left.found) == (["seen"], [1, 3])  # 2 lies on the hidden one, 3 on nobody
    np.testing.assert_array_equal(left.similarity, [[0.9, 0.1]])
