"""What is kept of a person while a clip runs: every row, in few pieces of memory."""

import tracemalloc

import numpy as np

from apps.followed import Followed, Rows
from posecore.types import Frame, Pose3D

NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def place(value):
    return np.full((21, 8), value, dtype=float)


def rows_of(*values):
    rows = Rows()
    for value in values:
        rows.append(place(value), place(-value))
    return rows


def test_rows_come_back_in_their_order_however_many():
    rows = rows_of(*range(1000))
    assert len(rows) == 1000
    assert rows.array.shape == (1000, 2, 21, 8)
    np.testing.assert_array_equal(rows.array[:, 0, 0, 0], np.arange(1000))
    np.testing.assert_array_equal(rows.array[:, 1, 20, 7], -np.arange(1000))


def test_rows_are_struck_at_either_end_and_never_more_than_there_are():
    rows = rows_of(1, 2, 3, 4, 5)
    rows.forget_first(2)
    rows.forget_last(1)
    np.testing.assert_array_equal(rows.array[:, 0, 0, 0], [3, 4])
    rows.append(place(9), place(9))
    np.testing.assert_array_equal(rows.array[:, 0, 0, 0], [3, 4, 9])
    rows.forget_last(7)
    assert not rows
    rows.forget_first(7)
    assert not rows


def test_rows_of_a_camera_that_runs_for_days_take_no_more_room():
    rows = rows_of(*range(100))
    for k in range(10_000):
        rows.append(place(k), place(k))
        rows.forget_first(1)
    np.testing.assert_array_equal(rows.array[:, 0, 0, 0], np.arange(9900, 10_000))
    assert len(rows.array.base) <= 2 * len(rows) + 64


def test_a_frame_leaves_no_piece_of_memory_of_its_own():
    """Small arrays that stay cut up the room that pictures leave: the heap of a long clip grew fourfold."""
    pose = Pose3D(np.ones((21, 2)), np.ones(21), np.ones((21, 3)), np.ones((21, 2)))
    person = Followed(None)
    tracemalloc.start()
    try:
        for k in range(2000):
            person.add(Frame(k, k / 30, NO_PICTURE), pose)
        pieces = [t for t in tracemalloc.take_snapshot().traces if t.size > 512]  # smaller ones have arenas of their own
    finally:
        tracemalloc.stop()
    assert len(pieces) < 100
    assert len(person.rows) == 2000


def test_what_a_person_wore_goes_with_the_rows_it_was_seen_in():
    person = Followed(None)
    assert person.worn().colours.shape == (0, 3, 3)
    pose = Pose3D(np.ones((21, 2)), np.ones(21), np.ones((21, 3)), np.ones((21, 2)))
    for k in range(6):
        person.add(Frame(k, k / 30, NO_PICTURE), pose)
        person.looks.append((k, np.full(9, float(k)).tolist()))
    person.forget_first(4)
    worn = person.worn()
    np.testing.assert_array_equal(worn.frame, [4, 5])
    np.testing.assert_array_equal(worn.colours, np.broadcast_to(np.array([4.0, 5.0])[:, None, None], (2, 3, 3)))
    person.forget_first(2)
    assert len(person.worn().frame) == 0
