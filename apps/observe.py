"""A clip's frames to one Track per person: detect when needed, follow by the lift in between (Mehta et al. 2017, section 4.1).

The detector is the slow and the sure one. It looks at the first frame, then every half second, and soon again when somebody
is lost or nobody is there. In between the lift itself keeps each person: the crop of a frame is the box of the joints that it
found in the frame before. Where people are close the lift may go over from one to another; there the detector looks often, and
it alone says who is who.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.cuts import CutFinder, CutSettings
from apps.followed import Followed, Looks, apart_px, are_close, confidence, is_another_s, joints_of
from apps.observe_settings import DetectSettings, FollowSettings
from pose2d.appearance import look_of
from pose2d.motion import comparable_xy_px
from posecore.camera import Camera
from posecore.crop import crop_from_detection, crop_from_points, upright_turn
from posecore.skeleton import LIMB_JOINTS, load_skeleton
from posecore.stages import Clip
from posecore.timestamps import usual_step_s
from posecore.types import Crop, Detection2D, Frame, Pose3D, Track

_DUE_TOLERANCE_S = 1e-6
_SURER = 1.03  # times as sure as the crop followed so far, so that equals do not alternate
_LIMBS = load_skeleton("vnect21").indices(LIMB_JOINTS)


class Detector(Protocol):
    """What finds people in a picture (pose2d.estimator.PoseEstimator)."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[Detection2D]:
        """All people in a picture (H, W, 3)."""


class Lifter(Protocol):
    """What lifts crops (lift3d.lifter.Lifter)."""

    @property
    def input_px(self) -> int:
        """Side of the crops it wants."""

    def lift(self, rgb: NDArray[np.uint8], crops: list[Crop], camera: Camera) -> list[Pose3D]:
        """One pose per crop."""


class PersonTracker(Protocol):
    """What tells who is who from detection to detection (pose2d.tracker.Tracker)."""

    def update(self, time_s: float, detections: list[Detection2D], rgb: NDArray[np.uint8] | None = None) -> list[int]:
        """One person id per detection of a frame."""

    def observe(self, time_s: float, person: int, detection: Detection2D) -> None:
        """A person was seen without the detector."""

    def drop(self, person: int) -> None:
        """Forget a person."""

    def reset(self) -> None:
        """Forget everybody: a new scene."""


class Observer:
    """Takes a clip's frames one by one (`see`), keeps nothing of them but numbers, and gives the tracks (`tracks`)."""

    def __init__(
        self,
        detector: Detector,
        lifter: Lifter,
        tracker: PersonTracker,
        camera: Camera,
        detect: DetectSettings,
        follow: FollowSettings,
        cuts: CutSettings,
    ) -> None:
        self._detector, self._lifter, self._tracker, self._camera = detector, lifter, tracker, camera
        self._detect, self._follow = detect, follow
        self._cut_finder = CutFinder(cuts)
        self._people: dict[int, Followed] = {}  # of this scene, by the tracker's id
        self._past: list[Followed] = []  # of the scenes before
        self._looked_s = -np.inf
        self._times_s: list[float] = []
        self._cuts: list[int] = []
        self.scene = 0  # cuts seen so far; behind each everybody is somebody new

    def see(self, frame: Frame) -> None:
        """Follow everybody into the next frame."""
        self._times_s.append(frame.time_s)
        if self._cut_finder.is_cut(frame.rgb):
            self._cuts.append(frame.index)
            self.scene += 1
            self._end_scene()
        if frame.time_s - self._looked_s >= self._interval_s(frame.time_s) - _DUE_TOLERANCE_S:
            self._look(frame)
        followed = {i: p for i, p in self._people.items() if p.crop is not None}
        poses = self._lift(frame, followed)
        for (person_id, person), pose in zip(followed.items(), poses, strict=True):
            self._keep(frame, person_id, person, pose)
        self._part_twins()

    def latest(self) -> dict[int, Pose3D]:
        """Everybody who was seen in the newest frame, by the tracker's number; for a camera that is running."""
        now_s = self._times_s[-1] if self._times_s else np.nan
        return {i: p.pose(-1) for i, p in self._people.items() if p.times_s and p.times_s[-1] == now_s}

    def forget_before(self, time_s: float) -> None:
        """Drop what is older, so that a camera may run for days; `clip` and `tracks` then know only the rest."""
        for person in self._people.values():
            person.forget_first(int(np.searchsorted(person.times_s, time_s)))
        self._past.clear()
        self._cuts.clear()
        del self._times_s[: int(np.searchsorted(self._times_s, time_s))]

    def clip(self) -> Clip:
        """What later stages need of the frames seen."""
        time_s = np.array(self._times_s, dtype=np.float64)
        return Clip(time_s, 1 / usual_step_s(time_s), self._camera, tuple(self._cuts))

    def tracks(self) -> tuple[list[Track], list[str]]:
        """Tracks of the people seen long enough, numbered from 1 by first appearance, then from left to right; warnings."""
        kept, warnings = self._kept()
        return [person.track(k) for k, person in enumerate(kept, start=1)], warnings

    def looks(self) -> list[Looks]:
        """What the people of `tracks` wore, in their order."""
        return [person.worn() for person in self._kept()[0]]

    def _kept(self) -> tuple[list[Followed], list[str]]:
        """The people whose tracks are worth keeping, in the order of their numbers; warnings."""
        people = [p for p in self._past + list(self._people.values()) if p.frames]
        step_s = usual_step_s(np.array(self._times_s))
        needed_s = min(self._follow.track_min_s, len(self._times_s) * step_s) - 0.5 * step_s
        long = [p for p in people if len(p.frames) * step_s >= needed_s]
        kept = [p for p in long if self._is_real(p)]
        kept.sort(key=lambda p: (p.frames[0], float(np.nanmean(p.pose(0).xy_px[:, 0]))))
        warnings = []
        if len(long) < len(people):
            warnings.append(f"tracks shorter than {self._follow.track_min_s:g} s that were dropped: {len(people) - len(long)}")
        if len(kept) < len(long):
            warnings.append(f"tracks that the detector hardly ever confirmed and that were dropped: {len(long) - len(kept)}")
        return kept, warnings

    def _is_real(self, person: Followed) -> bool:
        """Whether the detector confirms often enough what the lift follows."""
        return person.found >= self._follow.found_share_min * (person.found + person.missed)

    def _interval_s(self, now_s: float) -> float:
        """Seconds from one look to the next, as things are."""
        anyone = any(p.crop is not None for p in self._people.values())
        lost = [p for p in self._people.values() if p.crop is None and p.times_s]
        wanted = any(now_s - p.times_s[-1] <= self._detect.retry_for_s for p in lost)
        doubted = any(self._is_doubted(p) or self._is_close(p) for p in self._people.values() if p.crop is not None)
        return self._detect.retry_s if wanted or doubted or not anyone else self._detect.every_s

    def _is_doubted(self, person: Followed) -> bool:
        return person.found < self._detect.confirm or person.now < self._follow.doubt_ratio * person.usual

    def _is_close(self, person: Followed) -> bool:
        """Whether somebody else is, or was lost just now, so close that the lift may go over to him."""
        return bool(self._close_to(person, person.crop))

    def _close_to(self, person: Followed, crop: Crop | None) -> list[Followed]:
        since_s = self._times_s[-1] - self._detect.retry_for_s
        others = [p for p in self._people.values() if p is not person and p.seen_s >= since_s]
        return [p for p in others if are_close(crop, p.last, self._follow.close)]

    def _end_scene(self) -> None:
        self._tracker.reset()
        self._past += self._people.values()
        self._people, self._looked_s = {}, -np.inf

    def _look(self, frame: Frame) -> None:
        """Run the detector; newcomers and the lost get a crop, those whom it misses too often lose theirs."""
        self._looked_s = frame.time_s
        crowd = any(self._is_close(p) for p in self._people.values())
        detections = [d for d in self._detector.detect(frame.rgb) if self._detect.counts(d, crowd)]
        ids = self._tracker.update(frame.time_s, detections, frame.rgb)
        for person_id, detection in zip(ids, detections, strict=True):
            if person_id not in self._people and detection.person_score < self._detect.newcomer_score_min:
                self._tracker.drop(person_id)
                continue
            person = self._people.setdefault(person_id, Followed(None))
            person.found, person.missed_in_a_row = person.found + 1, 0
            person.found_s = person.seen_s = frame.time_s
            person.found_xy_px = joints_of(detection)
            person.looks.append((frame.index, look_of(frame.rgb, comparable_xy_px(detection)).ravel().tolist()))
            crop = crop_from_detection(detection, self._lifter.input_px, picture_wh=self._camera.size_wh)
            if person.crop is None or self._is_close(person):
                person.crop, person.last, person.is_new = crop, crop, True
            else:
                person.rival = crop
        for person_id in self._people.keys() - set(ids):
            self._miss(person_id, frame.time_s)

    def _miss(self, person_id: int, now_s: float) -> None:
        """The detector looked and did not find this person."""
        person = self._people[person_id]
        if person.crop is not None:
            person.missed, person.missed_in_a_row = person.missed + 1, person.missed_in_a_row + 1
            if person.missed_in_a_row > self._detect.missed_max or not self._is_real(person):
                person.crop = None
        elif now_s - person.seen_s > self._follow.forget_s:
            self._past.append(self._people.pop(person_id))

    def _lift(self, frame: Frame, people: dict[int, Followed]) -> list[Pose3D]:
        """Poses of these people, of whom some get a second chance in another crop, and the surer pose wins.

        A newcomer's crop, from the detector, is rough: his own joints give a better one. The crop of a person whom the
        lift has followed may have crept away: the detector's is the judge.
        """
        poses = self._lifter.lift(frame.rgb, [p.crop for p in people.values() if p.crop is not None], self._camera)
        others: list[tuple[int, Followed, Crop]] = []
        for k, person in enumerate(people.values()):
            crop = self._next_crop(poses[k]) if person.is_new else person.rival
            person.is_new, person.rival = False, None
            if crop is not None:
                others.append((k, person, crop))
        again = self._lifter.lift(frame.rgb, [crop for _, _, crop in others], self._camera)
        for (k, person, crop), pose in zip(others, again, strict=True):
            if confidence(pose) > _SURER * confidence(poses[k]):
                poses[k], person.crop = pose, crop
        return poses

    def _keep(self, frame: Frame, person_id: int, person: Followed, pose: Pose3D) -> None:
        """Write down a pose and where to look next, or that the person is lost."""
        used, person.crop = person.crop, None
        person.last = used
        if used is None or not self._is_sure(pose, used) or is_another_s(pose, person, self._close_to(person, used)):
            return
        person.crop = person.last = self._next_crop(pose)
        person.add(frame, pose)
        if self._is_close(person):
            return
        known = pose.score >= self._follow.joint_score_min
        seen_xy_px = np.where(known[:, None], pose.xy_px, np.nan)
        self._tracker.observe(frame.time_s, person_id, Detection2D(seen_xy_px, known * pose.score, "vnect21"))

    def _is_sure(self, pose: Pose3D, crop: Crop) -> bool:
        """Whether the lift found a person in the crop, and not a spot that it takes for all joints."""
        known = pose.score >= self._follow.joint_score_min
        if confidence(pose) < self._follow.score_min or known[_LIMBS].sum() < self._follow.limb_joints_min:
            return False
        size_px = float(np.ptp(crop.to_crop(pose.xy_px[known]), axis=0).max()) / crop.scale
        return size_px >= max(self._follow.fill_min * crop.side_px, self._follow.size_min_px)

    def _next_crop(self, pose: Pose3D) -> Crop | None:
        """Around all places where a joint may be: a leg that was taken for the other must not fall out of the crop."""
        xy_px, score = pose.xy_px, pose.score
        if pose.second is not None:
            known = pose.second.score >= self._follow.second_score_min
            xy_px, score = np.concatenate([xy_px, pose.second.xy_px[known]]), np.concatenate([score, pose.second.score[known]])
        turn_rad = upright_turn(pose.xy_px, pose.score >= self._follow.joint_score_min, load_skeleton("vnect21"))
        return crop_from_points(xy_px, score >= self._follow.joint_score_min, self._lifter.input_px, turn_rad=turn_rad)

    def _part_twins(self) -> None:
        """Of two people who are one in this frame give up him whom the detector found less lately, or else the younger."""
        alive = [i for i, p in self._people.items() if p.crop is not None]
        for k, a in enumerate(alive):
            for b in alive[k + 1 :]:
                if self._are_one(a, b):
                    self._give_up(min(a, b, key=lambda i: (self._people[i].found_s, len(self._people[i].rows))))

    def _give_up(self, person_id: int) -> None:
        """Strike the last row of a person; who never was apart from the other is struck off, so as not to take his place."""
        person = self._people[person_id]
        person.forget_last(1)
        person.crop = None
        if not person.rows:
            del self._people[person_id]
            self._tracker.drop(person_id)

    def _are_one(self, a: int, b: int) -> bool:
        one, two = self._people.get(a), self._people.get(b)
        if one is None or two is None or one.crop is None or two.crop is None:
            return False
        size_px = min(one.crop.side_px, two.crop.side_px)
        return apart_px(one.pose(-1).xy_px, two.pose(-1).xy_px) < self._follow.twin_distance * size_px
