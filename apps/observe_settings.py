"""When the detector looks, and whom the lift follows: the settings of apps/observe.py."""

from __future__ import annotations

from dataclasses import dataclass

from posecore.types import Detection2D


@dataclass(frozen=True)
class DetectSettings:
    """When the detector looks."""

    every_s: float = 0.5  # seconds between two looks while all goes well; smaller finds newcomers sooner and is slower
    retry_s: float = 0.1  # seconds between two looks while somebody is lost, people are close or nobody is there
    retry_for_s: float = 1.0  # seconds for which a lost person is looked for that often
    joints_min: int = 6  # of 18 that a detection must have to count; lower for people of whom little is in the picture
    newcomer_score_min: float = 0.3  # score of a detection, 0..1, from which it may be somebody new
    confirm: int = 2  # looks that must find a newcomer before the detector rests
    missed_max: int = 8  # looks in a row that may miss a person whom the lift still follows

    def counts(self, detection: Detection2D, crowd: bool) -> bool:
        """Whether a detection is one. Where people are close what is hardly found may be made of the joints of two."""
        enough = (detection.score > 0).sum() >= self.joints_min
        return bool(enough and (not crowd or detection.person_score >= self.newcomer_score_min))


@dataclass(frozen=True)
class FollowSettings:
    """When the lift has lost a person, and which tracks are worth keeping."""

    score_min: float = 0.3  # mean confidence of a person's better half of joints, 0..1, below which he is lost
    doubt_ratio: float = 0.85  # of a person's usual confidence, below which the detector is asked at once
    joint_score_min: float = 0.1  # confidence from which a joint counts for the next crop, 0..1
    second_score_min: float = 0.2  # confidence from which a joint's second-best place counts for it as well, 0..1
    limb_joints_min: int = 4  # of the 12 limb joints; a person with fewer that count is lost
    fill_min: float = 0.55  # extent of the joints over the crop's side; a right crop has 0.82, a collapsing one is lost
    size_min_px: float = 24.0  # extent of the joints in pixels; who is smaller is lost
    close: float = 0.66  # people are close whose crops' middles lie nearer than this part of the larger one's side
    twin_distance: float = 0.09  # two people whose joints lie nearer than this part of their crop's side are one person
    track_min_s: float = 0.3  # seconds that a person must be seen in all; shorter tracks are dropped
    found_share_min: float = 0.3  # of the detector's looks during a track, that found the person; with less it is a phantom
    forget_s: float = 5.0  # seconds after which an unseen person is no longer waited for; more than tracker.max_lost_s
