"""Clips as browsers, recorders and editors write them, from the file to the result."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from apps.pipeline import run_clip
from apps.settings import OutputSettings, Settings
from fitting.settings import FitSettings
from posecore.results import CONFIG, read_config
from posecore.video import VideoReader
from tests.fakes import SIZE_WH, Actor, World

QUICK = Settings(output=OutputSettings(overlay=False), fit=FitSettings(contact=False, floor=False, iterations=2))


def browser_webm(path: Path, world: World, stamps_ms: list[int]) -> Path:
    """WebM as a browser records it: stamps in milliseconds and no frame rate (DefaultDuration) in its head."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libvpx", rate=30, options={"deadline": "realtime", "cpu-used": "8", "crf": "4", "b:v": "9M"}
        )
        stream.width, stream.height = SIZE_WH
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, stamp_ms in enumerate(stamps_ms):
            picture = av.VideoFrame.from_ndarray(world.picture(k), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = stamp_ms, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    data = path.read_bytes()
    at, size = data.index(b"\x23\xe3\x83"), data[data.index(b"\x23\xe3\x83") + 3] & 0x7F
    void = bytes([0xEC, 0x80 | size + 2]) + bytes(size + 2)  # EBML's filler, as long as the element it covers
    path.write_bytes(data[:at] + void + data[at + 4 + size :])
    return path


def test_a_browser_s_recording_without_a_frame_rate_keeps_its_people(tmp_path):
    world = World([Actor((0, 0, 4), frames=range(5, 55))])
    jitter_ms = np.random.default_rng(1).normal(0, 6, 60)
    stamps_ms = np.round(1000 * np.arange(60) / 30 + jitter_ms * (np.arange(60) > 0)).astype(int).tolist()
    clip = browser_webm(tmp_path / "clip.webm", world, stamps_ms)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].average_rate is None, "FFmpeg knows no rate"
    summary = run_clip(clip, tmp_path / "out", QUICK, quiet=True, networks=world.networks)
    assert summary.persons == (1,)
    assert summary.frames == 60
    assert not summary.warnings
    assert read_config(tmp_path / "out" / CONFIG)["clip"]["rate_fps"] == pytest.approx(30, rel=0.02)
    assert VideoReader(clip).expected_count == pytest.approx(60, abs=1)
