from dataclasses import dataclass, field
from typing import Literal

import pytest
import yaml

from posecore.config import describe, known_to, override, override_from_file, override_from_words, to_dict
from posecore.errors import ConfigError


@dataclass(frozen=True)
class Detect:
    every_s: float = 0.5  # seconds between two runs; smaller finds newcomers sooner
    enabled: bool = True
    scales: tuple[float, ...] = (0.5, 1.0)  # of the picture
    patience: float = (
        2.0  # a setting whose advice is so long that the formatter puts its value and the comment on lines of their own
    )

    def __post_init__(self):
        if self.every_s <= 0:
            raise ConfigError(f"detect.every_s must be positive, got {self.every_s}")


@dataclass(frozen=True)
class Whole:
    seed: int = 0  # of all random numbers
    name: str | None = None
    mode: Literal["fast", "good"] = "good"
    size: tuple[int, int] = (4, 3)
    detect: Detect = field(default_factory=Detect)


def test_override_makes_a_changed_copy():
    base = Whole()
    changed = override(base, {"seed": 3, "detect": {"every_s": 1, "scales": [2]}, "name": "x", "mode": "fast"})
    assert changed == Whole(seed=3, name="x", mode="fast", detect=Detect(every_s=1.0, scales=(2.0,)))
    assert isinstance(changed.detect.every_s, float)
    assert base == Whole()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("detect.every_s=1e-3", Whole(detect=Detect(every_s=0.001))),  # YAML 1.1 reads 1e-3 as text
        ("detect.enabled=false", Whole(detect=Detect(enabled=False))),
        ("name=null", Whole()),
        ("name='12'", Whole(name="12")),
        ("size=[1, 2]", Whole(size=(1, 2))),
    ],
)
def test_words(word, expected):
    assert override_from_words(Whole(), [word]) == expected


def test_later_words_win_and_keep_the_others():
    changed = override_from_words(Whole(), ["seed=1", "detect.every_s=2", "seed=5"])
    assert changed == Whole(seed=5, detect=Detect(every_s=2.0))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sed=1", "unknown setting 'sed'; did you mean 'seed'"),
        ("detect.evry_s=1", "unknown setting 'detect.evry_s'; did you mean 'every_s'"),
        ("zzz=1", "unknown setting 'zzz'; there are seed, name, mode, size, detect"),
        ("seed=1.5", "'seed' must be a whole number, got 1.5"),
        ("seed=true", "'seed' must be a whole number, got True"),
        ("detect.enabled=1", "'detect.enabled' must be true or false, got 1"),
        ("detect.every_s=soon", "'detect.every_s' must be a number, got 'soon'"),
        ("detect.every_s=.nan", "'detect.every_s' must be a number, got nan"),
        ("detect.every_s=-1", "detect.every_s must be positive"),
        ("detect=1", "'detect' is a group of settings"),
        ("seed.x=1", "'seed' must be a whole number"),
        ("mode=slow", "'mode' must be one of fast, good, got 'slow'"),
        ("size=[1]", "'size' must have 2 values, got 1"),
        ("size=[1, a]", r"'size\[1\]' must be a whole number, got 'a'"),
        ("detect.scales=2", "'detect.scales' must be a list"),
        ("seed", "--set wants name=value"),
        ("seed=[1", "not a value"),
    ],
)
def test_bad_words_are_refused_in_one_line(word, message):
    with pytest.raises(ConfigError, match=message) as caught:
        override_from_words(Whole(), [word])
    assert "\n" not in str(caught.value)


def test_file_round_trip_through_describe(tmp_path):
    changed = Whole(seed=7, name="a: b", mode="fast", size=(9, 8), detect=Detect(0.25, False, (1.5,)))
    path = tmp_path / "settings.yaml"
    path.write_text(describe(changed), encoding="utf-8")
    assert override_from_file(Whole(), path) == changed
    path.write_text(yaml.safe_dump(to_dict(changed)), encoding="utf-8")
    assert override_from_file(Whole(), path) == changed


def test_describe_shows_the_advice():
    text = describe(Whole())
    assert "  every_s: 0.5  # seconds between two runs; smaller finds newcomers sooner" in text.splitlines()
    assert "seed: 0  # of all random numbers" in text.splitlines()
    assert "  patience: 2.0  # a setting whose advice is so long that" in text
    assert "  enabled: true\n" in text, "a field without a comment does not borrow the next one's"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read"), ("a: [", "not valid YAML"), ("- 1", "expected settings"), ("sed: 1", "did you mean 'seed'")],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        override_from_file(Whole(), path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_changes_nothing(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    assert override_from_file(Whole(), tmp_path / "empty.yaml") == Whole()


def test_what_another_version_wrote_is_left_out():
    values = {"seed": 3, "gone": 1, "detect": {"every_s": 1, "gone": {"too": 2}}}
    assert known_to(Whole(), values) == {"seed": 3, "detect": {"every_s": 1}}
    assert override(Whole(), known_to(Whole(), values)) == Whole(seed=3, detect=Detect(every_s=1.0))
