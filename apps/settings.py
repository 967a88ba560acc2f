"""Everything a run can be told, in one tree; config.yaml holds it and `--set a.b=value` reaches every leaf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from apps.camera_choice import CameraSettings
from apps.clothes import ClothesSettings
from apps.cuts import CutSettings
from apps.observe_settings import DetectSettings, FollowSettings
from apps.relink import RelinkSettings
from apps.revise import ReviseSettings
from fitting.settings import FitSettings
from pose2d.codec import DecodeSettings
from pose2d.tracker import TrackerSettings
from posecore.errors import ConfigError


@dataclass(frozen=True)
class WeightsSettings:
    """Which networks look."""

    pose2d: str | None = None  # detector's .safetensors file; null is the one that came along
    lift3d: str | None = None  # lift's .safetensors file; null is the one that came along
    backend: Literal["torch", "openvino"] = "torch"  # what runs them; openvino (extra `fast`) is about twice as fast on a CPU
    second_opinion: bool = True  # the detector has a say in where the lift sees limbs: more accurate, 1.8 times as slow
    crop_px: int | None = None  # side of the lift's crops; null is what its weights ask for, smaller is faster
    mirror: bool = True  # the lift sees every crop also in the mirror: a little more accurate, 1.5 times as slow
    detect_heights_px: tuple[int, ...] = (368, 208)  # the detector looks at these heights; more finds smaller people, slower
    detect_again: bool = True  # the detector looks twice at everybody it finds; whoever is not seen again counts half

    def __post_init__(self) -> None:
        if self.crop_px is not None and (self.crop_px % 32 or not 128 <= self.crop_px <= 512):
            raise ConfigError(f"'crop_px' must be a multiple of 32 in 128..512, got {self.crop_px}")


@dataclass(frozen=True)
class PeopleSettings:
    """Whose motion is wanted, and what is known of them."""

    height_m: float | None = None  # stature in metres of every person; null is 1.70 m, assumed and said so
    people: int | None = None  # keep this many, those seen longest and largest; null keeps all
    person: int | None = None  # keep only the person of this number; null keeps all

    def __post_init__(self) -> None:
        if self.height_m is not None and not 0.4 <= self.height_m <= 2.6:
            raise ConfigError(f"the height must lie in 0.4..2.6 metres, got {self.height_m:g}")
        for name in ("people", "person"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' must be 1 or more, got {value}")


@dataclass(frozen=True)
class OutputSettings:
    """What is written besides the tables."""

    overlay: bool = True  # the clip with the skeletons drawn on it; a second pass over the clip


@dataclass(frozen=True)
class Settings:
    """All settings of a run, grouped by the part that obeys them."""

    camera: CameraSettings = field(default_factory=CameraSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    weights: WeightsSettings = field(default_factory=WeightsSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    follow: FollowSettings = field(default_factory=FollowSettings)
    cuts: CutSettings = field(default_factory=CutSettings)
    clothes: ClothesSettings = field(default_factory=ClothesSettings)
    relink: RelinkSettings = field(default_factory=RelinkSettings)
    revise: ReviseSettings = field(default_factory=ReviseSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
