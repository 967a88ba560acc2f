"""What every row of evidence counts, against the correlation that it is made from."""

import numpy as np
import pytest

from fitting.measure import fresh_share, news_share, weigh
from fitting.settings import FitSettings
from tests.people_in_motion import HEIGHT_M, seen, truth

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
