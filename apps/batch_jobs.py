"""Clips of a folder as jobs: found, lifted one after another or spread over Ray, and told in one table."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.camera_choice import choose_camera
from apps.export import MoreFiles, write_more
from apps.refit import BEFORE_THE_FIT
from apps.result_folder import camera_from_dict
from posecore.config import known_to, override
from posecore.errors import InputError, MissingDependencyError, PoseError
from posecore.results import CONFIG, MOTIONS, read_config, whole_file
from posecore.stages import read_motions

if TYPE_CHECKING:
    from apps.pipeline import Networks
    from apps.settings import Settings

VIDEO_ENDINGS = (
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts"),
    *(".ts", ".m2ts", ".m2v", ".vob", ".flv", ".f4v", ".ogv", ".3g2", ".asf", ".mxf", ".dv"),
)


@dataclass(frozen=True)
class Job:
    """A clip, the folder of its result, whether that is already there, and what is written besides its tables."""

    clip: Path
    folder: Path
    is_done: bool
    more: MoreFiles = field(default_factory=MoreFiles)


@dataclass(frozen=True)
class Outcome:
    """What became of a clip: status is 'lifted', 'skipped' or 'failed'; seconds it took; a note: warnings or the error."""

    clip: str
    status: str
    people: int | None = None
    frames: int | None = None
    seconds: float = 0.0
    note: str = ""


def find_jobs(places: Sequence[Path], output: Path, again: bool = False, more: MoreFiles | None = None) -> list[Job]:
    """Clips in folders (by name, not in sub-folders) or named one by one. InputError if a place is missing."""
    clips: list[Path] = []
    for place in places:
        if place.is_dir():
            found = (p for p in place.iterdir() if p.suffix.lower() in VIDEO_ENDINGS and not p.name.startswith("."))
            clips += sorted(p for p in found if p.is_file())
        elif place.exists():
            clips.append(place)
        else:
            raise InputError(f"{place}: there is no such folder or clip")
    clips = list(dict.fromkeys(clip.resolve() for clip in clips))
    stems = Counter(clip.stem for clip in clips)
    names = Counter(clip.name for clip in clips)
    jobs = []
    for clip in clips:
        name = clip.stem if stems[clip.stem] == 1 else clip.name
        name = name if names[clip.name] == 1 else f"{clip.parent.name}_{clip.name}"
        folder = output / f"{name}_pose3d"
        jobs.append(Job(clip, folder, _is_done(clip, folder) and not again, more or MoreFiles()))
    if len({job.folder for job in jobs}) < len(jobs):
        raise InputError("two clips have the same folder and file name; lift them in two calls")
    return jobs


def _is_done(clip: Path, folder: Path) -> bool:
    """Whether the folder holds this clip's whole result. InputError if it holds that of another clip of the same name."""
    if not (folder / CONFIG).is_file() or not (folder / MOTIONS).is_file():
        return False
    told = (read_config(folder / CONFIG).get("clip") or {}).get("path")
    source = (folder / told).resolve() if told else clip
    if source.is_file() and not source.samefile(clip):  # a clip that has moved is still the one
        raise InputError(f"{folder} holds the result of {source}, not of {clip}; choose another folder with -o")
    return True


def lift_locally(
    jobs: Sequence[Job], settings: Settings, quiet: bool = False, networks: Networks | None = None
) -> Iterator[Outcome]:
    """One after another, the networks loaded once, when the first clip needs them."""
    from apps.pipeline import load_networks

    for job in jobs:
        if job.is_done:
            yield skipped(job, settings)
            continue
        networks = networks or load_networks(settings)
        yield lift(job, settings, networks, quiet)


def skipped(job: Job, settings: Settings) -> Outcome:
    """What the result folder of a clip that was lifted before tells: a table of a resumed batch is whole. Failed if damaged.

    The note says so if these settings would give another result. Motion files and report that are asked for are written of
    the one that is there.
    """
    try:
        config, motions = read_config(job.folder / CONFIG), read_motions(job.folder / MOTIONS)
        notes = write_more(job.folder, job.more)[1] if job.more.formats or job.more.report else []
        note = "; ".join([_done_before(config, settings), *map(str, config.get("warnings") or []), *notes])
    except Exception as error:  # as in `lift`
        return Outcome(job.clip.name, "failed", note=_told(error))
    return Outcome(job.clip.name, "skipped", len(motions), (config.get("clip") or {}).get("frames"), note=note)


def _done_before(config: dict[str, Any], settings: Settings) -> str:
    """'done before', and which groups of settings were others then, those of the output apart. PoseError."""
    from apps.settings import Settings

    then = override(Settings(), known_to(Settings(), config.get("settings") or {}))  # an older version knew others
    groups = [item.name for item in fields(settings) if item.name not in ("camera", "output")]
    others = [name for name in groups if getattr(then, name) != getattr(settings, name)]
    others += [] if _has_camera(config, settings) else ["camera"]
    if not others:
        return "done before"
    fits = "" if set(others) & set(BEFORE_THE_FIT) else ", apps/refit.py fits it anew"
    return f"done before with other settings ({', '.join(others)}): --again lifts it anew{fits}"


def _has_camera(config: dict[str, Any], settings: Settings) -> bool:
    """Whether a result has the camera of these settings: a file's numbers count, not its name. PoseError."""
    then = camera_from_dict(config.get("camera"))
    now = choose_camera(then.size_wh, settings.camera)
    same = np.array_equal(then.K_px, now.K_px) and np.array_equal(then.distortion, now.distortion)
    return same and then.is_assumed == now.is_assumed


def lift(job: Job, settings: Settings, networks: Networks, quiet: bool = True) -> Outcome:
    """Lift one clip; what goes wrong with it goes into the outcome."""
    from apps.pipeline import run_clip

    start_s = time.monotonic()
    try:
        job.folder.parent.mkdir(parents=True, exist_ok=True)
        summary = run_clip(job.clip, job.folder, settings, quiet, networks)
        notes = [*summary.warnings, *write_more(job.folder, job.more)[1]]
    except Exception as error:  # what nobody foresaw must not stop the other clips either
        return Outcome(job.clip.name, "failed", seconds=round(time.monotonic() - start_s, 1), note=_told(error))
    seconds = round(time.monotonic() - start_s, 1)
    return Outcome(job.clip.name, "lifted", len(summary.persons), summary.frames, seconds, "; ".join(notes))


def _told(error: Exception) -> str:
    """An error in one line; one that is not for users says so."""
    words = " ".join(str(error).split())
    if isinstance(error, PoseError | OSError):
        return words
    return f"unexpected {type(error).__name__}: {words}; lift this clip alone with video3d to see where"


def lift_with_ray(jobs: Sequence[Job], settings: Settings, workers: int) -> Iterator[Outcome]:
    """Each worker holds its own networks on one thread; results come as they are ready. MissingDependencyError without Ray.

    Clips and OUT must lie where every worker can reach them. Uses the cluster of RAY_ADDRESS if set, else one on this machine.
    """
    try:
        import ray
    except ImportError:
        raise MissingDependencyError("--engine ray needs the Ray library: pip install 'ray>=2.40'") from None
    yield from (skipped(job, settings) for job in jobs if job.is_done)
    waiting = [job for job in jobs if not job.is_done]
    if not waiting:
        return
    from apps.batch_ray import start, stop

    pool = start(ray, settings, min(workers, len(waiting)))
    try:
        yield from pool.map_unordered(lambda worker, job: worker.lift.remote(job), waiting)
    finally:
        stop(ray)


def write_summary(path: Path, outcomes: Sequence[Outcome]) -> None:
    """The outcomes as CSV."""
    with whole_file(path) as part, part.open("w", encoding="utf-8", errors="replace", newline="") as out:
        writer = csv.DictWriter(out, [item.name for item in fields(Outcome)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(outcome) for outcome in outcomes)


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes for people, with a last line that counts them."""
    width = max([len("clip"), *(len(outcome.clip) for outcome in outcomes)])
    lines = [f"{'clip':<{width}}  {'status':<8} {'people':>6} {'frames':>7} {'seconds':>8}  note"]
    for o in outcomes:
        people, frames = ("" if n is None else str(n) for n in (o.people, o.frames))
        lines.append(f"{o.clip:<{width}}  {o.status:<8} {people:>6} {frames:>7} {o.seconds:>8.1f}  {o.note}".rstrip())
    counts = Counter(outcome.status for outcome in outcomes)
    return "\n".join([*lines, ", ".join(f"{counts[s]} {s}" for s in ("lifted", "skipped", "failed"))])
