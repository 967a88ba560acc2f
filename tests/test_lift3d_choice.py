"""Second places of joints: found below a cell, chosen over time where body and motion speak for them."""

from itertools import product

import numpy as np
import pytest

from lift3d import choice
from lift3d.choice import choose_places
from lift3d.codec import decode, decode_twice, encode_heat, find_second_peaks, to_cells
from posecore.skeleton import load_skeleton
from posecore.types import Track

VNECT = load_skeleton("vnect21")
LEFT, RIGHT = VNECT.index("left_ankle"), VNECT.index("right_ankle")


def two_places(first, second, share, cells=24):
    return (1 - share) * encode_heat(np.array([first]), cells) + share * encode_heat(np.array([second]), cells)


def test_the_second_peak_is_found_below_a_cell():
    heat = two_places((50.0, 60.0), (131.5, 97.2), 0.3)
    xy, score = find_second_peaks(heat)
    np.testing.assert_allclose(xy[0], to_cells(np.array([131.5, 97.2])), atol=1e-3)  # the other Gaussian's tail is 1e-10 there
    assert score[0] == pytest.approx(0.3, abs=0.02)  # the mass within the radius lacks the Gaussian's tails


def test_a_single_peak_has_no_second():
    xy, score = find_second_peaks(encode_heat(np.array([[50.0, 60.0]]), 24))
    assert np.isnan(xy).all()
    assert score[0] == 0


def test_decode_is_the_first_of_decode_twice_and_both_share_the_pelvis():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(6, 21, 24, 24)).astype(np.float32)
    first, second = decode_twice(maps, VNECT.root)
    for one, other in zip(decode(maps, VNECT.root), first, strict=True):
        np.testing.assert_array_equal(one, other)
    maps[1:4] += 5.0  # the same metres everywhere: relative to one pelvis nothing changes
    np.testing.assert_allclose(decode_twice(maps, VNECT.root)[1][2], second[2], atol=1e-5)


def walker(frames=20):
    """A person 200 px tall whose left ankle swings away from the right one; (T, 21, 2) px."""
    rng = np.random.default_rng(1)
    xy = np.tile(rng.uniform(0, 200, (21, 2)), (frames, 1, 1))
    xy[:, RIGHT] = [100.0, 200.0]
    xy[:, LEFT] = np.stack([np.linspace(105, 190, frames), np.full(frames, 190.0)], axis=1)
    return xy


def track_of(xy, score, fps=30):
    frames = np.arange(len(xy))
    xyz, sigma = np.repeat(xy, 2, axis=2)[..., :3] / 100, np.full((*score.shape, 2), 0.1)
    return Track(1, frames, frames / fps, xy, score, xyz, sigma)


def doubled(confusion=slice(5, 15), share=0.45):
    """Truth; and what a network says that puts both ankles on the right leg for a while."""
    truth = walker()
    best, second = truth.copy(), np.full_like(truth, np.nan)
    score, other = np.ones(truth.shape[:2]), np.zeros(truth.shape[:2])
    best[confusion, LEFT], second[confusion, LEFT] = truth[confusion, RIGHT], truth[confusion, LEFT]
    score[confusion, LEFT], other[confusion, LEFT] = 1 - share, share
    return truth, track_of(best, score), track_of(second, other)


@pytest.mark.parametrize("share", [0.2, 0.45])
def test_both_ankles_on_one_leg_are_parted_where_the_map_knew_the_other(share):
    truth, best, second = doubled(share=share)
    chosen = choose_places(best, second)
    np.testing.assert_array_equal(chosen.xy_px, truth)
    np.testing.assert_array_equal(chosen.xyz_m[5:15, LEFT], second.xyz_m[5:15, LEFT])
    assert chosen.score[5, LEFT] == pytest.approx(share)


@pytest.mark.parametrize("name", ["hand", "toe"])
@pytest.mark.parametrize("there", [True, False])
def test_the_end_of_a_limb_goes_where_the_joint_before_it_goes(name, there):
    """Hands and toes have no choice of their own: with the wrist or ankle to its second place, if they have one."""
    end, before = VNECT.index(f"left_{name}"), VNECT.index({"hand": "left_wrist", "toe": "left_ankle"}[name])
    opposite, rows = VNECT.mirror[before], slice(5, 15)
    truth = walker()
    truth[:, opposite], truth[:, before] = truth[:, RIGHT].copy(), truth[:, LEFT].copy()
    truth[:, end], truth[:, VNECT.mirror[end]] = truth[:, before] + [5.0, 8.0], truth[:, opposite] + [5.0, 8.0]
    best, second = truth.copy(), np.full_like(truth, np.nan)
    score, other = np.ones(truth.shape[:2]), np.zeros(truth.shape[:2])
    for joint, has_second in ((before, True), (end, there)):
        best[rows, joint] = truth[rows, VNECT.mirror[joint]]
        if has_second:
            second[rows, joint], score[rows, joint], other[rows, joint] = truth[rows, joint], 0.6, 0.4
    chosen = choose_places(track_of(best, score), track_of(second, other))
    np.testing.assert_array_equal(chosen.xy_px[:, before], truth[:, before])
    np.testing.assert_array_equal(chosen.xy_px[:, end], (truth if there else best)[:, end])


@pytest.mark.parametrize("fps", [15, 30, 60, 120, 240, 1000])
def test_a_wrong_peak_that_lasts_a_fifth_of_a_second_is_mended_at_every_frame_rate(fps):
    """0.6 against 0.4 for 0.2 s costs less than to jump there and back; seen in more frames it must not cost more."""
    truth, confused = walker(fps), slice(round(0.4 * fps), round(0.6 * fps))
    best, second = truth.copy(), np.full_like(truth, np.nan)
    score, other = np.ones(truth.shape[:2]), np.zeros(truth.shape[:2])
    best[confused, LEFT], second[confused, LEFT] = truth[confused, LEFT] + [60.0, -60.0], truth[confused, LEFT]
    score[confused, LEFT], other[confused, LEFT] = 0.6, 0.4
    chosen = choose_places(track_of(best, score, fps), track_of(second, other, fps))
    np.testing.assert_array_equal(chosen.xy_px, truth)


@pytest.mark.parametrize("offset_px", [-1000.0, 500.0, 1700.0])
def test_where_in_the_picture_somebody_stands_decides_nothing(offset_px):
    """A raised hand makes the box breathe by 5 %; pixels over each frame's own height had made that a way far to the right."""
    truth, confused = walker(60), slice(20, 26)
    truth[:, VNECT.index("left_hand")] = np.stack([np.full(60, 120.0), -10.0 * (np.arange(60) % 2)], axis=1)
    best, second = truth.copy(), np.full_like(truth, np.nan)
    score, other = np.ones(truth.shape[:2]), np.zeros(truth.shape[:2])
    best[confused, LEFT], second[confused, LEFT] = truth[confused, LEFT] + [60.0, -60.0], truth[confused, LEFT]
    score[confused, LEFT], other[confused, LEFT] = 0.6, 0.4
    moved = [track_of(xy + [offset_px, 0.0], s) for xy, s in ((best, score), (second, other))]
    np.testing.assert_array_equal(choose_places(*moved).xy_px, truth + [offset_px, 0.0])


@pytest.mark.parametrize(("dt_s", "stays"), [(0.05, True), (0.15, True), (0.25, False), (0.6, False)])
def test_rows_bind_each_other_up_to_a_fifth_of_a_second(dt_s, stays):
    """0.55 against 0.45 is not worth a jump of 0.75 heights; beyond the gap every row is by itself."""
    truth = np.tile(np.random.default_rng(1).uniform(0, 200, (21, 2)), (3, 1, 1))
    truth[:, 0], truth[:, RIGHT], truth[:, LEFT] = [0.0, 0.0], [0.0, 200.0], [180.0, 200.0]
    best, second = truth.copy(), np.full_like(truth, np.nan)
    score, other = np.ones(truth.shape[:2]), np.zeros(truth.shape[:2])
    best[1, LEFT], second[1, LEFT] = truth[1, LEFT] - [0.0, 150.0], truth[1, LEFT]
    score[1, LEFT], other[1, LEFT] = 0.55, 0.45
    chosen = choose_places(track_of(best, score, 1 / dt_s), track_of(second, other, 1 / dt_s))
    np.testing.assert_array_equal(chosen.xy_px, truth if stays else best)


def test_a_second_place_brings_its_own_error_bars():
    _, best, second = doubled()
    second.sigma_m[:] = 0.4
    sigma = choose_places(best, second).sigma_m
    assert (sigma[5:15, LEFT] == 0.4).all()
    assert (np.delete(sigma, LEFT, axis=1) == 0.1).all()


@pytest.mark.parametrize("dt_s", [0.0, 1e-9, 1e-5])
def test_a_joint_without_a_second_place_stays_where_time_stands_still(dt_s):
    """A row of no length costs nothing by itself, but a place that is none must stay forbidden there too."""
    xy = np.tile(np.random.default_rng(0).uniform(0, 10, (21, 2)), (6, 1, 1))
    xy[:, 0] = [0.0, 200.0]
    xy[2, LEFT] = [60.0, 60.0]  # a jump: to go nowhere would be cheaper
    best, nowhere = track_of(xy, np.full((6, 21), 0.9)), track_of(np.full_like(xy, np.nan), np.zeros((6, 21)))
    for seen in (best, nowhere):
        seen.time_s[2:] += dt_s - 1 / 30
    np.testing.assert_array_equal(choose_places(best, nowhere).xy_px, xy)


def test_legs_that_truly_overlap_stay_together():
    xy = walker()
    xy[:, LEFT] = xy[:, RIGHT] + 2.0
    second = np.full_like(xy, np.nan)
    second[:, LEFT] = xy[:, LEFT] + 80.0
    other = np.zeros(xy.shape[:2])
    other[:, LEFT] = 0.02  # the map hardly knows another place
    best = track_of(xy, np.where(other > 0, 0.98, 1.0))
    np.testing.assert_array_equal(choose_places(best, track_of(second, other)).xy_px, xy)


def test_without_second_places_nothing_changes():
    best = track_of(walker(), np.full((20, 21), 0.7))
    nowhere = track_of(np.full((20, 21, 2), np.nan), np.zeros((20, 21)))
    chosen = choose_places(best, nowhere)
    for name in ("xy_px", "score", "xyz_m", "sigma_m"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(best, name))


def cost_of(path, xy, score, time_s, height):
    """The cost in the module's docstring, term by term."""
    total = 0.0
    for t, state in enumerate(path):
        place = [xy[t, j, k] for j, k in enumerate(state)]
        count = min(choice.FULL_HZ * (time_s[t] - time_s[t - 1]), 1.0) if t else 1.0
        total -= count * sum(np.log(score[t, j, k]) for j, k in enumerate(state))
        total += count * choice.SHARED * sum(np.linalg.norm(place[j] - place[j + 2]) < choice.NEAR * height[t] for j in (0, 1))
        if t and time_s[t] - time_s[t - 1] <= choice.GAP_S:
            step = choice.STEP * max(30 * (time_s[t] - time_s[t - 1]), 1.0) * height[t]
            before = [xy[t - 1, j, k] for j, k in enumerate(path[t - 1])]
            total += sum(min((np.linalg.norm(a - b) / step) ** 2, choice.CAP) for a, b in zip(place, before, strict=True))
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_path_is_the_cheapest_of_all(seed):
    rng = np.random.default_rng(seed)
    xy, score = rng.uniform(0, 0.3, (3, 4, 2, 2)), rng.uniform(0.05, 1, (3, 4, 2))
    time_s = np.array([0.0, 0.006, 0.1])
    height = rng.uniform(0.3, 2.0, 3)
    found = choice._cheapest(xy, score, time_s, height).astype(int)
    every = (np.array(path) for path in product(product((0, 1), repeat=4), repeat=3))
    best = min(every, key=lambda path: cost_of(path, xy, score, time_s, height))
    np.testing.assert_array_equal(found, best)


def test_frames_far_apart_do_not_bind_each_other():
    truth, best, second = doubled()
    slow = [Track(1, t.frame, t.time_s * 30, t.xy_px, t.score, t.xyz_m, t.sigma_m) for t in (best, second)]
    np.testing.assert_array_equal(choose_places(*slow).xy_px, truth)  # the shared place alone decides, each frame by itself
