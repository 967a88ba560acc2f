"""What the energy charges as a whole, and that it charges a body and its mirror image alike."""

from dataclasses import replace

import numpy as np
import pytest

from fitting import costs
from fitting.body import _mirrored, load_body
from fitting.energy import Problem, evaluate
from fitting.kinematics import Pose, rest_pose, step
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import prior_lengths
from tests.people_in_motion import CAMERA, HEIGHT_M, seen, truth

BODY = load_body()
TIME = np.arange(13) / 30
FLIP = np.diag([-1.0, 1.0, 1.0])


def energy_of(pose: Pose, settings: FitSettings, **known) -> float:
    """The whole energy of a pose, whatever was measured: only differences count."""
    measured = weigh(seen(truth(TIME), TIME), HEIGHT_M, settings)
    return evaluate(Problem(measured, CAMERA, prior_lengths(HEIGHT_M), settings, **known), pose).energy


def test_walking_away_costs_the_square_of_its_speed_and_walking_across_nothing():
    """Energy with the term less energy without it: one per frame at the speed that counts as one standard deviation."""
    settings = FitSettings(depth_velocity_mps=1.2)
    for way, cost in (([0.0, 0.0, 1.0], 1.0), ([1.0, 0.0, 0.0], 0.0)):
        pose = rest_pose(len(TIME))
        pose.root_m[:] = [0.0, 0.0, 1000.0]  # so far that all rays are one
        pose.root_m[:] += 1.2 * (TIME - TIME.mean())[:, None] * way
        more = energy_of(pose, settings) - energy_of(pose, replace(settings, depth_velocity_mps=1e9))
        assert more == pytest.approx(cost * (len(TIME) - 1), abs=1e-3)


@pytest.mark.parametrize("speed_mps", [0.05, 0.3, 3.0])
def test_a_resting_foot_that_moves_costs_the_square_of_its_speed_until_it_is_let_go(speed_mps):
    """All four foot points, held by as many standard deviations as their speed is of what a resting foot is allowed, at most
    by `contact_outlier` of them: Geman-McClure's s c^2 / (s + c^2)."""
    settings = FitSettings()
    pose, rests = rest_pose(len(TIME)), np.ones((len(TIME) - 1, 4))
    pose.root_m[:] = np.array([0.0, 0.0, 4.0]) + speed_mps * TIME[:, None] * [1.0, 0.0, 0.0]
    square, most = (speed_mps / settings.contact_sigma_mps) ** 2, settings.contact_outlier**2
    one = square * most / (square + most)
    for resting in (rests, 0.5 * rests, np.eye(len(rests), 4)):
        more = energy_of(pose, settings, resting=resting) - energy_of(pose, settings)
        assert more == pytest.approx(one * resting.sum(), rel=1e-6)


def test_a_resting_foot_costs_the_same_at_every_frame_rate():
    def loss(rate_hz):
        time_s = np.arange(0, 1 + 1e-9, 1 / rate_hz)
        feet_m = np.zeros((len(time_s), 4, 3))
        feet_m[..., 0] = np.array([0.05, 0.2, 0.6, 2.0]) * time_s[:, None]
        return costs.resting_feet(feet_m, time_s, np.ones((len(time_s) - 1, 4)), 0.14, 2.5)[1]

    assert loss(240) == pytest.approx(loss(30), rel=1e-9)


def mirror_image(pose: Pose) -> Pose:
    """The pose in the mirror x -> -x: sides exchanged, R -> F R F. Limbs' hinges read alike, the head's bends change sign."""
    names, mirror = BODY.skeleton.joints, BODY.skeleton.mirror
    balls = [next(i for i, b in enumerate(BODY.balls) if b.joint == mirror[ball.joint]) for ball in BODY.balls]
    key = [(names[h.joint], h.name) for h in BODY.hinges]
    hinges = [key.index((names[mirror[h.joint]], h.name)) for h in BODY.hinges]
    sign = [-1.0 if names[h.joint].startswith("head") and h.name == "bend" else 1.0 for h in BODY.hinges]
    return Pose(pose.root_m @ FLIP, FLIP @ pose.ball[:, balls] @ FLIP, pose.angle_rad[:, hinges] * sign)


def test_a_body_and_its_mirror_image_pass_their_limits_alike():
    rng, frames = np.random.default_rng(5), 8
    pose = step(rest_pose(frames), rng.normal(size=(frames, BODY.dofs)))
    strength = np.full(frames, 3.0)
    for cost in (costs.hinge_prior, costs.ball_prior, costs.hinge_limits, costs.cone_limits, costs.twist_limits):
        one, other = (np.sum(cost(p, BODY, strength).residual ** 2, axis=(1, 2)) for p in (pose, mirror_image(pose)))
        assert one.max() > 0.1
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("twist_deg", [[-20.0, 70.0], [-90.0, -10.0]])
def test_an_uneven_range_of_twist_is_turned_round_for_the_other_side(twist_deg):
    """The file's ranges are even today; one that is not must be exchanged and negated, as the twist itself in the mirror."""
    entry = {"rest": [0.6, -0.8, 0.1], "turn": "ball", "twist_deg": twist_deg}
    ranges = {"left_elbow": entry["twist_deg"], "right_elbow": _mirrored(entry)["twist_deg"]}
    balls = list(BODY.balls)
    left, right = (next(i for i, b in enumerate(balls) if BODY.skeleton.joints[b.joint] == name) for name in ranges)
    for i, range_deg in zip((left, right), ranges.values(), strict=True):
        balls[i] = replace(balls[i], twist_rad=tuple(np.radians(range_deg)))
    body, rng, frames = replace(BODY, balls=tuple(balls)), np.random.default_rng(6), 20
    pose = step(rest_pose(frames), rng.normal(size=(frames, BODY.dofs)))
    one, there = (costs.twist_limits(p, body, np.ones(frames)).residual for p in (pose, mirror_image(pose)))
    assert np.abs(one[:, left - 1]).max() > 0.1
    np.testing.assert_allclose(there[:, right - 1], -one[:, left - 1], atol=1e-9)
    np.testing.assert_allclose(there[:, left - 1], -one[:, right - 1], atol=1e-9)
