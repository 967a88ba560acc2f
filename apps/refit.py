"""Fit a result folder again with another height, field of view or setting, in seconds: the networks are not run again.

Also ends a run that was interrupted while it fitted or drew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, add_choices, add_files, add_settings, guarded, print_settings, settings_from, tell

if TYPE_CHECKING:
    from apps.pipeline import Observed, Summary
    from apps.settings import Settings

BEFORE_THE_FIT = ("weights", "detect", "decode", "tracker", "follow", "cuts", "clothes", "relink", "revise")
_EPILOG = f"""What is not given stays as it was. Settings that act before the fit ({", ".join(BEFORE_THE_FIT)})
cannot change here; run video3d for that. Exit codes: 0 written, 2 wrong usage or unusable folder, 130 interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see --help)."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="refit", description=__doc__, epilog=_EPILOG)
    parser.add_argument("folder", metavar="DIR", type=Path, help="result folder of video3d; its files are replaced")
    add_files(parser)
    add_choices(parser)
    add_settings(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    from apps.export import files_asked_for, tell_files, write_more
    from apps.result_folder import check_writable, existing_folder, is_unfinished
    from apps.settings import Settings
    from posecore import results
    from posecore.config import known_to, override
    from posecore.errors import ConfigError, InputError

    existing_folder(options.folder)
    told = options.folder / (results.UNFINISHED if is_unfinished(options.folder) else results.CONFIG)
    config = results.read_config(told)
    if "settings" not in config:
        raise InputError(f"{told}: holds no settings; run video3d again")
    old = override(Settings(), known_to(Settings(), config["settings"]))  # an older version knew others
    settings = settings_from(options, old)
    if options.print_config:
        return print_settings(settings)
    changed = [group for group in BEFORE_THE_FIT if getattr(settings, group) != getattr(old, group)]
    if changed:
        raise ConfigError(f"settings of '{changed[0]}' act before the fit; run video3d again to change them")
    more = files_asked_for(options)
    check_writable(options.folder)
    new_camera = settings.camera != old.camera or _names_camera_file(options, old)
    tell(refit(options.folder, settings, new_camera, config, options.quiet), options.quiet)
    tell_files(*write_more(options.folder, more), options.quiet)
    return 0


def _names_camera_file(options: argparse.Namespace, old: Settings) -> bool:
    """Whether a camera file is given now, by whatever option; it may say something new under its old name."""
    nothing = type(old.camera)()
    return settings_from(options, replace(old, camera=nothing)).camera.file is not None


def refit(folder: Path, settings: Any, new_camera: bool, config: dict[str, Any], quiet: bool) -> Summary:
    """Fit again what is stored in `folder` and replace its files. new_camera: take the camera from the settings.

    InputError if a file is missing or damaged.
    """
    from apps.camera_choice import choose_camera
    from apps.pipeline import finish
    from apps.result_folder import camera_from_dict

    observed = _stored(folder, config)
    size_wh = observed.clip.camera.size_wh
    camera = choose_camera(size_wh, settings.camera) if new_camera else camera_from_dict(config.get("camera"))
    return finish(observed, camera, folder, settings, quiet)


def _stored(folder: Path, config: dict[str, Any]) -> Observed:
    """The first stage's result as the folder keeps it."""
    from apps.pipeline import Observed
    from posecore import results, stages

    clip, tracks = stages.read_tracks(folder / results.TRACKS)
    about = config.get("clip") or {}
    path = folder / about["path"] if about.get("path") else None
    return Observed(path, clip, tuple(tracks), config.get("weights") or {}, tuple(about.get("warnings") or []))


if __name__ == "__main__":
    sys.exit(main())
