"""Live: `python apps/webcam.py`, people before the camera in 3D as they move, with the latency shown.

Each frame is answered from the frames up to it; while the networks are busy, newer frames replace older ones. Where there is
a display, a window shows the picture with the skeletons; --view 3d shows them in their world, with the picture in the
camera's frustum. q, Esc, a closed window or Ctrl-C ends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the repository, not apps/, so that it runs uninstalled

from apps.command_line import Parser, add_settings, guarded, print_settings, settings_from

if TYPE_CHECKING:
    from apps.live import LiveFrame, LiveSession
    from apps.live_source import DeviceCamera, FileCamera
    from apps.pipeline import Networks
    from apps.settings import Settings

    Source = DeviceCamera | FileCamera

ESCAPE, Q = 27, ord("q")
WINDOW = "video3d"


def main(arguments: Sequence[str] | None = None, networks: Networks | None = None) -> int:
    """Run the command line; 0 done, 2 for a camera or file that cannot be used, 130 interrupted."""
    parser = Parser(prog="webcam", description=__doc__)
    parser.add_argument(
        "--device", default="0", metavar="N|FILE", help="camera's number (default 0), or a clip that plays the camera"
    )
    parser.add_argument("--every-frame", action="store_true", help="with a file: drop nothing, as fast as it goes")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after so many answered frames")
    parser.add_argument(
        "--view",
        choices=("2d", "3d", "none"),
        default="2d",
        help="the window: skeletons on the picture, in their world, or none (2d)",
    )
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write the joints of all in every answered frame: the positions of joints3d.csv alone",
    )
    add_settings(parser)
    options = parser.parse_args(arguments)
    return guarded(lambda: _run(options, networks))


def _run(options: argparse.Namespace, networks: Networks | None) -> int:
    from apps.camera_choice import choose_camera
    from apps.live import LiveSession
    from apps.live_source import open_camera
    from apps.pipeline import load_networks
    from apps.settings import Settings

    settings = settings_from(options, Settings())
    if options.print_config:
        return print_settings(settings)
    _check(options, settings)
    source = open_camera(options.device, options.every_frame)
    with closing(source):
        camera = choose_camera(source.size_wh, settings.camera)
        session = LiveSession(networks or load_networks(settings), camera, settings)
        with closing(Screen(options.view, session, options.quiet)) as screen:
            count = _answer(source, session, screen, options.frames, options.csv)
    if not options.quiet:
        p50, p95 = session.latency_ms()
        print(f"{count} frames answered; latency p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    return 0


def _check(options: argparse.Namespace, settings: Settings) -> None:
    """ConfigError for what would do nothing here."""
    from posecore.errors import ConfigError

    if options.frames is not None and options.frames < 1:
        raise ConfigError(f"--frames: expected at least 1, got {options.frames}")
    if settings.people.people is not None or settings.people.person is not None:
        raise ConfigError("a camera is answered for everybody in view; leave people.people and people.person out")
    for group in ("clothes", "relink", "revise", "output"):
        if getattr(settings, group) != getattr(type(settings)(), group):
            raise ConfigError(f"settings of '{group}' act once a clip is over; before a camera they do nothing, leave them out")


def _answer(source: Source, session: LiveSession, screen: Screen, at_most: int | None, csv: Path | None) -> int:
    """Answer frames until they end, the window is closed, or the user interrupts; how many it were."""
    count = 0
    with csv.open("w", encoding="utf-8", newline="") if csv else nullcontext() as table:
        try:
            for frame, arrived_s in source:
                answer = session.step(frame, arrived_s)
                count += 1
                if table is not None:
                    write_rows(table, answer, header=count == 1)
                if not screen.show(answer) or count == at_most:
                    break
        except KeyboardInterrupt:  # the usual end where there is no window
            pass
    return count


class Screen:
    """Shows answers: a window where there is a display, one line of status where a terminal looks on."""

    def __init__(self, view: str, session: LiveSession, quiet: bool) -> None:
        from apps.viewer_display import display_fault
        from apps.viewer_live import LiveView, window

        self._session, self._status = session, not quiet and sys.stderr.isatty()
        fault = display_fault(x11_only=True) if view == "2d" else None
        self._flat = view == "2d" and fault is None
        self._world = LiveView(session.camera, window()) if view == "3d" else None
        if fault is not None and not quiet:
            print(f"note: there is no display ({fault}), so no window; Ctrl-C ends", file=sys.stderr)

    def show(self, answer: LiveFrame) -> bool:
        """Show one answer; False when the user has closed the window."""
        p50, p95 = self._session.latency_ms()
        who = "1 person" if len(answer.people) == 1 else f"{len(answer.people)} people"
        text = f"{who}  {1000 * answer.latency_s:.0f} ms (p50 {p50:.0f}, p95 {p95:.0f})"
        if self._status:
            print(f"\r{answer.frame.time_s:8.2f} s  {text}   ", end="", file=sys.stderr, flush=True)
        alive = True
        if self._flat:
            import cv2

            picture = answer.drawn()
            cv2.putText(picture, text, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
            cv2.imshow(WINDOW, picture[..., ::-1])
            alive = cv2.waitKey(1) & 0xFF not in (ESCAPE, Q) and _is_open(WINDOW)
        if self._world is not None:
            alive = self._world.show(answer.frame, answer.people, text) and alive
        return alive

    def close(self) -> None:
        """Close the windows."""
        if self._status:
            print(file=sys.stderr)
        if self._flat:
            import cv2

            cv2.destroyAllWindows()
        if self._world is not None:
            self._world.close()


def _is_open(name: str) -> bool:
    """Whether OpenCV still shows its window of this name; `imshow` would make a closed one anew."""
    import cv2

    try:
        return bool(cv2.getWindowProperty(name, cv2.WND_PROP_VISIBLE) >= 1)
    except cv2.error:  # what Qt says once its last window is closed
        return False


def write_rows(out: TextIO, answer: LiveFrame, header: bool) -> None:
    """This frame's people as rows: frame, time_s, person, then x, y, z of every joint in metres, camera frame."""
    from posecore.results import in_words
    from posecore.skeleton import load_skeleton

    if header:
        names = [f"{joint}_{axis}_m" for joint in load_skeleton("vnect21").joints for axis in "xyz"]
        out.write(",".join(["frame", "time_s", "person", *names]) + "\n")
    for person, fitted in sorted(answer.people.items()):
        cells = in_words(fitted.xyz_m.ravel(), 4)
        out.write(",".join([str(answer.frame.index), f"{answer.frame.time_s:.6f}", str(person), *cells]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
