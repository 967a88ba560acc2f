"""The start of the solver turns with the trunk, whatever of the trunk is known."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from fitting import rotation
from fitting.initial import start_pose
from fitting.kinematics import place, rest_pose
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import fit_clip, prior_lengths
from posecore.metrics import mpjpe_mm
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, swaying_pose

TIME = np.arange(12) / 30
PELVIS = ("left_hip", "right_hip", "spine")
UNKNOWN = [names for count in range(4) for names in combinations(PELVIS, count)]
PLAIN = FitSettings(contact=False, floor=False)


def from_behind(unknown: tuple[str, ...]):
    """The pose of somebody who turns his back to the camera, and his track without the joints named."""
    pose = swaying_pose(TIME)
    pose.ball[:, 0] = rotation.exp(np.array([0.0, np.pi, 0.0])) @ pose.ball[:, 0]
    track = seen(place(pose, prior_lengths(HEIGHT_M)).xyz_m, TIME)
    score = track.score.copy()
    score[:, BODY.skeleton.indices(list(unknown))] = 0.0
    return pose, replace(track, score=score)


@pytest.mark.parametrize("unknown", [*UNKNOWN, ("left_shoulder",), ("left_shoulder", "right_shoulder", "spine")])
def test_the_start_faces_where_the_person_faces(unknown):
    pose, track = from_behind(unknown)
    start = start_pose(weigh(track, HEIGHT_M, PLAIN), CAMERA)
    off = np.linalg.norm(rotation.log(start.ball[:, 0] @ np.swapaxes(pose.ball[:, 0], 1, 2)), axis=1)
    assert np.degrees(off).max() < 40
    assert np.allclose(np.linalg.det(start.ball), 1.0)


def test_without_anything_that_tells_left_from_right_it_starts_at_rest():
    _, track = from_behind(("left_hip", "right_hip", "left_shoulder", "right_shoulder"))
    assert np.allclose(start_pose(weigh(track, HEIGHT_M, PLAIN), CAMERA).ball, rest_pose(len(TIME)).ball)


def test_a_person_from_behind_with_a_hip_never_seen_is_not_turned_round():
    pose, track = from_behind(("left_hip",))
    motion = fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=PLAIN)
    assert mpjpe_mm(motion.xyz_m, place(pose, prior_lengths(HEIGHT_M)).xyz_m, 14) < 40
