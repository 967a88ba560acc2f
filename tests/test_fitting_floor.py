"""Feet that rest are held still, and soles, not ankles, stand on the floor."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.body import load_body
from fitting.contact import SOLE, Floor, find_floor, foot_joints
from fitting.descent import solve
from fitting.energy import Problem, point_terms, stature_of
from fitting.kinematics import Placed, place, rest_pose
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import fit_clip, prior_lengths
from posecore.types import Motion
from tests.people_in_motion import CAMERA, HEIGHT_M, seen
from tests.walker import CAMERA as WALK_CAMERA
from tests.walker import camera_pose, walk

FEET = foot_joints()
T_CAMERA_WORLD = camera_pose()
WALK = walk(60, start_xy=(-1.0, 4.0), heading_deg=-80.0, T_camera_world=T_CAMERA_WORLD)
RESTS = np.linalg.norm(np.diff(WALK.xyz_m[:, FEET], axis=0), axis=2) < 1e-6  # (T - 1, 4) by construction
WALKER_M = stature_of(WALK.bone_length_m)
TIME = np.arange(12) / 30
LENGTHS_M = prior_lengths(HEIGHT_M)
OVER_SOLE_M = np.array(SOLE * 2) * stature_of(LENGTHS_M)  # (4,) of the foot points


def fitted_walk(**settings) -> Motion:
    """The walk as it is fitted to networks that err by 2 px and 4 cm."""
    track = seen(WALK.xyz_m, WALK.time_s, 2.0, 0.04, 0, WALK_CAMERA, WALKER_M)
    return fit_clip(track, WALK_CAMERA, height_m=WALKER_M, settings=FitSettings(**settings))


def resting_speed_mps(contact: bool) -> float:
    """Root mean square speed of the feet that truly rest, as a fit without a floor has it."""
    motion = fitted_walk(contact=contact, floor=False)
    moved = np.linalg.norm(np.diff(motion.xyz_m[:, FEET], axis=0), axis=2) / np.diff(WALK.time_s)[:, None]
    return float(np.sqrt(np.mean(moved[RESTS] ** 2)))


def test_a_walker_s_feet_are_held_still_while_they_rest():
    assert resting_speed_mps(contact=True) < 0.65 * resting_speed_mps(contact=False)


def test_a_walker_s_floor_is_under_the_soles():
    """The walker's ankles stand 80 mm and the balls of the feet 20 mm over the world's floor, z = 0."""
    floor = find_floor(WALK.xyz_m, RESTS, WALKER_M, FitSettings())
    assert floor is not None
    R, origin = T_CAMERA_WORLD[:3, :3], T_CAMERA_WORLD[:3, 3]
    below = (WALK.xyz_m[:, FEET] - origin) @ R * [1, 1, 0]
    off = (below @ R.T + origin) @ floor.up - floor.height_m
    assert np.abs(off).max() < 0.02


def test_the_whole_fit_finds_the_floor_and_stands_its_soles_on_it():
    motion = fitted_walk()
    over_m = motion.xyz_m[:-1, FEET] @ motion.report["floor_up_xyz"] - motion.report["floor_height_m"]
    over_m -= np.array(SOLE * 2) * stature_of(motion.bone_length_m)
    assert np.abs(over_m[RESTS]).mean() < 0.015
    for less in ({"floor": False}, {"contact": False}):
        assert "floor_up_xyz" not in fitted_walk(**less).report


def standing_still():
    """Poses (T) of somebody who stands still 4 m away, and the floor under the soles."""
    pose, up = rest_pose(len(TIME)), np.array([0.0, -1.0, 0.0])
    pose.root_m[:, 2] = 4.0
    return pose, Floor(up, float(np.mean(place(pose, LENGTHS_M).xyz_m[0, FEET] @ up - OVER_SOLE_M)))


def problem_of(track, settings, **known):
    """The standing person's fit, with the rests and the floor that are known."""
    return Problem(weigh(track, HEIGHT_M, settings), CAMERA, LENGTHS_M, settings, **known)


def floor_loss(over_m: float, resting: float) -> np.ndarray:
    """(T, 21) squared whitened distances to the floor of somebody whose soles are all so far over it."""
    pose, floor = standing_still()
    xyz = place(pose, LENGTHS_M).xyz_m
    xyz[:, FEET, 1] = -(floor.height_m + OVER_SOLE_M + over_m)
    rests = np.full((len(TIME) - 1, 4), resting)
    problem = problem_of(seen(xyz, TIME), FitSettings(), resting=rests, floor=floor)
    placed = Placed(xyz, np.zeros(0), np.zeros(0))
    bare = point_terms(replace(problem, floor=None), placed)
    terms = point_terms(problem, placed)
    assert len(terms) == len(bare) + 1
    return np.sum(terms[-1][0].residual ** 2, axis=2)


@pytest.mark.parametrize("resting", [0.0, 1.0])
def test_soles_on_the_floor_cost_nothing(resting):
    assert floor_loss(0.0, resting).max() < 1e-12


def test_feet_below_the_floor_cost_always_and_those_above_it_only_while_they_rest():
    settings = FitSettings()
    one = (0.03 / settings.floor_sigma_m) ** 2  # at 30 frames a second a frame counts as one
    for over_m, resting, cost in ((-0.03, 0.0, one), (-0.03, 1.0, one), (0.03, 1.0, one), (0.03, 0.0, 0.0)):
        loss = floor_loss(over_m, resting)[:-1]
        np.testing.assert_allclose(loss[:, FEET], cost, rtol=1e-6)
        assert not np.delete(loss, FEET, axis=1).any()


def test_feet_that_nobody_sees_stand_on_the_floor_where_they_rest():
    """The start, and the weak prior alone, have knees bent by 25 degrees, which lifts the feet."""
    pose, floor = standing_still()
    track = seen(place(pose, LENGTHS_M).xyz_m, TIME)
    track.score[:, FEET] = 0.0
    pose.angle_rad[:] = [hinge.mean_rad for hinge in load_body().hinges]
    bare = problem_of(track, FitSettings(iterations=30, tolerance=1e-6))
    held = replace(bare, resting=np.ones((len(TIME) - 1, 4)), floor=floor)

    def off_m(problem):
        feet = place(solve(problem, pose), LENGTHS_M).xyz_m[:-1, FEET]
        return np.abs(feet @ floor.up - OVER_SOLE_M - floor.height_m).mean()

    assert off_m(held) < 0.25 * off_m(bare)
