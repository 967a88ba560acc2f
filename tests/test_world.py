"""The common world: a floor that was walked on is found again, and what is not known is said."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.world import estimate_world, fit_floor, foot_contacts
from tests.walker import camera_pose, walk


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(0, 0), (12, 0), (25, 1), (-5, -1)])
def test_floor_and_gravity_of_a_walk_are_recovered(pitch_deg: float, roll_deg: float) -> None:
    T = camera_pose(1.5, pitch_deg, roll_deg)
    people = [walk(120, start_xy=(-2, 4), heading_deg=-50, T_camera_world=T, person=1)]
    people.append(walk(120, start_xy=(1, 3), heading_deg=10, T_camera_world=T, person=2))
    world = estimate_world(people)
    said = float(re.search(r"camera pitched ([-+.\d]+) degrees", world.source).group(1))  # type: ignore[union-attr]
    assert said == pytest.approx(pitch_deg, abs=0.7), "positive looks down"
    up_camera = T[:3, :3] @ [0, 0, 1]
    assert np.degrees(np.arccos(world.T_world_camera[2, :3] @ up_camera)) < 0.7
    lowest_m = min(world.points(person.xyz_m)[..., 2].min() for person in people)
    assert abs(lowest_m - 0.02) < 0.03
    camera_height_m = world.points(np.zeros(3))[2]
    assert abs(camera_height_m - 1.5) < 0.05


def test_world_is_rigid_right_handed_and_starts_below_the_first_person() -> None:
    motion = walk(90)
    world = estimate_world([motion])
    R = world.T_world_camera[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)
    np.testing.assert_allclose(world.points(motion.xyz_m[0, 14])[:2], 0, atol=1e-12)
    np.testing.assert_allclose(world.T_camera_world @ world.T_world_camera, np.eye(4), atol=1e-12)


def test_one_step_is_not_a_floor_but_people_stand_upright() -> None:
    """Who only stands leaves the floor's tilt open; how he stands still says more than a camera that is taken to be level."""
    T = camera_pose(1.5, 25)
    world = estimate_world([walk(12, T_camera_world=T)])
    assert world.source.startswith("how people stand")
    up = T[:3, :3] @ [0, 0, 1]
    assert np.degrees(np.arccos(world.T_world_camera[2, :3] @ up)) < 8
    lowest_m = world.points(walk(12, T_camera_world=T).xyz_m)[..., 2].min()
    assert abs(lowest_m) < 0.05


@pytest.mark.parametrize("people", [[], ["lying"]])
def test_where_nobody_stands_the_camera_is_taken_to_be_upright(people: list[str]) -> None:
    lying = walk(12, T_camera_world=camera_pose(1.5, 0))
    turned = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    lying = replace(lying, xyz_m=(lying.xyz_m - lying.xyz_m[0, 14]) @ turned.T + lying.xyz_m[0, 14])
    world = estimate_world([lying] if people else [])
    assert world.source.startswith("upright camera assumed")
    np.testing.assert_allclose(world.T_world_camera[2, :3], [0, -1, 0], atol=1e-12)


def test_toes_of_who_lies_do_not_tilt_a_camera_said_to_be_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    lying = walk(12, T_camera_world=camera_pose(1.5, 0))
    turned = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    lying = replace(lying, xyz_m=(lying.xyz_m - lying.xyz_m[0, 14]) @ turned.T + lying.xyz_m[0, 14])
    monkeypatch.setattr("posecore.world.foot_contacts", lambda motion: np.array([[0.0, 1.0, 4.0], [0.0, 0.6, 4.6]]))
    world = estimate_world([lying])
    assert world.source.startswith("upright camera assumed")
    np.testing.assert_allclose(world.T_world_camera[2, :3], [0, -1, 0], atol=1e-12)


def test_contacts_are_the_planted_feet() -> None:
    T = camera_pose(1.2, 8)
    contacts = foot_contacts(walk(100, T_camera_world=T)) - T[:3, 3]
    height_m = (contacts @ T[:3, :3])[:, 2]
    assert len(contacts) >= 5
    np.testing.assert_allclose(height_m, 0.02, atol=0.02)


def test_floor_fit_shrugs_off_a_foot_on_a_chair() -> None:
    rng = np.random.default_rng(3)
    x, z = rng.uniform(-2, 2, 20), rng.uniform(3, 7, 20)
    contacts = np.column_stack([x, 1.4 + 0.02 * x - 0.15 * z, z])
    contacts[:2, 1] -= 0.45
    slope, height_m, known = fit_floor(contacts, np.zeros(2), np.array([100.0, 10.0]))
    assert known
    np.testing.assert_allclose(slope, [0.02, -0.15], atol=0.01)
    assert height_m == pytest.approx(1.4, abs=0.04)
