"""report.html: one file that opens offline. Figures come from report_figures, looks and motion from assets/report.{html,js}."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.report_figures import (
    TYPICAL_FOVS_DEG,
    depth_band,
    first_frame,
    frames_to_look_at,
    median_depth_m,
    number_changes,
    person_figures,
)
from apps.result_folder import Result
from apps.viewer_picture import shrunk
from apps.viewer_stage import person_colour
from posecore.scale import stature_in_words
from posecore.skeleton import load_skeleton
from posecore.video import VideoReader

ASSETS = Path(__file__).resolve().parent / "assets"
FILM_INSIDE_BYTES = 25_000_000  # a larger overlay stays beside the report, as a link
POSTER_PX = 640
UNKNOWN_MM = -32768  # what the page's int16 positions hold where nothing is known
TOLD_ELSEWHERE = {"frames_fitted", "reprojection_p50_px", "reprojection_p95_px", "floor_height_m"}  # or of use to programs only
IN_WORDS = {
    "rejected_joints_percent": "joints seen, but so far from where body and motion put them that they had little say: {:g} %",
    "resting_feet_percent": "feet rest {:g} % of the time (mean of ankles and toes)",
}


def report_html(result: Result, what_if_fovs_deg: tuple[float, ...] = (), folder: Path | None = None) -> str:
    """The whole page; folder: where it will lie, if not in the result's."""
    people = [person_figures(result, motion) for motion in result.motions]
    sections = {
        "TITLE": html.escape(result.name),
        "SUMMARY": _summary(result),
        "FILM": _film(result, folder or result.folder),
        "CAMERA": _camera_card(result, what_if_fovs_deg),
        "LOOK": _look_table(result),
        "PEOPLE": "".join(_person_section(person) for person in people),
        "PATHS": path_svg(result),
        "EVENTS": _events(result, people),
        "DATA": json.dumps(_motion_data(result), separators=(",", ":")).replace("</", "<\\/"),
        "SCRIPT": (ASSETS / "report.js").read_text(encoding="utf-8"),
    }
    page = (ASSETS / "report.html").read_text(encoding="utf-8")
    for name, text in sections.items():
        page = page.replace(f"<!--{name}-->", text)
    return page


def _summary(result: Result) -> str:
    duration = f"{result.time_s[-1] - result.time_s[0]:.2f} s" if len(result.time_s) else "0 s"
    warnings = "".join(f"<li>{html.escape(str(w))}</li>" for w in result.config.get("warnings") or [])
    people = len(result.motions)
    line = f"{people} {'person' if people == 1 else 'people'}, {len(result.time_s)} frames, {duration}."
    return f"<p>{line} Gravity from: {html.escape(result.gravity)}.</p>" + (
        f"<ul class=warn>{warnings}</ul>" if warnings else ""
    )


def _film(result: Result, folder: Path) -> str:
    if result.video is None:
        return "<p class=quiet>There is no overlay.mp4 in the result folder.</p>"
    source = quote(os.fsencode(Path(os.path.relpath(result.video.resolve(), folder.resolve())).as_posix()))
    if result.video.stat().st_size <= FILM_INSIDE_BYTES:
        source = "data:video/mp4;base64," + base64.b64encode(result.video.read_bytes()).decode("ascii")
    return (
        f'<video id="film" controls muted playsinline preload="auto" poster="{_poster(result.video)}" src="{source}"></video>'
    )


def _poster(film: Path) -> str:
    """The film's first picture, which browsers show until it is loaded."""
    first = next(iter(VideoReader(film)))
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(shrunk(first.rgb, POSTER_PX), cv2.COLOR_RGB2BGR))[1]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def _camera_card(result: Result, what_if: tuple[float, ...]) -> str:
    camera, depth = result.camera, median_depth_m(result)
    fx, fy = camera.focal_px
    own = round(camera.vertical_fov_deg, 1)
    used = f"{own:.1f}° vertically, f = {fx:.0f} × {fy:.0f} px, {camera.size_wh[0]} × {camera.size_wh[1]} px"
    text = f"<p><b>{used}</b><br>from: {html.escape(camera.source)}</p>{_stature_line(result)}"
    if not np.isfinite(depth):
        return text
    band = depth_band(depth, camera, tuple(sorted({*TYPICAL_FOVS_DEG, *what_if, own})))
    rows = "".join(
        f"<tr{' class=asked' if fov in what_if else ' class=used' if fov == own else ''}>"
        f"<td>{fov:g}°{' (used)' if fov == own else ''}</td><td>{metres:.2f} m</td></tr>"
        for fov, metres in band
    )
    return (
        f"{text}<p>Median distance with it: {depth:.2f} m; with other lenses the same pictures mean {band[-1][1]:.2f} to "
        f"{band[0][1]:.2f} m.</p><table><tr><th>if the vertical field of view is</th><th>people are at</th></tr>{rows}</table>"
    )


def _stature_line(result: Result) -> str:
    """What the people's size rests on; nothing for a result of a version that did not tell."""
    told = result.config.get("people") or {}
    try:
        words = stature_in_words(float(told["stature_m"]), str(told["source"]))
    except (TypeError, KeyError, ValueError):
        return ""
    return f"<p>Stature of the people: {html.escape(words)}; all lengths and distances go with it.</p>"


def _look_table(result: Result) -> str:
    items = frames_to_look_at(result)
    if not items:
        return "<p class=quiet>None stands out.</p>"
    rows = "".join(
        f'<tr><td><a href="#" data-frame="{item.frame}">{item.frame}</a></td>'
        f"<td>{item.person}</td><td>{html.escape(item.reason)}</td></tr>"
        for item in items
    )
    return f"<table><tr><th>frame</th><th>person</th><th>why</th></tr>{rows}</table>"


def _events(result: Result, people: list[dict[str, Any]]) -> str:
    cuts = (result.config.get("clip") or {}).get("cuts") or []
    lines = [f"Cuts at frames: {', '.join(map(str, cuts))}." if cuts else "No cut was found."]
    for person in people:
        spans = ", ".join(f"{first} to {last}" for first, last in person["present"]) or "never"
        lines.append(f"Person {person['person']}: frames {spans}.")
    changes = number_changes(result, cuts)
    lines += [
        f"Person {c.after} comes up at frame {c.frame}, {c.gap_s:.1f} s after person {c.before} was last seen and "
        f"{c.distance_m:.1f} m away: perhaps the same one."
        for c in changes
    ]
    if people and not changes:
        lines.append("No number seems to have changed.")
    return "".join(f"<li>{html.escape(line)}</li>" for line in lines)


def _person_section(person: dict[str, Any]) -> str:
    shares = "".join(
        f'<span class="share {name}" style="flex:{share}" title="{name} {100 * share:.1f} %"></span>'
        for name, share in person["shares"].items()
        if share > 0
    )
    legend = ", ".join(f"{name} {100 * share:.1f} %" for name, share in person["shares"].items() if share >= 0.0005)
    slide = "" if person["foot_slide_mm"] is None else f"<p>Standing feet slide {person['foot_slide_mm']:g} mm per frame.</p>"
    near = "Half of the fitted joints lie within {:g} px of where the network saw them, 95 in 100 within {:g} px."
    heading = f"<p>{near.format(*person['residual_all_px'])}</p>" if person["residual_all_px"] else ""
    rows = "".join(
        _row(name, *person["residual_px"].get(name, ["", ""]), person["bone_length_mm"].get(name, ""))
        for name in load_skeleton("vnect21").joints
    )
    found = "".join(f"<li>{html.escape(line)}</li>" for line in findings(person["findings"]))
    colour = "#{:02x}{:02x}{:02x}".format(*(round(255 * c) for c in person_colour(person["person"])))
    return (
        f'<section class=card><h3 style="color:{colour}">Person {person["person"]}</h3><div class=shares>{shares}</div>'
        f"<p class=quiet>of all joints in all frames: {legend}</p>{heading}{slide}<ul>{found}</ul>"
        "<details open><summary>per joint: how near the fit is to what the network saw, and the bone that ends there</summary>"
        "<table><tr><th>joint</th><th>half within, px</th><th>95 in 100 within, px</th><th>bone, mm</th></tr>"
        f"{rows}</table></details></section>"
    )


def findings(report: dict[str, Any]) -> list[str]:
    """A fit's own findings in words; what is not known here by name is shown as it is, tables excepted."""
    swaps = {str(k): v for k, v in (report.get("exchanged_sides") or {}).items() if v}
    told = ", ".join(f"{k} in {v} frames" for k, v in swaps.items()) or "none"
    limbs = report.get("settled_limbs") or []
    settled = ", ".join(_settled(**limb) for limb in limbs) or "none"
    lines = [f"left and right exchanged back: {told}", f"limbs turned over in depth or bridged: {settled}"] if report else []
    plain = {k: v for k, v in report.items() if isinstance(v, int | float | str) and k not in TOLD_ELSEWHERE}
    return lines + [_in_words(name, value) for name, value in plain.items()]


def _in_words(name: str, value: float | str) -> str:
    """One figure of a fit as a line."""
    if name in IN_WORDS:
        return IN_WORDS[name].format(value)
    return f"{name.replace('_', ' ')}: {value:g}" if isinstance(value, float) else f"{name.replace('_', ' ')}: {value}"


def _settled(limb: str = "a limb", how: str = "changed", from_to_s: Sequence[float] = (), **_: object) -> str:
    """One limb that the fit turned over or bridged, in words."""
    when = " from {:g} to {:g} s".format(*from_to_s) if len(from_to_s) == 2 else ""
    return f"{limb.replace('_', ' ')}{when} ({how})"


def _row(*cells: object) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def path_svg(result: Result) -> str:
    """The pelvises' paths from above, one metre per grid line, the clip's camera at the bottom."""
    root = load_skeleton("vnect21").root
    paths = result.xyz_world_m[:, :, root, :2]
    cameras = [world.points(np.zeros(3))[:2] for world in result.worlds]
    known = paths[np.isfinite(paths).all(axis=-1)]
    points = np.vstack([known.reshape(-1, 2), *cameras])
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 1
    width, height = high - low
    lines = [f'<path d="M{x} {-low[1]}V{-high[1]}" class=grid />' for x in np.arange(low[0], high[0] + 1)]
    lines += [f'<path d="M{low[0]} {-y}H{high[0]}" class=grid />' for y in np.arange(low[1], high[1] + 1)]
    for p, person in enumerate(result.joints.persons.tolist()):
        colour = "rgb({},{},{})".format(*(round(255 * c) for c in person_colour(person)))
        lines += [f'<polyline points="{run}" style="stroke:{colour}" class=path />' for run in _runs(paths[p])]
    lines += [f'<path d="M{x:.3f} {-y:.3f}l-.25 -.45h.5z" class=camera><title>camera</title></path>' for x, y in cameras]
    return (
        f'<svg viewBox="{low[0]} {-high[1]} {width} {height}" role="img" aria-label="paths from above">{"".join(lines)}</svg>'
    )


def _runs(xy_m: NDArray[np.float64]) -> list[str]:
    """SVG points of every known stretch of (F, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(xy_m).all(axis=1).astype(int), [0]]))).reshape(-1, 2)
    return [" ".join(f"{x:.3f},{-y:.3f}" for x, y in xy_m[a:b].tolist()) for a, b in edges]


def _motion_data(result: Result) -> dict[str, Any]:
    """Positions for the page: z-up world, whole millimetres as base64 int16 (person, frame, joint, axis)."""
    skeleton, xyz_mm = load_skeleton("vnect21"), 1000 * result.xyz_world_m
    packed = np.where(np.isfinite(xyz_mm), np.clip(np.round(xyz_mm), -32767, 32767), UNKNOWN_MM).astype("<i2")
    return {
        "persons": result.joints.persons.tolist(),
        "time_s": [round(float(t), 5) for t in result.time_s],
        "first_frame": first_frame(result),
        "joints": list(skeleton.joints),
        "limbs": [list(limb) for limb in skeleton.limbs],
        "colours": [[round(255 * float(c)) for c in person_colour(p)] for p in result.joints.persons.tolist()],
        "xyz_mm": base64.b64encode(packed.tobytes()).decode("ascii"),
    }
