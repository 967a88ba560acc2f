from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from posecore.errors import InputError
from posecore.video import VideoReader, VideoWriter, read_video

WIDTH, HEIGHT = 160, 120
CONSTANT_S = [k / 25 for k in range(24)]
VARIABLE_S = [k / 30 for k in range(12)] + [12 / 30 + k / 15 for k in range(12)]


def picture(k: int) -> np.ndarray:
    """A dark picture with a white block that walks right, and a red upper left corner that says which way is up."""
    rgb = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    rgb[56:72, 4 + 5 * k : 20 + 5 * k] = 255
    rgb[:24, :32] = (200, 30, 30)
    return rgb


def make_clip(path: Path, times_s: list[float]) -> Path:
    with VideoWriter(path, (WIDTH, HEIGHT), 25) as writer:
        for k, time_s in enumerate(times_s):
            writer.write(picture(k), time_s)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder):
    return make_clip(folder / "constant.mp4", CONSTANT_S)


@pytest.fixture(scope="module")
def grainy(folder):
    """A clip whose later frames hold as much data as the first."""
    rng = np.random.default_rng(0)
    with VideoWriter(folder / "grainy.mp4", (WIDTH, HEIGHT), 25) as writer:
        for k, time_s in enumerate(CONSTANT_S):
            writer.write(np.maximum(picture(k), rng.integers(0, 90, (HEIGHT, WIDTH, 1), dtype=np.uint8)), time_s)
    return folder / "grainy.mp4"


def rotated_clip(path: Path, degrees: int) -> Path:
    """The same pictures, stored lying, with a display rotation in the container (PyAV: counter-clockwise degrees)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.set_display_rotation(degrees)
        for k in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(k), format="rgb24")))
        container.mux(stream.encode())
    return path


def block_x_px(rgb: np.ndarray) -> float:
    white = rgb[64, :, 1] > 128
    return float(np.flatnonzero(white).mean())


def test_round_trip_of_pictures_and_constant_times(clip):
    reader = VideoReader(clip)
    assert (reader.size_wh, reader.frame_count, reader.expected_count) == ((WIDTH, HEIGHT), 24, 24)
    assert reader.rate_fps == pytest.approx(25)
    frames = list(reader)
    assert [f.index for f in frames] == list(range(24))
    np.testing.assert_allclose([f.time_s for f in frames], CONSTANT_S, atol=1e-6)
    for k, frame in enumerate(frames):
        assert np.abs(frame.rgb.astype(int) - picture(k)).mean() < 3
        assert abs(block_x_px(frame.rgb) - (11.5 + 5 * k)) < 0.6  # half a pixel, and RGB not BGR:
        assert frame.rgb[5, 5] == pytest.approx([200, 30, 30], abs=10)
    assert reader.warnings == []


def test_reader_can_be_iterated_again_and_opencv_agrees_on_the_pictures(clip):
    reader = VideoReader(clip)
    first, second = (np.stack([f.rgb for f in reader]) for _ in range(2))
    assert (first == second).all()
    capture = cv2.VideoCapture(str(clip))
    twin = np.stack([cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(24)])
    assert np.abs(first.astype(int) - twin).mean() < 3


@pytest.mark.parametrize(
    "times_s",
    [
        VARIABLE_S,  # a phone that halves its rate in the dark
        [0.5 + t for t in CONSTANT_S],  # a stream that starts late
        [k * 1001 / 30000 for k in range(24)],  # 29.97 frames per second
        [k / 30 + 200 * (k >= 14) for k in range(24)],  # a camera that paused: the mean step is 8 s
        [*range(6), *(6 + k / 60 for k in range(18))],  # a recorded screen that stood still at first
    ],
)
def test_times_are_the_container_s(folder, times_s):
    frames = list(read_video(make_clip(folder / "timed.mp4", times_s)))
    np.testing.assert_allclose([f.time_s for f in frames], times_s, atol=0.6 / 90000)


def test_rate_of_a_variable_clip_is_its_mean(folder):
    reader = VideoReader(make_clip(folder / "mean.mp4", VARIABLE_S))
    assert reader.rate_fps == pytest.approx(24 / (VARIABLE_S[-1] + 1 / 15), rel=0.1)  # how long the last one lasts is vague


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_rotation_is_honoured_as_opencv_does(folder, degrees):
    path = rotated_clip(folder / f"turned{degrees}.mp4", degrees)
    reader = VideoReader(path)
    frame = next(iter(reader))
    assert frame.rgb.shape[:2] == reader.size_wh[::-1]
    upright = np.rot90(picture(0), degrees // 90)
    assert np.abs(frame.rgb.astype(int) - upright).mean() < 6
    twin = cv2.cvtColor(cv2.VideoCapture(str(path)).read()[1], cv2.COLOR_BGR2RGB)
    assert np.abs(frame.rgb.astype(int) - twin).mean() < 4


def test_truncated_clip_gives_its_frames_and_one_warning(grainy, folder):
    data = grainy.read_bytes()
    cut = folder / "cut.mp4"
    cut.write_bytes(data[: int(0.6 * len(data))])
    reader = VideoReader(cut)
    frames = list(reader)
    assert 1 <= len(frames) < 24
    assert any(f"ends after {len(frames)} of 24 frames" in w for w in reader.warnings)
    assert abs(block_x_px(frames[0].rgb) - 11.5) < 0.6


def test_damaged_bytes_do_not_raise(grainy, folder):
    data = bytearray(grainy.read_bytes())
    rng = np.random.default_rng(3)
    for at in rng.integers(int(0.4 * len(data)), len(data), 200):
        data[at] ^= 0xFF
    damaged = folder / "damaged.mp4"
    damaged.write_bytes(data)
    reader = VideoReader(damaged)
    assert len(list(reader)) >= 1
    assert reader.warnings


@pytest.mark.parametrize(("count", "words"), [(1, "1 place of the clip is damaged"), (3, "3 places of the clip are damaged")])
def test_damaged_places_are_counted_as_one_speaks(clip, monkeypatch, count, words):
    decode = VideoReader._decode

    def with_problems(reader, container, problems):
        problems += ["bad marker"] * count
        return decode(reader, container, problems)

    monkeypatch.setattr(VideoReader, "_decode", with_problems)
    reader = VideoReader(clip)
    assert len(list(reader)) == 24
    assert reader.warnings == [f"{words} (first: bad marker)"]


def test_colon_and_percent_in_a_name(clip, folder):
    odd = folder / "a:b %03d.mp4"
    odd.write_bytes(clip.read_bytes())
    assert len(list(read_video(odd))) == 24


def test_one_frame(folder):
    reader = VideoReader(make_clip(folder / "one.mp4", [0.0]))
    assert [f.time_s for f in reader] == [0.0]


def make_bad(folder: Path, name: str) -> Path:
    path = folder / name
    if name == "folder.mp4":
        path.mkdir()
    elif name == "empty.mp4":
        path.write_bytes(b"")
    elif name in ("text.mp4", "text.txt"):
        path.write_text("no video\n" * 200)
    elif name == "sound.wav":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = 8000
            container.mux(stream.encode(sound))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.mp4", "No such file"),
        ("folder.mp4", "this is a folder"),
        ("empty.mp4", r"empty \(0 bytes\)"),
        ("text.mp4", r"not a video that FFmpeg can read \(.+\); it is incomplete or no video: copy it again"),
        ("text.txt", "no video stream"),  # FFmpeg would draw the letters
        ("sound.wav", "no video stream"),
    ],
)
def test_what_is_no_video_is_one_line(tmp_path, name, words):
    with pytest.raises(InputError, match=words) as caught:
        VideoReader(make_bad(tmp_path, name))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_head_without_pictures_is_refused(clip, folder):
    data = clip.read_bytes()
    bare = folder / "head.mp4"
    bare.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(InputError, match="no frame could be decoded"):
        VideoReader(bare)


def test_odd_size_is_padded_and_plays_everywhere(tmp_path):
    rgb = np.full((61, 81, 3), 90, np.uint8)
    with VideoWriter(tmp_path / "odd.mp4", (81, 61), 30) as writer:
        writer.write(rgb, 0.0)
    with av.open(str(tmp_path / "odd.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 82, 62)
    data = (tmp_path / "odd.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # a browser starts before the whole file is there


def test_a_lower_rate_factor_is_a_larger_file_nearer_to_the_pictures(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    size, error = {}, {}
    for crf in (10, 40):
        path = tmp_path / f"{crf}.mp4"
        with VideoWriter(path, (WIDTH, HEIGHT), 25, crf=crf, preset="medium") as writer:
            writer.write(rgb, 0.0)
        (frame,) = read_video(path)
        size[crf], error[crf] = path.stat().st_size, np.abs(frame.rgb.astype(int) - rgb).mean()
    assert size[10] > 2 * size[40]
    assert error[10] < error[40]


def test_writer_refuses_wrong_size_and_time_and_leaves_no_half_file(tmp_path):
    path = tmp_path / "out.mp4"
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(InputError, match="120 x 160"), VideoWriter(path, (WIDTH, HEIGHT), 25) as writer:
        writer.write(rgb[:-1], 0.0)
    with pytest.raises(InputError, match="must increase"):
        make_clip(path, [0.1, 0.1])
    with VideoWriter(path, (WIDTH, HEIGHT), 25):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="cannot write"):
        VideoWriter(tmp_path / "nowhere" / "out.mp4", (WIDTH, HEIGHT), 25)


@pytest.mark.parametrize("fps", [20, 24, 25, 30])
def test_a_repeated_time_stamp_makes_no_tiny_step(clip, monkeypatch, fps):
    """Containers count in milliseconds; one frame has the stamp of the one before it, wherever that is in the clip."""
    decode = VideoReader._decode
    for repeated in range(1, 24):
        stamps = [round(1000 * k / fps) for k in range(24)]
        stamps[repeated] = stamps[repeated - 1]

        def stamped(self, container, problems, stamps=stamps):
            for k, picture in enumerate(decode(self, container, problems)):
                picture.pts, picture.time_base = stamps[k], Fraction(1, 1000)
                yield picture

        monkeypatch.setattr(VideoReader, "_decode", stamped)
        reader = VideoReader(clip)
        monkeypatch.setattr(reader, "rate_fps", float(fps))
        times_s = np.array([frame.time_s for frame in reader])
        own_s = np.array(stamps) / 1000
        np.testing.assert_allclose(np.delete(times_s, repeated), np.delete(own_s, repeated), atol=1e-12)
        assert np.diff(times_s).min() > 0.9 / fps
        assert "1 frame had no or a repeated time stamp, set now" in " ".join(reader.warnings)


def test_frames_without_any_time_stamp_come_at_the_mean_rate(clip, monkeypatch):
    decode = VideoReader._decode

    def unstamped(self, container, problems):
        for picture in decode(self, container, problems):
            picture.pts = None
            yield picture

    monkeypatch.setattr(VideoReader, "_decode", unstamped)
    np.testing.assert_allclose([frame.time_s for frame in VideoReader(clip)], CONSTANT_S, atol=1e-12)


def test_a_disk_that_is_full_at_the_end_leaves_no_half_file(tmp_path, monkeypatch):
    writer = VideoWriter(tmp_path / "out.mp4", (WIDTH, HEIGHT), 25)
    writer.write(picture(0), 0.0)
    real = writer._container

    class Full:
        def mux(self, packets):
            raise OSError(28, "No space left on device")

        def close(self):
            real.close()

    monkeypatch.setattr(writer, "_container", Full())
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    assert list(tmp_path.iterdir()) == []
