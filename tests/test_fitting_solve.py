"""The whole fit on motions that are known: noise-free, noisy, displaced, hidden, interrupted and degenerate."""

from dataclasses import replace

import numpy as np
import pytest

from fitting import rotation
from fitting.contact import FEET, SOLE, find_contacts, find_floor
from fitting.kinematics import place, rest_pose
from fitting.settings import FitSettings
from fitting.solve import fit_clip, prior_lengths
from posecore.camera import camera_to_image, image_to_ray
from posecore.errors import InputError
from posecore.export.angles import joint_angles_deg
from posecore.metrics import bone_deviation_mm, mpjpe_mm, mrpe_mm
from posecore.scale import STATURE_M
from posecore.types import Source, Track
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, swaying_pose, truth

TIME = np.arange(60) / 30
XYZ = truth(TIME)
NO_FLOOR = FitSettings(contact=False, floor=False)
QUIET = FitSettings(contact=False, floor=False, prior=0.0, hinge_prior=0.0, pixel_sigma_px=0.5, pixel_sigma_body=0.0)


@pytest.fixture(scope="module")
def noisy():
    return seen(XYZ, TIME, 3.0, 0.06)


@pytest.fixture(scope="module")
def fitted(noisy):
    return fit_clip(noisy, CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)


def test_noise_free_measurements_give_back_the_motion():
    motion = fit_clip(seen(XYZ, TIME), CAMERA, height_m=HEIGHT_M, settings=QUIET)
    assert mpjpe_mm(motion.xyz_m, XYZ, 14) < 6
    assert mrpe_mm(motion.xyz_m, XYZ, 14)["all"] < 20
    assert np.allclose(motion.bone_length_m, prior_lengths(HEIGHT_M), rtol=0.02, atol=1e-9)


def test_noise_is_reduced_and_bones_are_constant(noisy, fitted):
    lifted = noisy.xyz_m * HEIGHT_M / STATURE_M
    assert mpjpe_mm(fitted.xyz_m, XYZ, 14) < mpjpe_mm(lifted, XYZ - XYZ[:, [14]], None) / 3
    assert np.nanmax(bone_deviation_mm(fitted.xyz_m, BODY.skeleton.parent)) < 1e-9
    assert np.allclose(fitted.xy_px, camera_to_image(fitted.xyz_m, CAMERA))
    assert (fitted.source == Source.MEASURED).all()


def test_a_taller_person_is_farther_away_in_proportion(noisy, fitted):
    taller = fit_clip(noisy, CAMERA, height_m=1.1 * HEIGHT_M, settings=NO_FLOOR)
    assert np.median(taller.xyz_m[..., 2] / fitted.xyz_m[..., 2]) == pytest.approx(1.1, abs=0.01)


def test_mirroring_the_picture_mirrors_the_motion(noisy, fitted):
    mirror = BODY.skeleton.mirror
    xy = np.array([1279.0, 0]) + noisy.xy_px[:, mirror] * [-1, 1]
    flipped = replace(noisy, xy_px=xy, xyz_m=noisy.xyz_m[:, mirror] * [-1, 1, 1])
    motion = fit_clip(flipped, CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    assert np.abs(motion.xyz_m[:, mirror] * [-1, 1, 1] - fitted.xyz_m).max() < 2e-3


def test_one_joint_in_ten_displaced_by_200_px_hardly_moves_the_result(noisy, fitted):
    rng = np.random.default_rng(5)
    bad = rng.random(noisy.score.shape) < 0.1
    away = rng.normal(size=(*bad.shape, 2))
    away *= 200 / np.linalg.norm(away, axis=2, keepdims=True)
    motion = fit_clip(replace(noisy, xy_px=noisy.xy_px + away * bad[..., None]), CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    assert mpjpe_mm(motion.xyz_m, fitted.xyz_m, None) < 10
    assert motion.report["rejected_joints_percent"] > 8


def test_windows_leave_no_seam(noisy, fitted):
    windowed = fit_clip(
        noisy, CAMERA, height_m=HEIGHT_M, settings=replace(NO_FLOOR, window_frames=25, overlap_s=0.8, tolerance=1e-7)
    )
    whole = fit_clip(noisy, CAMERA, height_m=HEIGHT_M, settings=replace(NO_FLOOR, tolerance=1e-7))
    assert np.linalg.norm(windowed.xyz_m - whole.xyz_m, axis=2).max() < 1e-3


def test_the_frame_rate_does_not_change_the_motion():
    fast = np.arange(160) / 120
    xyz = truth(fast)
    slow_motion = fit_clip(seen(xyz[::4], fast[::4]), CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    fast_motion = fit_clip(seen(xyz, fast), CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    assert mpjpe_mm(fast_motion.xyz_m[::4], slow_motion.xyz_m, None) < 12


def test_short_gaps_are_filled_and_long_ones_stay_empty(noisy):
    def without(first, last):
        keep = (noisy.frame < first) | (noisy.frame >= last)
        rows = {n: getattr(noisy, n)[keep] for n in ("frame", "time_s", "xy_px", "score", "xyz_m", "sigma_m")}
        return fit_clip(Track(7, **rows), CAMERA, noisy.frame, noisy.time_s, HEIGHT_M, NO_FLOOR)

    short, long = without(20, 30), without(20, 40)
    assert (short.source[20:30] == Source.FILLED).all()
    assert (short.source[:20] != Source.FILLED).all()
    assert mpjpe_mm(short.xyz_m[20:30], XYZ[20:30], None) < 150
    assert (long.source[20:40] == Source.EMPTY).all()
    assert np.isnan(long.xyz_m[20:40]).all()
    assert np.isfinite(long.xyz_m[40:]).all()
    assert short.sigma_m[25].mean() > 1.5 * short.sigma_m[10].mean()


def test_hidden_and_outside_joints_say_so(noisy):
    score, xy = noisy.score.copy(), noisy.xy_px.copy()
    wrist, hand = BODY.skeleton.index("left_wrist"), BODY.skeleton.index("left_hand")
    score[:, [wrist, hand]], score[:, 0] = 0.0, 0.1
    settings = replace(NO_FLOOR, joint_sigma_m=0.0)  # the same for all joints
    motion = fit_clip(replace(noisy, score=score, xy_px=xy), CAMERA, height_m=HEIGHT_M, settings=settings)
    assert (motion.source[:, wrist] == Source.OCCLUDED).all()
    assert (motion.source[:, 0] == Source.WEAK).all()
    across = motion.sigma_m[:, :, 0].mean(axis=0)
    assert across[wrist] > 2 * across[BODY.skeleton.index("right_wrist")]


def test_a_joint_that_the_fit_refuses_is_weak_not_measured(noisy):
    """A wrist seen 150 px off in six frames, with full confidence: what is written there does not rest on it."""
    wrist, xy = BODY.skeleton.index("left_wrist"), noisy.xy_px.copy()
    xy[20:26, wrist] += [150.0, 0.0]
    motion = fit_clip(replace(noisy, xy_px=xy), CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    assert (motion.source[20:26, wrist] == Source.WEAK).all()
    rest = np.delete(motion.source, np.s_[20:26], axis=0)
    assert (rest == Source.MEASURED).mean() > 0.98


def test_an_arm_that_is_never_seen_hangs(noisy):
    score = noisy.score.copy()
    score[:, BODY.skeleton.indices(["left_elbow", "left_wrist", "left_hand"])] = 0.0
    motion = fit_clip(replace(noisy, score=score), CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    shoulder, elbow, neck, spine = (
        motion.xyz_m[:, BODY.skeleton.index(n)] for n in ("left_shoulder", "left_elbow", "neck", "spine")
    )
    down = (spine - neck) / np.linalg.norm(spine - neck, axis=1, keepdims=True)
    upper_arm = (elbow - shoulder) / np.linalg.norm(elbow - shoulder, axis=1, keepdims=True)
    assert np.sum(upper_arm * down, axis=1).min() > 0.5


def test_a_person_half_outside_the_picture_is_completed_and_says_so():
    edge = image_to_ray(np.array([1279.0, 360.0]), CAMERA)[0] * 4
    xyz = XYZ + [edge - 0.3 - XYZ[:, 14, 0].mean(), 0, 0]
    track = seen(xyz, TIME)
    outside = track.xy_px[..., 0] > 1279
    track = replace(track, score=np.where(outside, 0.0, track.score))
    motion = fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    assert mpjpe_mm(motion.xyz_m, xyz, None) < 150
    far = (track.xy_px[..., 0] > 1290) & (motion.source != Source.EMPTY)
    assert np.mean(motion.source[far] == Source.OUTSIDE) > 0.8
    assert not (motion.source[~outside] == Source.OUTSIDE).any()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames, noisy):
    rows = {n: getattr(noisy, n)[:frames] for n in ("frame", "time_s", "xy_px", "score", "xyz_m", "sigma_m")}
    motion = fit_clip(Track(7, **rows), CAMERA, height_m=HEIGHT_M)
    assert mpjpe_mm(motion.xyz_m, XYZ[:frames], 14) < 100


def test_one_visible_joint_collinear_joints_and_nobody_do_not_break_it(noisy):
    one = np.zeros_like(noisy.score)
    one[:, 3] = 0.9
    motion = fit_clip(replace(noisy, score=one), CAMERA, height_m=HEIGHT_M)
    assert np.isfinite(motion.xyz_m).all()
    line = noisy.xyz_m * [0.0, 1.0, 0.0]
    assert np.isfinite(fit_clip(replace(noisy, xyz_m=line), CAMERA, height_m=HEIGHT_M).xyz_m).all()
    empty = fit_clip(replace(noisy, score=0 * noisy.score), CAMERA, height_m=HEIGHT_M)
    assert np.isnan(empty.xyz_m).all()
    assert (empty.source == Source.EMPTY).all()


def test_a_person_behind_the_camera_comes_out_in_front(noisy):
    upside_down = replace(noisy, xy_px=[1279.0, 719.0] - noisy.xy_px)
    motion = fit_clip(upside_down, CAMERA, height_m=HEIGHT_M)
    assert (motion.xyz_m[:, BODY.skeleton.root, 2] > 0).all()


def test_input_that_does_not_fit_is_refused_in_one_line(noisy):
    with pytest.raises(InputError, match="same clip"):
        fit_clip(noisy, CAMERA, noisy.frame[:10], noisy.time_s[:10])
    with pytest.raises(InputError, match="increase"):
        fit_clip(noisy, CAMERA, noisy.frame, noisy.time_s[::-1])


def test_the_same_input_gives_the_same_bits(noisy, fitted):
    again = fit_clip(noisy, CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR)
    assert np.array_equal(again.xyz_m, fitted.xyz_m)
    assert np.array_equal(again.sigma_m, fitted.sigma_m)


def test_unknown_stature_and_lens_widen_depth_but_not_the_picture(noisy, fitted):
    vague = fit_clip(noisy, replace(CAMERA, source="assumed 54 degrees vertically"), height_m=HEIGHT_M, settings=NO_FLOOR)
    assert np.allclose(vague.xyz_m, fitted.xyz_m)
    assert np.allclose(vague.sigma_m[..., 0], fitted.sigma_m[..., 0])
    depth = fitted.xyz_m[..., 2]
    assert np.allclose(vague.sigma_m[..., 1] ** 2 - fitted.sigma_m[..., 1] ** 2, (0.2**2 - 0.01**2) * depth**2, rtol=1e-6)


def test_error_bars_know_that_a_network_s_joints_are_not_quite_the_real_ones(noisy, fitted):
    bare = fit_clip(noisy, CAMERA, height_m=HEIGHT_M, settings=replace(NO_FLOOR, joint_sigma_m=0.0))
    assert np.array_equal(bare.xyz_m, fitted.xyz_m)
    more = fitted.sigma_m**2 - bare.sigma_m**2
    assert np.allclose(more[..., 0], NO_FLOOR.joint_sigma_m**2, atol=1e-12)
    for t, xyz in enumerate(fitted.xyz_m):  # all in the picture, so the depth is off by what they tell of the size
        size_m = np.sqrt(sum(float(np.sum((joint - xyz.mean(axis=0))[:2] ** 2)) for joint in xyz))
        assert np.allclose(more[t, :, 1], NO_FLOOR.joint_sigma_m**2 * (1 + (xyz[:, 2] / size_m) ** 2), rtol=1e-6)


def test_joint_angles_are_the_body_s_own_and_do_not_wrap(fitted):
    """The table's angles, from positions alone, against the coordinates that made the motion."""
    angles, pose = joint_angles_deg(fitted.xyz_m * [1, -1, -1]), swaying_pose(TIME)
    for bone, name in (("ankle", "knee_flexion"), ("wrist", "elbow_flexion")):
        hinge = next(
            i for i, h in enumerate(BODY.hinges) if (BODY.skeleton.joints[h.joint], h.name) == (f"left_{bone}", "flexion")
        )
        assert np.abs(angles[f"left_{name}_deg"] - np.degrees(pose.angle_rad[:, hinge])).mean() < 12, name
    for name, values in angles.items():
        known = values[np.isfinite(values)]
        assert len(known) < 2 or np.abs(np.diff(known)).max() < 90, name


def test_a_still_foot_on_a_tilted_floor_is_found():
    rng = np.random.default_rng(2)
    up = np.array([0.05, -0.98, 0.19])
    up /= np.linalg.norm(up)
    across = np.linalg.svd(up[None])[2][1:]
    xyz = np.repeat(XYZ[:1], 120, axis=0)
    for k, foot in enumerate(FEET):
        spots = rng.uniform(-1, 1, (4, 2)) @ across + [0, 0, 4.0]
        spots += ((-1.0 + SOLE[k % 2] * HEIGHT_M) - spots @ up)[:, None] * up
        xyz[:, BODY.skeleton.index(foot)] = np.repeat(spots, 30, axis=0)
    resting = find_contacts(xyz, np.arange(120) / 30, np.ones(119, dtype=bool), FitSettings())
    assert resting[:25].all()
    assert not resting[29].any()
    floor = find_floor(xyz, resting, HEIGHT_M, FitSettings())
    assert floor is not None
    assert np.degrees(np.arccos(floor.up @ up)) < 2.5
    assert floor.height_m == pytest.approx(-1.0, abs=0.12)


@pytest.mark.parametrize("along", [0, 1])
def test_a_floor_is_known_where_feet_stood_and_less_so_to_either_side(along):
    """Feet that rest along one line fix the floor's slope along it; to its sides the height is known the worse, the farther."""
    way, side = np.roll(np.array([[1.0, 0, 0], [0, 0, 1.0]]), along, axis=0)
    xyz = np.repeat(XYZ[:1], 120, axis=0)
    for k, foot in enumerate(FEET):
        spots = np.array([-0.6, -0.2, 0.2, 0.6])[:, None] * way + [0, 1.0 - SOLE[k % 2] * HEIGHT_M, 4.0]
        xyz[:, BODY.skeleton.index(foot)] = np.repeat(spots, 30, axis=0)
    settings = FitSettings()
    floor = find_floor(xyz, np.ones((119, 4), dtype=bool), HEIGHT_M, settings)
    assert floor is not None
    sigma = [floor.sigma_m(floor.middle_m + d, settings.floor_sigma_m) for d in (0 * way, way, side, 2 * side, 0.5 * floor.up)]
    assert sigma[0] == pytest.approx(settings.floor_sigma_m, abs=1e-12)
    assert sigma[1] < 1.2 * settings.floor_sigma_m
    vague = np.radians(settings.floor_tilt_deg)  # nothing but the prior is known of the slope to the sides
    assert sigma[2] == pytest.approx(np.hypot(settings.floor_sigma_m, vague), rel=0.05)
    assert sigma[3] == pytest.approx(np.hypot(settings.floor_sigma_m, 2 * vague), rel=0.05)
    assert sigma[4] == pytest.approx(settings.floor_sigma_m, rel=1e-3)  # straight up no slope matters


def test_a_pendulum_arm_keeps_its_amplitude_and_its_time():
    time = np.arange(90) / 30
    angle = np.radians(35) * np.cos(2 * np.pi * 0.8 * time)
    pose = rest_pose(len(time))
    pose.root_m[:, 2] = 4.0
    hang = {joint: rotation.exp(np.array([0.0, 0.0, sign * np.pi / 2])) for joint, sign in (("left", -1.0), ("right", 1.0))}
    for side, R in hang.items():
        ball = next(i for i, b in enumerate(BODY.balls) if b.joint == BODY.skeleton.index(f"{side}_elbow"))
        swing = angle if side == "left" else 0 * angle
        pose.ball[:, ball] = rotation.exp(np.stack([-swing, 0 * swing, 0 * swing], axis=1)) @ R
    xyz = place(pose, prior_lengths(HEIGHT_M)).xyz_m
    motion = fit_clip(seen(xyz, time, 3.0, 0.06), CAMERA, height_m=HEIGHT_M)
    shoulder, wrist = BODY.skeleton.index("left_shoulder"), BODY.skeleton.index("left_wrist")
    arm = motion.xyz_m[:, wrist] - motion.xyz_m[:, shoulder]
    found = np.arctan2(-arm[:, 2], arm[:, 1])
    amplitude = 2 * np.abs(np.mean(found * np.exp(-2j * np.pi * 0.8 * time)[: len(found)]))
    assert amplitude == pytest.approx(np.radians(35), rel=0.15)
    assert np.corrcoef(found, angle)[0, 1] > 0.95


def test_a_straight_walk_is_straight_and_has_its_speed():
    time = np.arange(60) / 30
    pose = swaying_pose(time)
    pose.root_m[:] = np.stack([-1.3 + 1.3 * time, 0 * time, 4.5 + 0 * time], axis=1)
    pose.ball[:, 0] = pose.ball[:1, 0]
    xyz = place(pose, prior_lengths(HEIGHT_M)).xyz_m
    root = fit_clip(seen(xyz, time, 3.0, 0.06), CAMERA, height_m=HEIGHT_M, settings=NO_FLOOR).xyz_m[:, 14]
    speed, start = np.polyfit(time, root, 1)
    assert np.allclose(speed, [1.3, 0, 0], atol=0.06)
    assert np.linalg.norm(root - (start + time[:, None] * speed), axis=1).max() < 0.06
