"""Every residual's Jacobian against differences, and the assembled system against a dense one."""

import numpy as np
import pytest

from fitting import costs, normal
from fitting.body import load_body
from fitting.contact import Floor
from fitting.energy import Problem, linearise
from fitting.kinematics import Pose, joint_jacobian, place, rest_pose, step
from fitting.measure import Measurements
from fitting.settings import FitSettings
from posecore.camera import Camera, camera_to_image

BODY = load_body()
LENGTH_M = BODY.length * 1.7
CAMERA = Camera(np.array([[700.0, 0, 640], [0, 710, 360], [0, 0, 1]]), (1280, 720), np.array([-0.2, 0.05, 1e-3, -2e-3, 0.01]))
RNG = np.random.default_rng(11)
FRAMES, H = 5, 1e-6


def random_pose(size: float = 0.5) -> Pose:
    pose = step(rest_pose(FRAMES), size * RNG.normal(size=(FRAMES, BODY.dofs)))
    pose.root_m[:, 2] += 4
    return pose


def random_measurements() -> Measurements:
    shape = (FRAMES, 21)
    return Measurements(
        time_s=np.array([0.0, 0.03, 0.07, 0.1, 0.15]),
        xy_px=RNG.uniform(0, 700, (*shape, 2)),
        inverse_px=RNG.uniform(0, 0.5, shape) * (RNG.random(shape) > 0.2),
        lifted_m=RNG.normal(size=(*shape, 3)),
        inverse_m=RNG.uniform(0, 10, (*shape, 3)) * (RNG.random((*shape, 1)) > 0.2),
        score=np.ones(shape),
        joined=np.array([True, True, False, True]),
        fresh=np.full(FRAMES, 0.8),
        outlier_px=RNG.uniform(2.0, 3.0, (FRAMES, 1)),
        outlier_m=RNG.uniform(2.0, 3.0, (FRAMES, 1)),
    )


def by_points(residual, xyz):
    """Numeric d residual / d position of the same joint, (T, J, r, 3)."""
    columns = []
    for k in range(3):
        e = np.zeros(3)
        e[k] = H
        columns.append((residual(xyz + e) - residual(xyz - e)) / (2 * H))
    return np.stack(columns, axis=-1)


def test_projection_is_the_camera_and_its_jacobian_is_exact():
    m, xyz = random_measurements(), place(random_pose(), LENGTH_M).xyz_m
    term = costs.projection(xyz, CAMERA, m.xy_px, m.inverse_px)
    expected = (camera_to_image(xyz, CAMERA) - m.xy_px) * m.inverse_px[..., None]
    assert np.allclose(term.residual, expected, atol=1e-9)
    numeric = by_points(lambda x: costs.projection(x, CAMERA, m.xy_px, m.inverse_px).residual, xyz)
    assert np.allclose(term.jacobian, numeric, atol=1e-5)


def test_joints_behind_the_camera_have_no_say():
    m, xyz = random_measurements(), place(random_pose(), LENGTH_M).xyz_m - [0, 0, 10]
    term = costs.projection(xyz, CAMERA, m.xy_px, m.inverse_px)
    assert not term.residual.any()
    assert not term.jacobian.any()


def test_ik_jacobian_with_the_root_held():
    m, xyz = random_measurements(), place(random_pose(), LENGTH_M).xyz_m
    root = BODY.skeleton.root
    term = costs.ik(xyz, root, m.lifted_m, m.inverse_m)

    def residual(x):
        x = x.copy()
        x[:, root] = xyz[:, root]
        return costs.ik(x, root, m.lifted_m, m.inverse_m).residual

    others = np.arange(21) != root
    assert np.allclose(term.jacobian[:, others], by_points(residual, xyz)[:, others], atol=1e-7)
    unknown = m.inverse_m[..., 0] == 0
    assert not term.residual[unknown].any()


def test_floor_term():
    xyz = place(random_pose(), LENGTH_M).xyz_m
    up, height = np.array([0.0, -0.8, 0.6]), np.full((FRAMES, 21), 2.0)
    stands = RNG.random((FRAMES, 21)) > 0.5
    term = costs.floor_height(xyz, up, height, np.full((FRAMES, 21), 30.0), stands)
    numeric = by_points(lambda x: costs.floor_height(x, up, height, np.full((FRAMES, 21), 30.0), stands).residual, xyz)
    assert np.allclose(term.jacobian, numeric, atol=1e-6)
    above = ~stands & (xyz @ up > 2.0)
    assert above.any()
    assert not term.residual[above].any()


DOF_TERMS = [
    lambda pose: costs.hinge_prior(pose, BODY, np.full(FRAMES, 0.7)),
    lambda pose: costs.ball_prior(pose, BODY, np.full(FRAMES, 0.7)),
    lambda pose: costs.hinge_limits(pose, BODY, np.full(FRAMES, 9.0)),
    lambda pose: costs.cone_limits(pose, BODY, np.full(FRAMES, 9.0)),
    lambda pose: costs.twist_limits(pose, BODY, np.full(FRAMES, 9.0)),
]


@pytest.mark.parametrize("term_of", DOF_TERMS)
def test_jacobians_of_prior_and_limits(term_of):
    pose = random_pose(1.0)
    term = term_of(pose)
    assert np.abs(term.residual).max() > 0.1
    for c in range(term.columns.shape[1]):
        e = np.zeros((FRAMES, BODY.dofs))
        e[:, term.columns[:, c]] = H
        numeric = (term_of(step(pose, e)).residual - term_of(step(pose, -e)).residual) / (2 * H)
        assert np.allclose(term.jacobian[..., c], numeric, atol=2e-6 * (1 + np.abs(numeric).max()))


def test_limits_are_silent_inside_the_ranges():
    pose = step(rest_pose(FRAMES), np.zeros((FRAMES, BODY.dofs)))
    for cost in (costs.hinge_limits, costs.cone_limits, costs.twist_limits):
        assert not cost(pose, BODY, np.ones(FRAMES)).residual.any()


def test_constant_velocity_costs_nothing_at_uneven_times():
    time = np.array([0.0, 0.02, 0.08, 0.1, 0.15])
    speed = RNG.normal(size=BODY.dofs) * 0.5
    start = rest_pose(1)
    delta = time[:, None] * speed
    pose = step(Pose(*(np.repeat(a, FRAMES, axis=0) for a in (start.root_m, start.ball, start.angle_rad))), delta)
    term = costs.smoothness(pose, time, np.ones(BODY.dofs), np.ones(4, dtype=bool))
    assert np.abs(term.residual).max() < 1e-9


def test_acceleration_weighs_the_same_at_any_frame_rate():
    def energy(rate):
        time = np.arange(0, 2, 1 / rate)
        pose = rest_pose(len(time))
        pose.root_m[:, 0] = np.sin(3 * time)
        term = costs.smoothness(pose, time, np.full(BODY.dofs, 4.0), np.ones(len(time) - 1, dtype=bool))
        return float(np.sum(term.residual**2))

    assert energy(240) == pytest.approx(energy(30), rel=0.05)


def full_problem() -> tuple[Problem, Pose]:
    resting = RNG.random((FRAMES - 1, 4)) * np.array([[1.0], [1.0], [0.0], [1.0]])
    floor = Floor(np.array([0.0, -1.0, 0.0]), -0.5)
    # the depth term holds its ray fixed while it is differentiated; it has a test of its own
    settings = FitSettings(depth_velocity_mps=1e6)
    return Problem(random_measurements(), CAMERA, LENGTH_M, settings, resting, floor), random_pose()


def test_gradient_of_the_whole_energy_against_differences():
    problem, pose = full_problem()
    _, system = linearise(problem, pose)
    for _ in range(40):
        e = RNG.normal(size=(FRAMES, BODY.dofs))
        slope = (linearise(problem, step(pose, H * e))[0] - linearise(problem, step(pose, -H * e))[0]) / (4 * H)
        assert np.sum(system.gradient * e) == pytest.approx(slope, rel=1e-6, abs=1e-2)
    for k in range(BODY.dofs):
        e = np.zeros((FRAMES, BODY.dofs))
        e[k % FRAMES, k] = H
        slope = (linearise(problem, step(pose, e))[0] - linearise(problem, step(pose, -e))[0]) / (4 * H)
        assert system.gradient[k % FRAMES, k] == pytest.approx(slope, rel=1e-5, abs=1e-3), BODY.dof_names[k]


def test_depth_velocity_is_that_of_the_distance():
    time, distance = np.array([0.0, 0.02, 0.08]), np.array([4.0, 4.1, 3.8])
    ray = np.array([0.6, 0.0, 0.8])
    residual, slope = costs.depth_velocity(distance[:, None] * ray, time, 1.5, np.array([True, True]))
    speed = np.diff(distance) / np.diff(time) / 1.5 * np.sqrt(30 * np.diff(time))
    assert np.allclose(residual, speed)
    assert np.allclose(slope @ ray * np.diff(distance), speed)
    assert not costs.depth_velocity(distance[:, None] * ray, time, 1.5, np.array([True, False]))[0][1]


def test_composite_bodies_give_the_dense_normal_matrix():
    problem, pose = full_problem()
    m, placed = problem.measured, place(pose, LENGTH_M)
    terms = [
        (costs.ik(placed.xyz_m, BODY.skeleton.root, m.lifted_m, m.inverse_m), RNG.random((FRAMES, 21))),
        (costs.projection(placed.xyz_m, CAMERA, m.xy_px, m.inverse_px), RNG.random((FRAMES, 21))),
    ]
    system = normal.System.empty(FRAMES, BODY.dofs)
    normal.add_points(system, placed, terms)
    dense, gradient = np.zeros((FRAMES, BODY.dofs, BODY.dofs)), np.zeros((FRAMES, BODY.dofs))
    for term, weight in terms:
        J = joint_jacobian(placed) * (np.arange(BODY.dofs) >= 3) if term.relative else joint_jacobian(placed)
        rows = (term.jacobian @ J) * np.sqrt(weight)[..., None, None]
        dense += np.einsum("tjra,tjrb->tab", rows, rows)
        gradient += np.einsum("tjra,tjr->ta", rows, term.residual * np.sqrt(weight)[..., None])
    assert np.allclose(np.tril(system.block), np.tril(dense), atol=1e-8 * np.abs(dense).max())
    assert np.allclose(system.gradient, gradient, atol=1e-9 * np.abs(gradient).max())


def test_banded_step_is_the_dense_step():
    problem, pose = full_problem()
    _, system = linearise(problem, pose)
    D = BODY.dofs
    dense = np.zeros((FRAMES * D, FRAMES * D))
    for t in range(FRAMES):
        dense[t * D : (t + 1) * D, t * D : (t + 1) * D] = np.tril(system.block[t])
        if t + 1 < FRAMES:
            dense[(t + 1) * D : (t + 2) * D, t * D : (t + 1) * D] = system.next[t]
        if t + 2 < FRAMES:
            dense[(t + 2) * D : (t + 3) * D, t * D : (t + 1) * D] = np.diag(system.second[t])
    dense += np.tril(dense, -1).T
    dense[np.diag_indices_from(dense)] *= 1.5
    dense[np.diag_indices_from(dense)] += 1e-9 + 0.5e-3
    expected = -np.linalg.solve(dense, system.gradient.ravel()).reshape(FRAMES, D)
    L = normal.factor(system, 0.5)
    assert L is not None
    assert np.allclose(normal.newton_step(system, L), expected, rtol=1e-6, atol=1e-9)


def test_sampled_steps_have_the_inverse_as_covariance():
    problem, pose = full_problem()
    _, system = linearise(problem, pose)
    L = normal.factor(system, 0.5)
    assert L is not None
    exact = L.solve(np.eye(FRAMES * BODY.dofs).reshape(FRAMES, BODY.dofs, -1)).reshape(FRAMES * BODY.dofs, -1)
    steps = normal.sample_steps(L, 4000, np.random.default_rng(0)).reshape(FRAMES * BODY.dofs, -1)
    ratio = np.mean(steps**2, axis=1) / np.diag(exact)
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert np.abs(ratio - 1).max() < 0.15


def test_robust_loss_and_its_weight_agree():
    r = np.array([[[0.5, 0.0]], [[3.0, 4.0]], [[100.0, 0.0]]])
    loss, weight = costs.robust_weight(r, 3.0)
    up, _ = costs.robust_weight(r * (1 + 1e-6), 3.0)
    slope = (up - loss) / 1e-6
    assert np.allclose(slope, 2 * weight * np.sum(r**2, axis=-1), rtol=1e-4)
    assert weight[2, 0] < 1e-5
