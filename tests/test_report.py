"""The report's figures by their definitions, and the page in a browser where there is one."""

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from apps.report import main
from apps.report_figures import (
    depth_band,
    first_frame,
    foot_slide_mm,
    frames_to_look_at,
    number_changes,
    presence,
    residuals_px,
    source_shares,
)
from apps.report_page import UNKNOWN_MM, findings, report_html
from apps.result_folder import Result, load_result
from posecore.types import Motion, Source
from tests.test_viewer import write_result
from tests.walker import CAMERA, SKELETON, walk

FRAMES = 40


@pytest.fixture
def motion() -> Motion:
    return walk(FRAMES)


def result_of(folder: Path, *motions: Motion, film: bool = False) -> Result:
    return load_result(write_result(folder / "walk_pose3d", list(motions), FRAMES, film=film))


def test_residual_is_the_distance_of_fit_and_picture(motion: Motion, tmp_path: Path) -> None:
    result = result_of(tmp_path, motion)
    np.testing.assert_allclose(residuals_px(result, 1), 0, atol=1e-9)
    moved = replace(motion, xy_px=motion.xy_px + [3.0, -4.0])
    shifted = replace(result, motions=[moved])
    np.testing.assert_allclose(residuals_px(shifted, 1), 5)
    result.tracks[0].score[7, 3] = 0.1
    assert np.isnan(residuals_px(replace(shifted, tracks=result.tracks), 1)[7, 3]), "what was hardly seen does not count"


def test_shares_add_up_over_the_whole_clip() -> None:
    late = walk(10, first_frame=30)
    late.source[:5] = Source.OCCLUDED
    shares = source_shares(late, FRAMES)
    assert shares == {"empty": 0.75, "measured": 0.125, "weak": 0, "occluded": 0.125, "outside": 0, "filled": 0}
    late.xyz_m[4:6] = np.nan
    assert presence(late) == [(30, 33), (36, 39)]


def test_standing_feet_slide_by_what_they_move(motion: Motion) -> None:
    assert foot_slide_mm(motion) < 0.5, "the walker plants its feet"
    drift = motion.xyz_m + np.array([0.12, 0, 0]) * motion.time_s[:, None, None]
    assert foot_slide_mm(replace(motion, xyz_m=drift)) == pytest.approx(1000 * 0.12 / 30, rel=0.05)
    flying = motion.xyz_m + np.array([2.0, 0, 0]) * motion.time_s[:, None, None]
    assert np.isnan(foot_slide_mm(replace(motion, xyz_m=flying)))


def test_depth_goes_with_the_field_of_view() -> None:
    (same, wide) = depth_band(4.0, CAMERA, (CAMERA.vertical_fov_deg, 69.0))
    assert same[1] == pytest.approx(4.0)
    size_px = CAMERA.focal_px[1] * 1.7 / 4.0  # a person of 1.7 m in the picture
    focal_px = 0.5 * CAMERA.size_wh[1] / np.tan(np.radians(69.0 / 2))
    assert wide[1] == pytest.approx(focal_px * 1.7 / size_px)


def test_a_jump_and_a_wrong_fit_are_listed_once_each(motion: Motion, tmp_path: Path) -> None:
    assert frames_to_look_at(result_of(tmp_path, motion)) == []
    motion.xyz_m[12, SKELETON.index("left_wrist")] += [0, 0.4, 0]
    motion.xy_px[25:28] += 60
    motion.source[33:36] = Source.OCCLUDED
    found = frames_to_look_at(replace(result_of(tmp_path, walk(FRAMES)), motions=[motion]))
    assert [item.frame for item in found][::2] == [12, 33]
    assert found[1].frame in (25, 26, 27)
    assert "left_wrist jumps" in found[0].reason
    assert "85 px" in found[1].reason
    assert "hardly a joint" in found[2].reason


def test_a_person_who_comes_back_under_a_new_number_is_told(tmp_path: Path) -> None:
    """The walker of the first 15 frames is the second person from frame 20 on; a third stands elsewhere all the time."""
    whole, other = walk(FRAMES), walk(20, start_xy=(3.0, 9.0), person=3, first_frame=20)
    rows = ("frame", "time_s", "xyz_m", "quaternion_xyzw", "xy_px", "sigma_m", "source")
    first = replace(whole, **{name: getattr(whole, name)[:15] for name in rows})
    again = replace(whole, person=2, **{name: getattr(whole, name)[20:] for name in rows})
    result = result_of(tmp_path, first, again, other)
    (change,) = number_changes(result)
    assert (change.before, change.after, change.frame) == (1, 2, 20)
    assert change.gap_s == pytest.approx(6 / 30)
    assert change.distance_m == pytest.approx(np.linalg.norm(whole.xyz_m[20, 14] - whole.xyz_m[14, 14]))
    assert "perhaps the same one" in report_html(result)
    assert number_changes(result, cuts=[18]) == [], "behind a cut everybody has a new number"
    assert number_changes(result_of(tmp_path, walk(FRAMES), walk(10, person=2, first_frame=30))) == [], "both at once"


def test_everything_promised_is_on_the_page(motion: Motion, tmp_path: Path) -> None:
    motion.report.update(exchanged_sides={"legs": 2})
    result = result_of(tmp_path, motion, film=True)
    page = report_html(result)
    for words in (
        f"Gravity from: {escape(result.world.source)}.",
        "from: test",
        "50.0° vertically",
        "50° (used)",
        "with other lenses the same pictures mean",
        "No cut was found",
        "No number seems to have changed",
        "Person 1: frames 0 to 39.",
        "Standing feet slide 0",
        "left and right exchanged back: legs in 2 frames",
        "measured 100.0 %",
        "Half of the fitted joints lie within 0 px of where the network saw them, 95 in 100 within 0 px.",
        "<tr><td>left_knee</td><td>0.0</td><td>0.0</td><td>430.0</td></tr>",
        "Frames to look at",
        "Paths from above",
        "Height and speed",
    ):
        assert words in page, words


def test_the_page_needs_nothing_from_outside_and_holds_the_motion(motion: Motion, tmp_path: Path) -> None:
    second = walk(20, start_xy=(1, 6), person=2, first_frame=10)
    result = result_of(tmp_path, motion, second, film=True)
    page = report_html(result, (42.0,))
    assert not re.search(r"""(src|href)=["']?(https?:|//)|@import|url\(""", page)
    assert "data:video/mp4;base64," in page
    assert not re.search(r"<!--[A-Z]+-->", page), "every placeholder is filled"
    assert "class=asked><td>42°" in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))  # type: ignore[union-attr]
    mm = np.frombuffer(base64.b64decode(data["xyz_mm"]), "<i2").reshape(2, FRAMES, 21, 3)
    np.testing.assert_allclose(mm[0], 1000 * result.world.points(motion.xyz_m), atol=0.51)
    assert (mm[1, :10] == UNKNOWN_MM).all()
    assert report_html(result) == report_html(load_result(result.folder)), "the same result gives the same bytes"


def test_names_and_warnings_are_text_not_markup(motion: Motion, tmp_path: Path) -> None:
    result = result_of(tmp_path, motion)
    evil = replace(result, config={"warnings": ["<script>alert(1)</script>"]}, folder=tmp_path / "<b>_pose3d")
    page = report_html(evil)
    assert "<script>alert(1)" not in page
    assert "&lt;b&gt;" in page


def test_findings_of_the_fit_are_told_in_words() -> None:
    report = {"exchanged_sides": {"arms": 3, "legs": 0}, "rejected_joints_percent": 1.64, "bone_length_sigma": {"head": 0.02}}
    report["settled_limbs"] = [{"limb": "left_arm", "how": "turned over", "from_to_s": [0.2, 0.5], "energy_saved": 9.1}]
    lines = findings(report)
    assert lines[0] == "left and right exchanged back: arms in 3 frames"
    assert lines[1] == "limbs turned over in depth or bridged: left arm from 0.2 to 0.5 s (turned over)"
    assert lines[2].endswith("had little say: 1.64 %")
    assert findings({"resting_feet_percent": 51.4})[2] == "feet rest 51.4 % of the time (mean of ankles and toes)"
    assert findings({"warmth_k": 293.15})[2] == "warmth k: 293.15", "what is new is shown as it is"
    assert findings({}) == []
    assert findings({"exchanged_sides": {"arms": 0}})[0].endswith("none")


def test_the_person_card_repeats_nothing_and_has_no_places_in_the_camera_s_frame(motion: Motion, tmp_path: Path) -> None:
    figures = {"frames_fitted": 40, "reprojection_p50_px": 1.5, "reprojection_p95_px": 5.5, "floor_height_m": -1.51}
    assert findings(figures) == findings({"floor_up_xyz": [0, -1, 0]})
    motion.report.update(figures)
    assert "-1.51" not in re.sub("<script.*?</script>", "", report_html(result_of(tmp_path, motion)), flags=re.S)


def test_the_first_frame_with_somebody(motion: Motion, tmp_path: Path) -> None:
    late, never = walk(10, person=2, first_frame=30), walk(FRAMES, person=3)
    never.xyz_m[:] = np.nan
    late.xyz_m[:2] = np.nan
    assert first_frame(result_of(tmp_path, late, never)) == 32
    assert first_frame(result_of(tmp_path, motion, late)) == 0
    assert first_frame(result_of(tmp_path, never)) == 0


def test_command_line(motion: Motion, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    result = result_of(tmp_path, motion)
    assert main([str(result.folder)]) == 0
    assert (result.folder / "report.html").is_file()
    assert main([str(result.folder), "--what-if-fov", "300"]) == 2
    assert main([str(tmp_path / "absent")]) == 2
    assert main([str(result.folder), "-o", str(tmp_path / "no" / "where.html")]) == 2
    error = capsys.readouterr().err
    assert "cannot be written (No such file or directory); name another file with -o" in error


def test_a_result_without_people_has_a_page(tmp_path: Path) -> None:
    page = report_html(result_of(tmp_path))
    assert "0 people" in page
    assert "None stands out" in page


PROBE = """<script>
onload = () => setTimeout(() => {
  const told = { at_start: now.textContent };
  scrub.value = 7; scrub.oninput(); told.scrubbed = now.textContent;
  document.querySelector("[data-frame]").click(); told.clicked = now.textContent;
  const ink = () => plot.getContext("2d").getImageData(0, 0, plot.width, plot.height).data.join();
  const height = ink(); what.value = "speed"; what.onchange(); told.plot_changes = ink() !== height;
  const film = document.getElementById("film");
  Object.assign(told, { film_px: film.videoWidth, film_s: film.duration, wrong });
  const out = document.createElement("pre");
  out.id = "told"; out.textContent = JSON.stringify(told); document.body.append(out);
}, 1500);
</script>"""


def in_browser(page_html: str, probe: str, folder: Path) -> tuple[dict[str, Any], str]:
    """What a probe found in headless Chromium, offline, and the page's DOM; the picture lies in folder/page.png."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    page = folder / "page.html"
    html = page_html.replace("<head>", "<head><script>const wrong = []; onerror = (e) => wrong.push(e);</script>")
    page.write_text(html.replace("</body>", probe + "</body>"), encoding="utf-8")
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--hide-scrollbars", "--window-size=1200,1000", "--virtual-time-budget=4000"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", f"--screenshot={folder / 'page.png'}", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
    return json.loads(re.search(r'<pre id="told">(.*?)</pre>', dom).group(1)), dom  # type: ignore[union-attr]


def test_the_page_works_in_a_real_browser(motion: Motion, tmp_path: Path) -> None:
    """Headless Chromium, offline: figures and film are there, controls move everything, the skeleton is drawn, no errors."""
    motion.xyz_m[12, SKELETON.index("left_wrist")] += [0, 0.4, 0]
    result = result_of(tmp_path, motion, film=True)
    told, dom = in_browser(report_html(result), PROBE, tmp_path)
    assert told["wrong"] == []
    assert told["at_start"] == f"frame 0, {result.time_s[0]:.2f} s"
    assert told["scrubbed"] == f"frame 7, {result.time_s[7]:.2f} s"
    assert told["clicked"] == f"frame 12, {result.time_s[12]:.2f} s"
    assert told["plot_changes"]
    assert told["film_px"] == 64
    assert told["film_s"] == pytest.approx(FRAMES / 30, abs=0.05)
    assert dom.count("<option") == len(SKELETON) + 2
    image = cv2.imread(str(tmp_path / "page.png"))
    assert image is not None
    world = image[100:560, 600:1180].astype(int)
    orange = (world[..., 2] > 190) & (world[..., 0] < 60)
    assert orange.sum() > 300


NARROW_PROBE = """<script>
onload = () => setTimeout(() => {
  const told = { at_start: now.textContent, film_s: document.getElementById("film").currentTime };
  show(35);
  const row = plot.getContext("2d").getImageData(0, 9, plot.width, 1).data;  // above all curves: only the line of the frame
  told.line_px = row.filter((_, k) => k % 4 === 3).indexOf(Math.max(...row.filter((_, k) => k % 4 === 3)));
  told.plot_px = plot.width;
  document.querySelector("main").style.width = "340px"; onresize();
  told.inside = Math.max(...[...document.querySelectorAll("main *")].map((e) => e.getBoundingClientRect().right));
  told.main = document.querySelector("main").getBoundingClientRect().right;
  const out = document.createElement("pre");
  out.id = "told"; out.textContent = JSON.stringify({ ...told, wrong }); document.body.append(out);
}, 1500);
</script>"""


def test_the_page_opens_with_somebody_keeps_time_and_fits_a_phone(tmp_path: Path) -> None:
    """Nobody for 30 of 40 frames, the last ten three times as slow: of 0.967 + 1 s, frame 35 stands at 1.567 s."""
    time_s = np.append(np.arange(30), 29 + 3 * np.arange(1, 11)) / 30
    late = walk(10, first_frame=30)
    whole = result_of(tmp_path, replace(late, time_s=time_s[30:]), film=True)
    told, _ = in_browser(report_html(replace(whole, time_s=time_s)), NARROW_PROBE, tmp_path)
    assert told["wrong"] == []
    assert told["at_start"] == "frame 30, 1.07 s"
    assert told["film_s"] == pytest.approx(time_s[30], abs=0.05)
    share = (time_s[35] - time_s[0]) / (time_s[-1] - time_s[0])
    assert told["line_px"] == pytest.approx(44 + share * (told["plot_px"] - 54), abs=1.5)
    assert told["inside"] <= told["main"]


def test_a_film_too_large_for_the_page_is_found_from_where_the_page_lies(
    motion: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = result_of(tmp_path, motion, film=True)
    monkeypatch.setattr("apps.report_page.FILM_INSIDE_BYTES", 10)
    elsewhere = tmp_path / "pages & more"
    elsewhere.mkdir()
    for page in (elsewhere / "page.html", result.folder / "report.html"):
        assert main([str(result.folder), "-o", str(page)]) == 0
        (source,) = re.findall(r'<video [^>]*src="([^"]+)"', page.read_text(encoding="utf-8"))
        assert (page.parent / unquote(source)).resolve() == (result.folder / "overlay.mp4").resolve()
