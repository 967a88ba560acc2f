"""Who is who from frame to frame: people found now are matched to people known before by place and pose.

One assignment (Hungarian) over all people, the lost ones included, maximises the sum of the log odds that a person and a
detection are one rather than strangers: how well the place fits where motion leads, given how unsure that is, and how alike the
poses are (OKS of the joints both have, laid onto one another). Boxes are not compared: they jump when joints are missed.
Clothes count where the settings say so and pictures are given (pose2d.appearance).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pose2d.appearance import blend_looks, look_log_odds, look_of
from pose2d.motion import SKELETON, BodyMotion, MotionSettings, body_size_px, comparable_xy_px, nan_median
from posecore.errors import InputError
from posecore.oks import joints_box, oks, oks_sigma
from posecore.types import Detection2D, Floats

SIGMA = oks_sigma(SKELETON)
LEARNT_APART, JUDGED_APART = 1.0, 0.6  # sizes; clothes are learnt, and count, where nobody else is nearer
UNSEEN = np.full((3, 3), np.nan)  # the look of somebody who was never looked at


@dataclass(frozen=True)
class TrackerSettings:
    """When two sightings are one person. Sizes are the person's own (MotionSettings)."""

    max_lost_s: float = 3.0  # seconds; a person unseen for longer gets a new number when it comes back
    strangers_per_size: float = 1 / 200  # people per square size; how crowded with newcomers it is; more means more new numbers
    place_slack: float = 0.06  # sizes; how far a body's place is off through swinging limbs, besides the filter's own doubt
    pose_weight: float = 2.0  # what the pose says against the place; 0 ignores the pose
    stop_odds: float = 0.2  # 0..1; how likely somebody unseen has stopped or turned back, against having moved on
    appearance: float = 1.0  # what clothes' colours say against the place; 0 ignores them, 2 believes them too much
    stop_drift: float = 0.6  # sizes per second unseen, for a second at most; how near somebody who stopped still is
    tumble_odds: float = 0.05  # 0..1; how likely somebody takes on quite another pose between two looks, as in a jump or a turn
    tumble_reach: float = 0.25  # sizes; how far the middle of the body's box may jump with it
    double_odds: float = 0.1  # 0..1; how likely a newcomer found on somebody else's body is a person of his own
    double_oks: float = 0.1  # OKS from which one detection lies on another's body
    double_looks: int = 3  # times that such a newcomer must be found to count as much as the others
    motion: MotionSettings = field(default_factory=MotionSettings)  # of the filter that follows a body's place


class Tracker:
    """Numbers people from 1; a number is never used twice, not even after reset()."""

    def __init__(self, settings: TrackerSettings | None = None):
        self.settings = settings or TrackerSettings()
        self._people: dict[int, BodyMotion] = {}
        self._look_of: dict[int, Floats] = {}
        self._doubted: Counter[int] = Counter()  # times that a newcomer must still be found to be no double
        self._born = 0

    def update(self, time_s: float, detections: Sequence[Detection2D], rgb: NDArray[np.uint8] | None = None) -> list[int]:
        """The person of each detection of a frame, in their order; who is new gets the next number.

        `rgb`, the frame (H, W, 3), is looked at only where appearance counts. Times must not run backwards (InputError).
        Detections may be of any skeleton that shares joints with openpose18; one without any such joint is an InputError.
        """
        found = [self._joints(detection) for detection in detections]
        self._forget_lost(time_s)
        people = list(self._people)
        looks = [look_of(rgb, xy_px) for xy_px in found] if rgb is not None and self.settings.appearance > 0 else None
        matched = self._match(people, found, time_s, looks)
        ids = []
        for d, xy_px in enumerate(found):
            if d in matched:
                person = people[matched[d]]
                self._people[person].correct(time_s, xy_px)
            else:
                self._born += 1
                person = self._born
                self._people[person] = BodyMotion(time_s, xy_px, self.settings.motion)
                if self._is_double(d, found):
                    self._doubted[person] = self.settings.double_looks
            ids.append(person)
            self._doubted[person] -= 1
            if looks is not None and (person not in self._look_of or self._is_alone(person, time_s)):
                self._look_of[person] = blend_looks(self._look_of.get(person, looks[d]), looks[d])
        return ids

    def observe(self, time_s: float, person: int, detection: Detection2D) -> None:
        """Take in where a known person is, on a frame that the detector did not see; ignored once the person is given up."""
        if person in self._people:
            self._check_time(time_s)
            self._people[person].correct(time_s, self._joints(detection))

    def predict(self, time_s: float) -> dict[int, Floats]:
        """Expected box_xyxy_px (4,) around the joints of every person not given up, at a time not before the last one."""
        self._check_time(time_s)
        lost_s = self.settings.max_lost_s
        alive = {person: body for person, body in self._people.items() if time_s - body.time_s <= lost_s}
        return {person: joints_box(body.predict(time_s)[0]) for person, body in alive.items()}

    def drop(self, person: int) -> None:
        """Give a person up now; unknown numbers are ignored."""
        self._people.pop(person, None)
        self._look_of.pop(person, None)
        self._doubted.pop(person, None)

    def reset(self) -> None:
        """Give everybody up: after a cut nobody is where they were."""
        self._people.clear()
        self._look_of.clear()
        self._doubted.clear()

    def _match(self, people: list[int], found: list[Floats], time_s: float, looks: list[Floats] | None) -> dict[int, int]:
        """Row of the person by index of the detection."""
        if not people or not found:
            return {}
        places = np.stack(found)
        log_odds = self._log_odds([self._people[person] for person in people], places, time_s)
        if looks is not None:
            known = np.stack([self._look_of.get(person, UNSEEN) for person in people])
            told = look_log_odds(known[:, None], np.stack(looks)) * _stand_apart(places)
            log_odds += self.settings.appearance * told
        doubted = np.array([self._doubted[person] > 0 for person in people])
        log_odds = np.maximum(log_odds + _log(self.settings.double_odds) * doubted[:, None], 0.0)
        rows, columns = linear_sum_assignment(log_odds, maximize=True)
        return {int(d): int(p) for p, d in zip(rows, columns, strict=True) if log_odds[p, d] > 0}

    def _log_odds(self, people: list[BodyMotion], found: Floats, time_s: float) -> Floats:
        """(P, D) log odds that a person is a detection of (D, 18, 2), by the best guess: moved on, stopped or tumbled."""
        size_px = np.array([body.size_px for body in people])
        unseen_s = np.array([time_s - body.time_s for body in people])
        guess, doubt_px = zip(*(body.predict(time_s) for body in people), strict=True)
        pose_doubt_px = np.stack([body.joint_doubt_px(time_s) for body in people])
        doubt = np.array(doubt_px) / size_px
        moved = _log_likelihood(np.stack(guess), doubt, pose_doubt_px, size_px, found, self.settings)
        stayed = np.stack([body.last_xy_px for body in people])
        drift = self.settings.stop_drift * np.minimum(unseen_s, 1.0)
        stopped = _log_likelihood(stayed, drift, pose_doubt_px, size_px, found, self.settings)
        between = _middles(found) - _middles(stayed)[:, None]  # of boxes, for no joint tells where the others have gone
        reach = np.hypot(drift, self.settings.tumble_reach)
        tumbled = _place_log_likelihood(between, reach, size_px, self.settings)
        guesses = (moved, stopped + _log(self.settings.stop_odds), tumbled + _log(self.settings.tumble_odds))
        return np.max(guesses, axis=0) - np.log(self.settings.strangers_per_size)

    def _is_alone(self, person: int, time_s: float) -> bool:
        """Whether nobody else is thought near a person, so that the clothes seen there are his own."""
        own, others = self._people[person], [body for p, body in self._people.items() if p != person]
        if not others:
            return True
        guess = np.stack([body.predict(time_s)[0] for body in others])
        apart_px = np.linalg.norm(_shift(guess, own.last_xy_px[None])[:, 0], axis=1)
        return not (apart_px < LEARNT_APART * np.maximum([body.size_px for body in others], own.size_px)).any()

    def _is_double(self, which: int, found: Sequence[Floats]) -> bool:
        """Whether one of the detections (18, 2) of a frame lies on the body of another."""
        others = np.delete(np.stack(found), which, axis=0)
        area_px = np.square(body_size_px(others))
        return bool((oks(found[which], others, area_px, SIGMA) >= self.settings.double_oks).any())

    def _joints(self, detection: Detection2D) -> Floats:
        xy_px = comparable_xy_px(detection)
        if not np.isfinite(xy_px).any():
            raise InputError(f"tracker: a detection without any joint of openpose18 (skeleton {detection.skeleton}); drop it")
        return xy_px

    def _check_time(self, time_s: float) -> None:
        latest = max((body.time_s for body in self._people.values()), default=time_s)
        if time_s < latest:
            raise InputError(f"tracker: time runs backwards, from {latest:g} s to {time_s:g} s; reset() for another clip")

    def _forget_lost(self, time_s: float) -> None:
        self._check_time(time_s)
        for person in [p for p, body in self._people.items() if time_s - body.time_s > self.settings.max_lost_s]:
            self.drop(person)


def _log_likelihood(
    guess_px: Floats, doubt: Floats, pose_doubt_px: Floats, size_px: Floats, found: Floats, settings: TrackerSettings
) -> NDArray[np.float64]:
    """(P, D) log likelihood of detections (D, 18, 2) for people thought at (P, 18, 2), with (P,) doubt about their places in
    sizes and (P, 18) about their poses: a Gaussian in the median shift between the two, and the OKS that is left without it.
    """
    shift = _shift(guess_px, found)
    place = _place_log_likelihood(shift, doubt, size_px, settings)
    swing = pose_doubt_px[:, None] ** 2
    pose = oks(found - shift[:, :, None], guess_px[:, None], size_px[:, None] ** 2, SIGMA, extra_variance_px=swing)
    return place + settings.pose_weight * np.log(np.maximum(pose, 1e-3))


def _log(odds: float) -> float:
    """Of odds that may be 0: so small that nothing outweighs it, and still a number."""
    return float(np.log(max(odds, 1e-30)))


def _stand_apart(found: Floats) -> NDArray[np.bool_]:
    """(D,) whether no other detection (D, 18, 2) of a frame is so near that one's clothes may be seen for the other's."""
    away = np.linalg.norm(_shift(found, found), axis=-1) / body_size_px(found)
    return ~((away < JUDGED_APART) & ~np.eye(len(found), dtype=bool)).any(axis=1)


def _shift(guess_px: Floats, found: Floats) -> Floats:
    """(P, D, 2) median shifts from people thought at (P, 18, 2) to detections (D, 18, 2); NaN without a common joint."""
    return nan_median(found - guess_px[:, None])


def _place_log_likelihood(shift: Floats, doubt: Floats, size_px: Floats, settings: TrackerSettings) -> NDArray[np.float64]:
    """(P, D) log density, per square size, of shifts (P, D, 2) under (P,) doubts in sizes; -inf without a common joint."""
    variance = (doubt**2 + settings.place_slack**2)[:, None]
    place = -0.5 * np.square(shift / size_px[:, None, None]).sum(axis=-1) / variance - np.log(2 * np.pi * variance)
    return np.where(np.isfinite(place), place, -np.inf)


def _middles(xy_px: Floats) -> Floats:
    """(P, 2) middles of the boxes around joints (P, 18, 2)."""
    box = joints_box(xy_px)
    return 0.5 * (box[:, :2] + box[:, 2:])
