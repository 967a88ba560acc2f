"""The clip's own picture at any time, for the viewer: played forwards it is decoded once, on a jump it seeks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from apps.result_folder import check_writable
from posecore.errors import InputError
from posecore.results import whole_file

WIDTH_PX = 480  # more would not be seen in the camera's frustum


class ClipPictures:
    """`at(time_s)` gives the frame shown at that time as (H, W, 3) uint8 RGB, at most `width_px` wide."""

    def __init__(self, path: Path, width_px: int = WIDTH_PX) -> None:
        import av

        self._width_px = width_px
        try:
            self._container: Any = av.open(f"file:{path}")
            self._stream = self._container.streams.video[0]
        except (av.error.FFmpegError, IndexError) as error:
            raise InputError(f"{path}: cannot be shown ({error}); leave it out with --picture none") from None
        self._decoder: Iterator[Any] = self._container.decode(self._stream)
        self._current: Any = next(self._decoder, None)
        self._ahead: Any = next(self._decoder, None)

    def at(self, time_s: float) -> NDArray[np.uint8] | None:
        """The last frame that starts at or before `time_s` (the first one before that); None if there is none."""
        margin_s = 1e-4  # time stamps are rounded to the container's ticks
        if self._current is not None and (time_s < self._current.time - margin_s or time_s > self._current.time + 2):
            self._seek(time_s)
        while self._ahead is not None and self._ahead.time <= time_s + margin_s:
            self._current, self._ahead = self._ahead, next(self._decoder, None)
        return None if self._current is None else self._rgb()

    def _seek(self, time_s: float) -> None:
        self._container.seek(round(max(time_s, 0) / self._stream.time_base), stream=self._stream, backward=True)
        self._decoder = self._container.decode(self._stream)
        self._current = next(self._decoder, None)
        self._ahead = next(self._decoder, None)

    def _rgb(self) -> NDArray[np.uint8]:
        rgb = np.rot90(self._current.to_ndarray(format="rgb24"), round(self._current.rotation / 90) % 4)
        return shrunk(np.ascontiguousarray(rgb), self._width_px)

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def check_picture(path: Path) -> None:
    """InputError unless `write_picture` can write this file: told before anything is drawn."""
    if not path.suffix or not cv2.haveImageWriter(path.suffix):
        raise InputError(f"{path}: no picture's ending; name a file that ends in .png or .jpg")
    check_writable(path.parent)


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    """A picture (H, W, 3) RGB as a file of the kind that its ending says. InputError."""
    check_picture(path)
    data = cv2.imencode(path.suffix, rgb[..., ::-1])[1].tobytes()
    try:
        with whole_file(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another file") from None


def shrunk(rgb: NDArray[np.uint8], width_px: int = WIDTH_PX) -> NDArray[np.uint8]:
    """A picture (H, W, 3), scaled down if it is wider than this."""
    height, width = rgb.shape[:2]
    if width <= width_px:
        return rgb
    size_wh = (width_px, max(1, round(height * width_px / width)))
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
