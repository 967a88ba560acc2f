"""Clips as browsers, recorders and editors write them, from the file to the result."""

import struct
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
from tests.fakes import RATE_FPS, SIZE_WH, Actor, World, frame_of

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
    world = World([Actor((0, 0, 4), frames=range(5, 35))])
    jitter_ms = np.random.default_rng(1).normal(0, 6, 40)
    stamps_ms = np.round(1000 * np.arange(40) / 30 + jitter_ms * (np.arange(40) > 0)).astype(int).tolist()
    clip = browser_webm(tmp_path / "clip.webm", world, stamps_ms)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].average_rate is None, "FFmpeg knows no rate"
    summary = run_clip(clip, tmp_path / "out", QUICK, quiet=True, networks=world.networks)
    assert summary.persons == (1,)
    assert summary.frames == 40
    assert not summary.warnings
    assert read_config(tmp_path / "out" / CONFIG)["clip"]["rate_fps"] == pytest.approx(30, rel=0.02)
    assert VideoReader(clip).expected_count == pytest.approx(40, abs=1)


def trimmed(clip: Path, first: int, end: int) -> Path:
    """The same file with an edit list that shows frames first .. end - 1 only, as editors trim without encoding anew."""
    data = bytearray(clip.read_bytes())
    at = data.index(b"elst") + 12
    scale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    shift = struct.unpack_from(">i", data, at + 4)[0]  # of B frames
    struct.pack_into(">Ii", data, at, round((end - first) / RATE_FPS * scale), shift + round(first / RATE_FPS * 90000))
    out = clip.with_name(f"{first}_{end}.mp4")
    out.write_bytes(data)
    return out


@pytest.mark.parametrize(("first", "end"), [(0, 40), (12, 40), (0, 20), (0, 33), (21, 35)])
def test_a_trimmed_clip_is_not_called_truncated(tmp_path, first, end):
    clip = trimmed(World([]).write(tmp_path / "clip.mp4", 40), first, end)
    reader = VideoReader(clip)
    assert reader.frame_count == reader.expected_count == end - first
    frames = list(reader)
    assert [frame_of(f.rgb) for f in frames] == list(range(first, end))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(end - first) / RATE_FPS, atol=1e-3)
    assert reader.warnings == []


def test_a_trimmed_clip_that_is_truncated_is_called_so(tmp_path):
    rng, world = np.random.default_rng(0), World([])
    world.picture = lambda k, scene: rng.integers(0, 99, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    clip = trimmed(world.write(tmp_path / "clip.mp4", 24), 4, 22)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    reader = VideoReader(clip)
    count = len(list(reader))
    assert 0 < count < 18
    assert f"the clip ends after {count} of 18 frames: it is truncated" in reader.warnings[0]


def transport_stream(path: Path, first: int, count: int, sound: bool) -> bytes:
    """Frames of noise, 130 kB each, from `first` on, with sound or without."""
    rng = np.random.default_rng(first)
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "4"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = container.add_stream("mp2", rate=48000) if sound else None
        for k in range(first, first + count):
            picture = av.VideoFrame.from_ndarray(rng.integers(0, 255, (360, 320), dtype=np.uint8), format="yuv420p")
            picture.pts, picture.time_base = k, Fraction(1, 25)
            container.mux(video.encode(picture))
            if audio is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 3840), np.int16), format="s16", layout="stereo")
                silence.sample_rate, silence.pts, silence.time_base = 48000, k * 1920, Fraction(1, 48000)
                container.mux(audio.encode(silence))
        container.mux(video.encode())
    return path.read_bytes()


def test_sound_that_begins_late_stops_no_clip(tmp_path):
    """FFmpeg looks for streams in the first 5 MB; PyAV stumbles over one that comes later."""
    parts = transport_stream(tmp_path / "1.ts", 0, 60, False), transport_stream(tmp_path / "2.ts", 60, 30, True)
    (tmp_path / "late.ts").write_bytes(b"".join(parts))
    reader = VideoReader(tmp_path / "late.ts")
    times_s = np.array([frame.time_s for frame in reader])
    np.testing.assert_allclose(times_s - times_s[0], np.arange(90) / 25, atol=1e-4)
    assert reader.warnings == []
