"""Exchanged sides and limbs mirrored in depth are put right and reported; healthy tracks are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from fitting import rotation
from fitting.descent import solve
from fitting.energy import Problem
from fitting.hypotheses import _with_margins, settle_limbs, settle_sides
from fitting.kinematics import place
from fitting.measure import weigh
from fitting.settings import FitSettings
from fitting.solve import fit, fit_clip, prior_lengths
from posecore.metrics import mpjpe_mm
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, truth

TIME = np.arange(75) / 30
XYZ = truth(TIME, seed=4)
SETTINGS = FitSettings(contact=False, floor=False, pixel_outlier=3.0)  # Gaussian noise; the energies below are in its units
LEGS = [BODY.skeleton.index(f"{side}_{part}") for side in ("left", "right") for part in ("hip", "knee", "ankle", "toe")]


def test_exchanged_legs_are_put_right_and_counted():
    good = weigh(seen(XYZ, TIME, 3.0, 0.05), HEIGHT_M, SETTINGS)
    xy, xyz = good.xy_px.copy(), good.lifted_m.copy()
    swapped = LEGS[4:] + LEGS[:4]
    xy[20:40, LEGS], xyz[20:40, LEGS] = good.xy_px[20:40][:, swapped], good.lifted_m[20:40][:, swapped]
    mended, report = settle_sides(replace(good, xy_px=xy, lifted_m=xyz))
    assert report == {"arms": 0, "legs": 20}
    assert np.array_equal(mended.xy_px, good.xy_px)
    assert np.array_equal(mended.lifted_m, good.lifted_m)


@pytest.mark.parametrize("fps", [30, 60, 240])
def test_legs_exchanged_for_most_of_a_second_are_put_right_at_every_frame_rate(fps):
    time_s = np.arange(2 * fps) / fps
    good, wrong = weigh(seen(truth(time_s, seed=4), time_s), HEIGHT_M, SETTINGS), (time_s > 0.6) & (time_s < 1.5)
    order = np.where(wrong[:, None], LEGS[4:] + LEGS[:4], LEGS)
    xy, xyz = good.xy_px.copy(), good.lifted_m.copy()
    xy[:, LEGS], xyz[:, LEGS] = (np.take_along_axis(a, order[..., None], axis=1) for a in (xy, xyz))
    mended, report = settle_sides(replace(good, xy_px=xy, lifted_m=xyz))
    assert report == {"arms": 0, "legs": wrong.sum()}
    assert np.array_equal(mended.xy_px, good.xy_px)


def test_a_healthy_track_is_left_alone():
    good = weigh(seen(XYZ, TIME, 3.0, 0.05), HEIGHT_M, SETTINGS)
    mended, report = settle_sides(good)
    assert report == {"arms": 0, "legs": 0}
    assert np.array_equal(mended.xy_px, good.xy_px)


def test_a_limb_fitted_on_the_wrong_side_is_found_and_mended():
    problem, pose, _, _ = fit(
        Problem(weigh(seen(XYZ, TIME, 2.0, 0.03), HEIGHT_M, SETTINGS), CAMERA, prior_lengths(HEIGHT_M), SETTINGS)
    )
    right = place(pose, problem.bone_length_m).xyz_m
    ball = next(i for i, b in enumerate(BODY.balls) if b.joint == BODY.skeleton.index("left_elbow"))
    pose.ball[30:42, ball] = rotation.exp(np.array([0.0, 2.5, 0.0])) @ pose.ball[30:42, ball]
    wrong = place(pose, problem.bone_length_m).xyz_m
    mended, report = settle_limbs(problem, pose)
    assert mpjpe_mm(wrong[30:42], right[30:42], None) > 50
    assert mpjpe_mm(place(mended, problem.bone_length_m).xyz_m[30:42], right[30:42], None) < 10
    assert [entry["limb"] for entry in report] == ["left_arm"]
    assert report[0]["how"] in ("bridged", "turned over")
    assert report[0]["energy_saved"] > 50
    again, nothing = settle_limbs(problem, mended)
    assert nothing == []
    assert again is mended


def test_a_lift_that_mirrors_a_limb_in_depth_for_a_moment_is_overruled():
    track = seen(XYZ, TIME, 2.0, 0.03)
    hip, chain = BODY.skeleton.index("left_hip"), BODY.skeleton.indices(["left_knee", "left_ankle", "left_toe"])
    local = track.xyz_m.copy()
    local[33:37, chain, 2] = 2 * local[33:37, hip, None, 2] - local[33:37][:, chain, 2]
    clean = fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=SETTINGS)
    fooled = fit_clip(replace(track, xyz_m=local), CAMERA, height_m=HEIGHT_M, settings=SETTINGS)
    lift_error = np.linalg.norm(local - track.xyz_m, axis=2)[33:37][:, chain].mean() * 1000
    error = mpjpe_mm(fooled.xyz_m[33:37][:, chain], clean.xyz_m[33:37][:, chain], None)
    assert lift_error > 150
    assert error < lift_error / 3


def test_the_whole_fit_puts_exchanged_legs_right():
    track, swapped = seen(XYZ, TIME, 3.0, 0.05), LEGS[4:] + LEGS[:4]
    xy, xyz = track.xy_px.copy(), track.xyz_m.copy()
    xy[20:40, LEGS], xyz[20:40, LEGS] = track.xy_px[20:40][:, swapped], track.xyz_m[20:40][:, swapped]
    clean, mended = (
        fit_clip(t, CAMERA, height_m=HEIGHT_M, settings=SETTINGS) for t in (track, replace(track, xy_px=xy, xyz_m=xyz))
    )
    assert mended.report["exchanged_sides"] == {"arms": 0, "legs": 20}
    np.testing.assert_array_equal(mended.xyz_m, clean.xyz_m)


def test_the_whole_fit_gives_a_second_opinion_on_limbs(monkeypatch):
    """An arm that the first pass leaves wound round for 0.4 s; the last pass alone would not bring it back."""
    ball = next(i for i, b in enumerate(BODY.balls) if b.joint == BODY.skeleton.index("left_elbow"))
    track = seen(truth(TIME), TIME, 2.0, 0.03)
    right = fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=SETTINGS)

    def winding(problem, pose):
        pose = solve(problem, pose)
        pose.ball[25:37, ball] = rotation.exp(np.array([0.0, 2.5, 0.0])) @ pose.ball[25:37, ball]
        return pose

    monkeypatch.setattr("fitting.solve.solve", winding)
    mended = fit_clip(track, CAMERA, height_m=HEIGHT_M, settings=SETTINGS)
    assert right.report["settled_limbs"] == []
    assert [entry["limb"] for entry in mended.report["settled_limbs"]] == ["left_arm"]
    assert mpjpe_mm(mended.xyz_m[25:37], right.xyz_m[25:37], None) < 5


@pytest.mark.parametrize("fps", [25.0, 59.94, 240.0])
def test_trials_know_a_fifth_of_a_second_on_both_sides_at_every_frame_rate(fps):
    first, last = _with_margins(500, 520, 1000, fps)
    assert 500 - first == last - 520 == max(12, round(0.2 * fps))
    assert _with_margins(3, 995, 1000, fps) == (0, 1000)
