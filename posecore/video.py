"""Reading and writing clips by FFmpeg (PyAV), one frame in memory at a time.

Why not OpenCV's VideoCapture: it forgets the start time of a stream, and it cannot write H.264.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from posecore.errors import InputError, MissingDependencyError
from posecore.timestamps import FALLBACK_RATE_FPS, StampMender
from posecore.types import Frame

_TICKS_PER_S = 90000  # clock of the files we write: every common frame rate falls on whole ticks
_BT709 = 1  # FFmpeg's number for the colours of HD video


class VideoReader:
    """The frames of a clip, upright, in order, with the container's own time stamps; iterate as often as you like.

    size_wh: width and height in pixels after rotation; rate_fps: mean frames per second as the container tells or FFmpeg
    guesses it, for what must be known before the frames are; frame_count: as the container declares it, without those
    that its edit list hides, or None; warnings: findings about the file, complete after an iteration. InputError, in one
    line, for what cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = _existing_file(path)
        self.warnings: list[str] = []
        with self._open() as container:
            stream = container.streams.video[0]
            first = next(self._decode(container, []), None)
            if first is None:
                raise InputError(f"{self.path}: no frame could be decoded; the file is damaged or not a video")
            self._turns = round(first.rotation / 90) % 4
            self._stored_wh = (first.width, first.height)
            self.rate_fps = _told_rate_fps(stream)
            self.frame_count = _declared_count(container, stream)
            self._duration_s = None if container.duration is None else container.duration / av.time_base
            self._pixel_aspect = stream.sample_aspect_ratio
        self.size_wh = self._stored_wh[::-1] if self._turns % 2 else self._stored_wh

    @property
    def expected_count(self) -> int | None:
        """Frames to expect, for a progress bar: declared, else from duration and rate, else None."""
        if self.frame_count is None and self._duration_s is not None:
            return max(1, round(self._duration_s * self.rate_fps))
        return self.frame_count

    def __iter__(self) -> Iterator[Frame]:
        """Frames from the first on, `rgb` upright; frames that cannot be decoded are left out and counted in `warnings`."""
        problems: list[str] = []
        reformatter, stamps = VideoReformatter(), StampMender(self.rate_fps)
        index = 0
        with self._open() as container:
            for picture, following in itertools.pairwise(itertools.chain(self._decode(container, problems), [None])):
                time_s = stamps.time_s(picture.time, None if following is None else following.time)
                yield Frame(index, time_s, self._upright_rgb(picture, reformatter))
                index += 1
        self.warnings = self._findings(problems, index, stamps.mended)

    def _open(self) -> Any:
        try:
            container = av.open(f"file:{self.path}")  # "file:" keeps a colon in a name from being read as a protocol
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self.path}: not a video that FFmpeg can read ({_reason(error)}); it is incomplete or no video: "
                "copy it again, or give another"
            ) from None
        if container.streams.video and container.format.name != "tty":  # "tty" would draw a text file
            container.streams.video[0].thread_type = "AUTO"
            return container
        container.close()
        raise InputError(f"{self.path}: there is no video stream in this file; give a video such as an .mp4, .mov or .webm")

    def _decode(self, container: Any, problems: list[str]) -> Iterator[Any]:
        """Decoded pictures; what FFmpeg complains about goes to `problems` and decoding goes on behind it."""
        packets = container.demux(container.streams.video[0])
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                problems.append(_reason(error))
                return
            except IndexError:  # PyAV at the end, of a stream that began after probing; ours has been flushed by then
                return
            if packet is None:
                return
            try:
                pictures = packet.decode()
            except av.error.FFmpegError as error:
                problems.append(_reason(error))
                continue
            for picture in pictures:
                if picture.is_corrupt:
                    problems.append("damaged picture")
                yield picture

    def _upright_rgb(self, picture: Any, reformatter: VideoReformatter) -> NDArray[np.uint8]:
        width, height = self._stored_wh
        rgb: Any = reformatter.reformat(picture, width=width, height=height, format="rgb24").to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, self._turns)) if self._turns else rgb

    def _findings(self, problems: list[str], count: int, mended: int) -> list[str]:
        found = []
        if self.frame_count is not None and count < self.frame_count:
            found.append(f"the clip ends after {count} of {self.frame_count} frames: it is truncated or damaged")
        if problems:
            places = "1 place of the clip is" if len(problems) == 1 else f"{len(problems)} places of the clip are"
            found.append(f"{places} damaged (first: {problems[0]})")
        if mended:
            frames = "1 frame" if mended == 1 else f"{mended} frames"
            found.append(f"{frames} had no or a repeated time stamp, set now by the frame rate around")
        if self._pixel_aspect not in (None, 0, 1):
            found.append(f"the clip's pixels are not square ({self._pixel_aspect}); give --camera for right proportions")
        return found


def read_video(path: str | Path) -> Iterator[Frame]:
    """The frames of a clip in order (`VideoReader` gives size, rate and warnings too). InputError if it cannot be read."""
    return iter(VideoReader(path))


class VideoWriter:
    """H.264 (yuv420p, plays in browsers), each frame at its own time; a context manager that leaves no half-written file.

    path: the file to make, in an existing folder; size_wh: width and height of the frames in pixels (an odd size is padded by
    repeating its last column or row); rate_fps: nominal rate, for players that ask; crf: x264's constant rate factor, lower is
    better and larger; preset: how long x264 looks for a smaller file.
    """

    def __init__(
        self, path: str | Path, size_wh: tuple[int, int], rate_fps: float, crf: int = 23, preset: str = "veryfast"
    ) -> None:
        self.path = Path(path)
        self.size_wh = size_wh
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._reformatter = VideoReformatter()
        self._last_tick: int | None = None
        self._container: Any = av.open(f"file:{self._part}", "w", format="mp4", options={"movflags": "+faststart"})
        try:
            self._stream = self._h264_stream(Fraction(rate_fps).limit_denominator(1001), crf, preset)
            self._container.start_encoding()
        except OSError as error:
            self._discard()
            raise InputError(f"cannot write {self.path}: {_reason(error)}") from None
        except (av.error.FFmpegError, ValueError) as error:
            self._discard()
            raise MissingDependencyError(f"this PyAV cannot write H.264 ({error}); install the wheel: pip install av") from None

    def _h264_stream(self, rate: Fraction, crf: int, preset: str) -> Any:
        stream = self._container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": preset})
        stream.width, stream.height = (n + n % 2 for n in self.size_wh)
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = Fraction(1, _TICKS_PER_S)
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709  # untagged, players guess differently
        codec.color_range = 1
        return stream

    def write(self, rgb: NDArray[np.uint8], time_s: float) -> None:
        """Append one frame (H, W, 3) uint8 shown from time_s on; times must increase."""
        if rgb.shape != (self.size_wh[1], self.size_wh[0], 3):
            raise InputError(f"VideoWriter: expected frames {self.size_wh[1]} x {self.size_wh[0]} x 3, got {rgb.shape}")
        tick = round(time_s * _TICKS_PER_S)
        if self._last_tick is not None and tick <= self._last_tick:
            raise InputError(f"VideoWriter: times must increase, got {time_s} s after {self._last_tick / _TICKS_PER_S} s")
        padded = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
        picture = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(padded, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        picture.pts, picture.time_base = tick, Fraction(1, _TICKS_PER_S)
        self._last_tick = tick
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Finish the file and give it its name; without a single frame there is no file."""
        if self._last_tick is None:
            self._discard()
            return
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._part.replace(self.path)
        except BaseException:  # a disk that is full shows when the last pictures are written
            self._discard()
            raise

    def _discard(self) -> None:
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()


def _declared_count(container: Any, stream: Any) -> int | None:
    """Frames of a stream before they are read, or None: as declared, without those that an edit list hides (a trim that
    encodes nothing anew leaves them in the file)."""
    if stream.frames and "mp4" in container.format.name.split(","):
        return sum(not entry.is_discard for entry in stream.index_entries) or stream.frames
    return stream.frames or None


def _told_rate_fps(stream: Any) -> float:
    """Mean frame rate of a stream before its frames are read, as told or guessed.

    Where stamps jitter (WebM from a browser) FFmpeg may guess one frame per tick of the clock, 1000 a second: that is no guess.
    """
    guessed = stream.guessed_rate
    if guessed and stream.time_base and guessed * stream.time_base == 1:
        guessed = None
    return float(stream.average_rate or guessed or FALLBACK_RATE_FPS)


def _existing_file(path: str | Path) -> Path:
    """`path` if it is a file with something in it, else InputError in one line."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give one video file")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the name") from None
    if not path.is_file():
        raise InputError(f"{path}: this is not a regular file; give a video file")
    if size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    return path


def _reason(error: Exception) -> str:
    """FFmpeg's words for an error, without number and path."""
    return getattr(error, "strerror", None) or str(error)
