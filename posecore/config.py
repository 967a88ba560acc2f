"""Settings: frozen dataclasses are declared once; YAML files and `--set a.b=value` override them; what is unknown is refused.

A settings class is a frozen dataclass whose fields are bool, int, float, str, an optional of these, a Literal, a tuple of
these, or another settings class. The comment behind a field says its unit and advice; `describe` shows it to the user.
"""

from __future__ import annotations

import difflib
import inspect
import re
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from posecore.errors import ConfigError

Settings = TypeVar("Settings")


def override(settings: Settings, values: Mapping[str, Any], where: str = "settings") -> Settings:
    """A copy of `settings` with the nested `values` put in. ConfigError names an unknown key, a wrong type or range."""
    hints = get_type_hints(type(settings))
    changed: dict[str, Any] = {}
    for key, value in values.items():
        path = key if where == "settings" else f"{where}.{key}"
        if key not in hints:
            raise ConfigError(f"unknown setting '{path}'{suggestion(str(key), list(hints))}")
        old = getattr(settings, key)
        if is_dataclass(old) and not isinstance(old, type):
            if not isinstance(value, Mapping):
                raise ConfigError(f"setting '{path}' is a group of settings, got {value!r}; set {path}.<name> instead")
            changed[key] = override(old, value, path)
        else:
            changed[key] = _checked(value, hints[key], path)
    return replace(settings, **changed)  # type: ignore[type-var]


def known_to(settings: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested `values` without those that `settings` has no place for: what another version of the program wrote."""
    known = {}
    for key, value in values.items():
        if hasattr(settings, str(key)):
            old = getattr(settings, key)
            known[key] = known_to(old, value) if is_dataclass(old) and isinstance(value, Mapping) else value
    return known


def override_from_file(settings: Settings, path: str | Path) -> Settings:
    """`settings` with those of a YAML file put in. ConfigError if the file is missing, not YAML or not a mapping."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the settings ({getattr(error, 'strerror', None) or error})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if values is not None and not isinstance(values, Mapping):
        raise ConfigError(f"{path}: expected settings as 'name: value' lines, got {type(values).__name__}")
    return override(settings, values or {})


def override_from_words(settings: Settings, words: Sequence[str]) -> Settings:
    """`settings` with `a.b=value` words put in, later ones winning; values are read as YAML ('true', '1e-3', '[1, 2]')."""
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set wants name=value (for example detect.every_s=0.5), got '{word}'")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {key}: '{text}' is not a value") from None
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        settings = override(settings, value)
    return settings


def to_dict(settings: Any) -> dict[str, Any]:
    """Nested plain dict of a settings object, in the order of its declaration, as YAML and `override` take it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    return plain(asdict(settings))


def describe(settings: Any, indent: int = 0) -> str:
    """The effective settings as YAML with each field's comment behind it; reads back by `override_from_file`."""
    comments = _field_comments(type(settings))
    lines = []
    for item in fields(settings):
        value, pad = getattr(settings, item.name), "  " * indent
        comment = f"  # {comments[item.name]}" if item.name in comments else ""
        if is_dataclass(value):
            lines.append(f"{pad}{item.name}:{comment}\n{describe(value, indent + 1)}".rstrip("\n"))
        else:
            plain = list(value) if isinstance(value, tuple) else value
            text = yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
            lines.append(f"{pad}{item.name}: {text}{comment}")
    return "\n".join(lines) + "\n"


def _field_comments(kind: type) -> dict[str, str]:
    """Comment behind each field in the source of a settings class, or behind its value in brackets; empty without source."""
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return {}
    return dict(re.findall(r"^\s+(\w+)\s*:[^#\n]*(?:\(\n[^#\n]*)?#\s*(.+?)\s*$", source, re.MULTILINE))


def suggestion(key: str, known: Sequence[str]) -> str:
    """Words behind an unknown name: the known one that is nearest, or else all of them."""
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(known)}"


def _checked(value: Any, hint: Any, path: str) -> Any:
    """`value` as the type of `hint`, or ConfigError. Whole numbers and '1e-3' (text to YAML 1.1) serve as float."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _checked(value, next(kind for kind in inner if kind is not type(None)), path)
    if origin is Literal:
        if value not in inner:
            raise ConfigError(f"setting '{path}' must be one of {', '.join(map(str, inner))}, got {value!r}")
        return value
    if origin is tuple:
        return _checked_tuple(value, inner, path)
    if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool) or value != value:
        raise ConfigError(f"setting '{path}' must be {_WORDS.get(hint, hint.__name__)}, got {value!r}")
    return value


def _checked_tuple(value: Any, inner: tuple[Any, ...], path: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"setting '{path}' must be a list such as [1, 2], got {value!r}")
    kinds = (inner[0],) * len(value) if len(inner) == 2 and inner[1] is Ellipsis else inner
    if len(kinds) != len(value):
        raise ConfigError(f"setting '{path}' must have {len(kinds)} values, got {len(value)}")
    return tuple(_checked(item, kind, f"{path}[{k}]") for k, (item, kind) in enumerate(zip(value, kinds, strict=True)))


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
