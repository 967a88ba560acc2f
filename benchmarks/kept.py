"""What the benchmarks' command lines share: errors in one line, and figures that tell the options they were made with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from posecore.errors import InputError, PoseError

FIGURES, BEGUN = "figures.json", "options.json"  # in the folder of a run


def in_one_line(name: str, run: Callable[[], None]) -> int:
    """Run a benchmark; what the user can mend becomes one line and exit code 2."""
    try:
        run()
    except PoseError as error:
        print(f"benchmarks.{name}: {error}", file=sys.stderr)
        return 2
    return 0


def kept(folder: Path, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Figures of a run that is done, None if it is not; InputError if it was made, or begun, with other options."""
    elsewhere = f"name another folder with -o, or take '{folder}' away"
    for name in (FIGURES, BEGUN):
        if not (folder / name).is_file():
            continue
        figures = json.loads((folder / name).read_text(encoding="utf-8"))
        there = figures.pop("options", None)
        if there is None:
            raise InputError(f"'{folder / name}' is older and does not tell its options; {elsewhere}")
        other = [option for option in options if there.get(option) != options[option]]
        if other:
            told = "; ".join(f"{option} {there.get(option)} there, {options[option]} wanted" for option in other)
            raise InputError(f"'{folder / name}' is of other options ({told}); {elsewhere}")
        return figures or None
    return None


def begin(folder: Path, options: Mapping[str, Any]) -> None:
    """Tell the options of a run that begins: one that is broken off must not go on with others."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / BEGUN, {"options": dict(options)})


def keep(folder: Path, options: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """Write a run's figures and its options, for `kept`."""
    _write(folder / FIGURES, {**figures, "options": dict(options)})


def _write(path: Path, told: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
