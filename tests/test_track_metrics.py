import numpy as np
import pytest

from posecore.errors import InputError
from posecore.track_metrics import TrackFrame, score_tracks


def frames(*rows):
    """Frames of (true numbers, found numbers), found in the same order as true; None is nobody."""
    out = []
    for truth, found in rows:
        table = np.array([[float(t is not None and t == k) for k in range(len(found))] for t in range(len(truth))])
        keep_t, keep_f = [i for i, t in enumerate(truth) if t], [i for i, f in enumerate(found) if f]
        table = table.reshape(len(truth), len(found))[np.ix_(keep_t, keep_f)]
        out.append(TrackFrame([truth[i] for i in keep_t], [found[i] for i in keep_f], table))
    return out


def test_perfect_tracks_score_one():
    scores = score_tracks(frames(*[(("a", "b"), (1, 2))] * 4))
    assert (scores.mota, scores.idf1, scores.hota, scores.switches) == (1, 1, pytest.approx(1), 0)


def test_two_people_who_swap_numbers_half_way():
    scores = score_tracks(frames(*[(("a", "b"), (1, 2))] * 5, *[(("a", "b"), (2, 1))] * 5))
    assert scores.switches == 2
    assert scores.mota == pytest.approx(1 - 2 / 20)
    assert scores.idf1 == pytest.approx(0.5)
    assert scores.hota == pytest.approx(np.sqrt(5 / 15))  # each pair: 5 together of 10 + 10 - 5


def test_missed_and_false_people():
    scores = score_tracks(frames((("a",), (1,)), (("a",), (None,)), ((None,), (7,)), (("a",), (1,))))
    assert (scores.missed, scores.false, scores.switches) == (1, 1, 0)
    assert scores.mota == pytest.approx(1 - 2 / 3)
    assert scores.idf1 == pytest.approx(2 * 2 / (3 + 3))
    assert scores.hota == pytest.approx(np.sqrt(2 / 4 * 2 / 3))


def test_a_number_changed_while_out_of_sight_is_a_switch():
    scores = score_tracks(frames((("a",), (1,)), (("a",), (None,)), (("a",), (2,))))
    assert scores.switches == 1


def test_a_kept_number_is_preferred_to_a_closer_one():
    first = TrackFrame(["a"], [1], np.array([[0.9]]))
    second = TrackFrame(["a"], [1, 2], np.array([[0.6, 0.99]]))
    assert score_tracks([first, second]).switches == 0
    assert score_tracks([first, TrackFrame(["a"], [1, 2], np.array([[0.4, 0.99]]))]).switches == 1


def test_hota_averages_over_the_similarity():
    scores = score_tracks([TrackFrame(["a"], [1], np.array([[0.5]]))] * 3)
    assert scores.hota == pytest.approx(10 / 19)  # right at the thresholds 0.05 .. 0.50


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="shape"):
        TrackFrame(["a"], [1], np.zeros((2, 1)))
    with pytest.raises(InputError, match="true person"):
        score_tracks([TrackFrame([], [1], np.zeros((0, 1)))])
