"""H.264 video files by PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError


@contextmanager
def h264_video(
    path: Path, size_wh: tuple[int, int], fps: float, crf: int = 21
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Gives a function that appends an RGB frame (H, W, 3) uint8; frame i has the time stamp i / fps.

    crf: constant rate factor, lower is better and larger. InputError if the file cannot be written.
    """
    import av

    if size_wh[0] % 2 or size_wh[1] % 2:
        raise InputError(f"H.264 needs an even width and height, got {size_wh[0]}x{size_wh[1]}")
    rate = Fraction(fps).limit_denominator(1001)
    try:
        container = av.open(str(path), "w")
    except OSError as error:
        raise InputError(f"video '{path}' cannot be written: {error}") from None
    with container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "slow"})
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = 1 / rate
        count = 0

        def add(rgb: NDArray[np.uint8]) -> None:
            nonlocal count
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts, frame.time_base = count, 1 / rate
            count += 1
            container.mux(stream.encode(frame))

        yield add
        container.mux(stream.encode())
