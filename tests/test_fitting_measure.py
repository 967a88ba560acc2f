"""What every row of evidence counts, against the correlation that it is made from."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.costs import robust_weight
from fitting.measure import fresh_share, news_share, weigh
from fitting.settings import FitSettings
from fitting.solve import fit_clip
from posecore.types import Source
from tests.people_in_motion import BODY, CAMERA, HEIGHT_M, seen, truth

RNG = np.random.default_rng(0)
TIMES = {
    "even": np.arange(9) / 60,
    "alternating": np.cumsum(np.tile([1 / 60, 3 / 60], 5)),
    "uneven": np.cumsum(RNG.uniform(0.002, 0.2, 12)),
    "a pause": np.array([0.0, 0.01, 0.02, 60.0, 60.01, 60.02]),
    "two rows": np.array([0.0, 0.04]),
    "one row": np.array([3.0]),
}


@pytest.mark.parametrize("time_s", TIMES.values(), ids=TIMES.keys())
@pytest.mark.parametrize("memory_s", [0.06, 0.2])
def test_a_row_counts_what_the_inverse_of_the_errors_correlation_says(time_s, memory_s):
    correlation = np.exp(-np.abs(time_s[:, None] - time_s) / memory_s)
    share, exact = news_share(time_s, memory_s), np.linalg.solve(correlation, np.ones(len(time_s)))
    assert np.allclose(share[1:-1], exact[1:-1], rtol=1e-9)
    assert np.allclose(
        share[[0, -1]], exact[[0, -1]] if len(time_s) < 2 else 2 * exact[[0, -1]] - 1, rtol=1e-9
    )  # no start, no end
    assert share.max() <= 1.0
    assert (news_share(time_s, 0.0) == 1.0).all()


@pytest.mark.parametrize("time_s", TIMES.values(), ids=TIMES.keys())
def test_a_memory_less_prior_counts_by_time_and_no_frame_counts_twice(time_s):
    share, steps = fresh_share(time_s), np.minimum(30 * np.diff(time_s), 1.0)
    assert share.max() <= 1.0
    ends = 0.5 * (steps[0] + steps[-1]) if len(steps) else 1.0  # half a step beyond either end
    assert share.sum() == pytest.approx(steps.sum() + ends, rel=1e-9)


def test_evidence_at_uneven_times_is_not_thrown_away():
    """Of rows 1/60 and 3/60 s apart in turn, all count alike: more than at 60, less than at 20 frames a second."""
    count = 20
    times = [np.arange(count) / 60, np.cumsum(np.tile([1 / 60, 3 / 60], count // 2)), np.arange(count) / 20]
    weight = [weigh(seen(truth(t), t), HEIGHT_M, FitSettings()).inverse_px[5:-5].mean(axis=1) for t in times]
    dense, uneven, sparse = (w / w.mean() for w in weight)
    for alone in (dense, uneven, sparse):
        assert alone.std() < 0.05
    assert 1.2 * weight[0].mean() < weight[1].mean() < weight[2].mean()


def test_an_outlier_is_one_at_every_frame_rate_above_60():
    """What a joint that is off for as long costs and weighs in all is the same, however many rows it is seen in."""
    settings, off_px, costs = FitSettings(), np.array([5.0, 20.0, 60.0]), []
    for fps in (30, 60, 120, 240, 1000):
        time_s = np.arange(20) / fps
        m = weigh(seen(truth(time_s[:1]).repeat(20, axis=0), time_s), HEIGHT_M, settings)
        loss, weight = robust_weight(off_px[:, None] * m.inverse_px[:, 0, None, None], m.outlier_px)
        costs.append(np.concatenate([loss / m.inverse_px[:, :1] ** 2, weight], axis=1))
        same = [np.allclose(m.outlier_px, settings.pixel_outlier), np.allclose(m.outlier_m, settings.lift_outlier)]
        assert same == [fps <= 60] * 2
    for above in costs[2:]:
        assert np.allclose(above, costs[1], rtol=1e-9)
    assert (costs[0][:, 3:] < costs[1][:, 3:]).all()


def test_a_wrist_seen_off_for_a_while_pulls_no_more_at_a_high_frame_rate():
    wrist, time_s = BODY.skeleton.index("left_wrist"), np.arange(150) / 240
    plain = FitSettings(contact=False, floor=False, iterations=4)
    track, off = seen(truth(time_s, seed=4), time_s), (time_s > 0.15) & (time_s < 0.5)
    wrong = replace(track, xy_px=track.xy_px + [40.0, 0.0] * (off[:, None] & (np.arange(21) == wrist))[..., None])
    fooled = fit_clip(wrong, CAMERA, height_m=HEIGHT_M, settings=plain)
    assert np.linalg.norm(fooled.xy_px - track.xy_px, axis=2)[off, wrist].max() < 6
    assert (fooled.source[off, wrist] == Source.WEAK).all()
