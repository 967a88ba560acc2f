import numpy as np
import pytest

from pose2d.motion import BodyMotion, MotionSettings
from pose2d.tracker import Tracker, TrackerSettings
from posecore.errors import InputError
from posecore.skeleton import convert, load_skeleton
from posecore.track_metrics import score_tracks
from posecore.types import Detection2D
from tests.people2d import upright
from tests.walkers import Walker, follow

THREE = [Walker(0, 150), Walker(320, 0, 250, 1, 85), Walker(640, -170, 270, 2, 75)]
FAST = [Walker(0, 300), Walker(640, -300, phase=1), Walker(300, 20, phase=2)]


def steady(duration_s, rate_hz):
    return np.arange(0, duration_s, 1 / rate_hz)


def seen(xy_px, skeleton="openpose18"):
    return Detection2D(xy_px, np.isfinite(xy_px[:, 0]).astype(float), skeleton)


@pytest.mark.parametrize(
    ("walkers", "times_s", "options"),
    [
        (THREE, steady(4, 15), {}),
        (THREE, steady(4, 10), {"hidden_share": 0.3}),  # hidden longer
        (THREE, steady(4, 15), {"missed": 0.4}),
        (THREE, np.cumsum(np.random.default_rng(0).uniform(0.01, 0.15, 55)), {}),  # uneven time steps
        (FAST, steady(2.1, 20), {"noise_px": 5.0}),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_three_people_who_cross_keep_their_numbers(walkers, times_s, options, seed):
    scores = score_tracks(follow(Tracker(), walkers, times_s, seed, **options))
    assert scores.switches == 0
    assert scores.idf1 >= 0.95


def test_numbers_are_given_in_order_and_never_twice():
    tracker = Tracker()
    left, right = seen(upright(100, 50, 200)), seen(upright(400, 50, 200))
    assert tracker.update(0.0, [left, right]) == [1, 2]
    assert tracker.update(0.1, [right, left]) == [2, 1]
    tracker.reset()
    assert tracker.update(0.2, [right]) == [3]
    tracker.drop(3)
    tracker.drop(99)
    assert tracker.update(0.3, [right]) == [4]
    assert tracker.update(0.4, []) == []


@pytest.mark.parametrize("away_s", [0.5, 1.0])
def test_who_leaves_the_picture_and_turns_back_is_found_again(away_s):
    tracker, walker = Tracker(), Walker(200, -200)
    for time_s in steady(1, 20):
        tracker.update(time_s, [seen(walker.joints(time_s))])
    back = seen(Walker(30, 0).joints(0))
    assert tracker.update(1 + away_s, [back]) == [1]


def test_who_walked_on_behind_a_wall_is_found_again_and_strangers_are_not():
    walker = Walker(0, 150)
    for place_px, wanted in (((0, 0), 1), ((300, 0), 2)):
        tracker = Tracker()
        for time_s in steady(1, 20):
            tracker.update(time_s, [seen(walker.joints(time_s))])
        assert tracker.update(2.0, [seen(walker.joints(2.0) + place_px)]) == [wanted]


def turned(xy_px, angle_rad, move_px=(0, 0)):
    """Joints turned about the middle of their box."""
    box = seen(xy_px).box_xyxy_px
    middle = (box[:2] + box[2:]) / 2
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    out = (xy_px - middle) @ np.array([[c, s], [-s, c]])
    return out - (out.max(axis=0) + out.min(axis=0)) / 2 + middle + move_px


@pytest.mark.parametrize("angle_deg", [90, 180, 250])
def test_who_turns_a_cartwheel_between_two_looks_keeps_the_number(angle_deg):
    for move_px, wanted in (((10, 5), 1), ((250, 0), 2)):
        tracker, person = Tracker(), upright(300, 50, 200)
        for time_s in steady(1, 15):
            tracker.update(time_s, [seen(person)])
        assert tracker.update(1.1, [seen(turned(person, np.radians(angle_deg), move_px))]) == [wanted]


def test_a_tumble_takes_nobody_elses_number():
    """Of two side by side one lies down; the other, in the pose that the first had, is still the other."""
    tracker, one, two = Tracker(), upright(300, 50, 200), upright(370, 50, 200)
    for time_s in steady(1, 15):
        assert tracker.update(time_s, [seen(one), seen(two)]) == [1, 2]
    assert tracker.update(1.05, [seen(two), seen(turned(one, np.pi / 2))]) == [2, 1]


@pytest.mark.parametrize(("odds", "wanted"), [(0.1, [1]), (1.0, [3])])
def test_a_double_does_not_take_the_number_of_whom_it_lies_on(odds, wanted):
    """The detector once makes a third body of the joints of two; then it finds one of the two, where the third was."""
    tracker, one, two = Tracker(TrackerSettings(double_odds=odds)), upright(300, 50, 200), upright(340, 50, 200)
    for time_s in steady(1, 15):
        assert tracker.update(time_s, [seen(one), seen(two)]) == [1, 2]
    third = one + [12.0, 0.0]
    assert tracker.update(1.05, [seen(one), seen(two), seen(third)]) == [1, 2, 3]
    assert tracker.update(1.10, [seen(one + [12.0, 0.0])]) == wanted


def test_a_double_that_stays_is_somebody():
    """Whoever is found again and again counts as much as the others in the end, however close he stood at first."""
    tracker, one = Tracker(TrackerSettings(double_odds=1e-3)), upright(300, 50, 200)
    for time_s in steady(1, 15):
        tracker.update(time_s, [seen(one)])
    for time_s in (1.05, 1.1, 1.15, 1.2):
        assert tracker.update(time_s, [seen(one), seen(one + [14.0, 0.0])]) == [1, 2]
    assert tracker.update(1.25, [seen(one + [13.0, 0.0])]) == [2]


def test_people_are_given_up_in_time():
    tracker = Tracker(TrackerSettings(max_lost_s=0.5))
    person = seen(upright(100, 50, 200))
    tracker.update(0.0, [person])
    assert set(tracker.predict(0.5)) == {1}
    assert tracker.predict(0.6) == {}
    assert tracker.update(0.6, [person]) == [2]


def test_predicted_boxes_move_on_with_the_person():
    tracker, walker = Tracker(), Walker(0, 150)
    for time_s in steady(1, 30):
        tracker.update(time_s, [seen(walker.joints(time_s))])
    box = tracker.predict(1.2)[1]
    assert box == pytest.approx(seen(walker.joints(1.2)).box_xyxy_px, abs=12)
    assert box == pytest.approx(tracker.predict(1.2)[1])  # looking changes nothing


def test_a_person_is_followed_through_poses_of_the_lift():
    openpose, vnect = load_skeleton("openpose18"), load_skeleton("vnect21")
    tracker, walkers = Tracker(), [Walker(0, 300), Walker(640, -300, phase=1)]
    ids = tracker.update(0.0, [seen(w.joints(0.0)) for w in walkers])
    for time_s in steady(1.6, 20)[1:]:
        for person, walker in zip(ids, walkers, strict=True):
            tracker.observe(time_s, person, seen(convert(walker.joints(time_s), openpose, vnect), "vnect21"))
    tracker.observe(1.6, 77, seen(walkers[0].joints(1.6)))  # given up long ago
    assert tracker.update(1.65, [seen(w.joints(1.65)) for w in walkers]) == ids


def test_joints_missed_for_long_are_forgotten():
    tracker, person = Tracker(), upright(100, 50, 200)
    tracker.update(0.0, [seen(person)])
    upper = np.where(person[:, 1:] < 130, person, np.nan)
    for time_s in steady(2, 10)[1:]:
        tracker.update(time_s, [seen(upper)])
        boxes = tracker.predict(time_s)
        legs_remembered = boxes[1][3] > 180
        assert legs_remembered == (time_s <= 1.0)


def test_the_filter_takes_true_time_steps():
    settings = MotionSettings()
    one, two = (BodyMotion(0.0, upright(100, 50, 200), settings) for _ in range(2))
    nothing = np.full((18, 2), np.nan)
    two.correct(0.13, nothing)
    assert one.predict(0.4)[1] == pytest.approx(two.predict(0.4)[1], rel=1e-12)
    for time_s in (0.1, 0.15, 0.4, 0.42, 0.9, 1.4):
        one.correct(time_s, upright(100 + 80 * time_s, 50, 200))
    np.testing.assert_allclose(one.predict(2.0)[0], upright(100 + 160, 50, 200), atol=6)


def test_a_missed_half_of_the_body_does_not_move_the_person():
    body, person = BodyMotion(0.0, upright(100, 50, 200), MotionSettings()), upright(100, 50, 200)
    for k in range(1, 20):
        body.correct(k / 30, np.where(person[:, :1] < 100, person, np.nan))
    np.testing.assert_allclose(body.predict(0.8)[0], person, atol=1e-6)


def test_bad_input_is_refused():
    tracker = Tracker()
    with pytest.raises(InputError, match="without any joint"):
        tracker.update(0.0, [seen(np.full((18, 2), np.nan))])
    tracker.update(1.0, [seen(upright(100, 50, 200))])
    for call in (lambda: tracker.update(0.5, []), lambda: tracker.predict(0.5)):
        with pytest.raises(InputError, match="backwards"):
            call()


@pytest.mark.parametrize("name", ["double_odds", "stop_odds", "tumble_odds"])
def test_odds_of_nothing_are_allowed(name):
    """0 is in their range: what they speak of never happens."""
    tracker = Tracker(TrackerSettings(**{name: 0.0}))
    people = [seen(upright(100, 50, 200)), seen(upright(104, 50, 200)), seen(upright(400, 50, 200))]
    for time_s in (0.0, 0.1, 0.2):
        numbers = tracker.update(time_s, people)
    assert len(set(numbers)) == 3
