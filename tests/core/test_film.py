"""Films: every frame at its time, upright, on white; and clear words for what is no film.

Letters: F frames.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from opengato.core import film
from opengato.core.media import media_kind, wav
from opengato.core.sound import read_sound

av = pytest.importorskip("av")


def noise(count: int, height: int = 32, width: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def levels(count: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Frame k is grey of level 10 k."""
    return np.repeat(np.arange(count, dtype=np.uint8) * 10, height * width * 3).reshape(count, height, width, 3)


def encoded(
    frames: np.ndarray, times: list[int], codec: str = "ffv1", given: str = "rgb24", stored: str = "bgr0"
) -> bytes:
    """A Matroska (or for qtrle QuickTime) file of frames at times in thousandths of a second."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mov" if codec == "qtrle" else "matroska") as container:
        track: Any = container.add_stream(codec, rate=30)
        track.pix_fmt, track.time_base = stored, Fraction(1, 1000)
        track.height, track.width = frames.shape[1:3]
        track.codec_context.time_base = Fraction(1, 1000)
        for pixels, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, given)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return stream.getvalue()


@pytest.mark.parametrize("fps", [1, 3, 7, 24, 30])
@pytest.mark.parametrize("shape", [(32, 48), (33, 47)])
def test_what_is_written_without_loss_comes_back(fps: int, shape: tuple[int, int]) -> None:
    frames = noise(9, *shape)
    data = film.write_film(frames, fps, lossless=True)
    assert media_kind(data) == "video"
    np.testing.assert_array_equal(film.read_film(data, fps, 100), frames)
    np.testing.assert_array_equal(film.read_film(data, fps, 4), frames[:4])


def test_an_mp4_is_near_and_padded_to_even_sides() -> None:
    data = film.write_film(levels(6, 31, 45), 10)
    assert media_kind(data) == "video"
    frames = film.read_film(data, 10, 100)
    assert frames.shape == (6, 32, 46, 3)
    np.testing.assert_allclose(frames.mean((1, 2, 3)), [0, 10, 20, 30, 40, 50], atol=4)


def test_a_large_film_is_shrunk_on_the_way() -> None:
    data = film.write_film(levels(4, 60, 120), 10, lossless=True)
    small = film.read_film(data, 10, 100, longest=40)
    assert small.shape == (4, 20, 40, 3)
    assert small[:, 10, 20, 0].tolist() == [0, 10, 20, 30]
    assert film.read_film(data, 10, 100, longest=120).shape == (4, 60, 120, 3)


def test_another_rate_shows_what_is_on_the_screen() -> None:
    """Six frames at 10 a second last 0.6 s: at 4 a second the times 0, 0.25 and 0.5, at 20 each frame twice."""
    data = film.write_film(levels(6), 10, lossless=True)
    assert film.read_film(data, 4, 100)[:, 0, 0, 0].tolist() == [0, 20, 50]
    assert film.read_film(data, 20, 100)[:, 0, 0, 0].tolist() == [0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50]
    assert film.read_film(data, 20, 5)[:, 0, 0, 0].tolist() == [0, 0, 10, 10, 20]


def test_a_changing_rate_is_read_by_its_time_stamps() -> None:
    """Frames at 0, 0.1, 0.5 and 1 s: at 5 a second the screen shows 0 and, from 0.2 s on, 1; from 0.6 s on 2."""
    data = encoded(levels(4), [0, 100, 500, 1000])
    assert film.read_film(data, 5, 6)[:, 0, 0, 0].tolist() == [0, 10, 10, 20, 20, 30]
    later = encoded(levels(4), [700, 800, 1200, 1700])  # a film that begins late begins with its first frame
    np.testing.assert_array_equal(film.read_film(later, 5, 6), film.read_film(data, 5, 6))


def test_what_is_transparent_is_white() -> None:
    """Black of alpha 0, 128, 255: white, 127, black."""
    frames = np.zeros((2, 16, 48, 4), np.uint8)
    frames[:, :, 16:32, 3], frames[:, :, 32:, 3] = 128, 255
    data = encoded(frames, [0, 33], "ffv1", "bgra", "bgra")
    shown = film.read_film(data, 30, 1)
    assert shown[0, 0, [0, 20, 40], 0].tolist() == [255, 127, 0]


@pytest.mark.parametrize(("turn", "matrix"), [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))])
def test_a_turned_film_is_upright(turn: int, matrix: tuple[int, int, int, int]) -> None:
    """The film lies on its side in the file, which says by how much a player must turn it, clockwise."""
    upright = levels(3, 32, 64)
    upright[:, :16, :16] = 250  # top left
    data = bytearray(film.write_film(np.rot90(upright, turn // 90, axes=(1, 2)), 5))
    header = data.index(b"tkhd") + 4
    place = header + 40  # version and flags 4, times 8, track 4, reserved 4, duration 4, reserved 8, layer ... 8
    assert struct.unpack(">9i", data[place : place + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    a, b, c, d = (65536 * number for number in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    frames = film.read_film(bytes(data), 5, 10)
    assert frames.shape == upright.shape
    np.testing.assert_allclose(frames.mean(-1)[:, 8, [8, 40]], [[250, 0], [250, 10], [250, 20]], atol=12)


def test_sound_goes_along() -> None:
    rate = 16_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    for lossless in (True, False):
        heard = read_sound(film.write_film(levels(10), 10, (tone, rate), lossless=lossless), 8_000)
        assert len(heard) == pytest.approx(8_000, rel=0.05)
        loudest = np.abs(np.fft.rfft(heard)).argmax() * 8_000 / len(heard)
        assert loudest == pytest.approx(440, abs=2)
        assert np.abs(heard).max() == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ValueError, match="no sound track"):
        read_sound(film.write_film(levels(3), 10), 8_000)


def test_what_is_no_film_is_told() -> None:
    good = film.write_film(noise(12), 5)
    sound = wav(np.zeros(800), 8_000)
    for data, message in (
        (b"", "0 bytes"),
        (b"not a film at all", "17 bytes .*cannot be read"),
        (good[: len(good) // 2].replace(b"moov", b"mooo"), "cannot be read"),
        (sound, "has no pictures, only audio"),
    ):
        with pytest.raises(ValueError, match=message):
            film.read_film(data, 5, 10)
    for fps, most in ((0, 3), (float("nan"), 3), (4, 0)):
        with pytest.raises(ValueError, match="expected both above 0"):
            film.read_film(good, fps, most)


@pytest.mark.parametrize("at", range(5))
def test_a_damaged_film_is_a_film_or_a_value_error(at: int) -> None:
    good = bytearray(film.write_film(noise(6), 5, lossless=at % 2 == 0))
    start = len(good) * (at + 1) // 7
    good[start : start + 40] = bytes(40)
    try:
        frames = film.read_film(bytes(good), 5, 100)
    except ValueError as error:
        assert "cannot be read" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert frames.shape[1:] == (32, 48, 3)


def test_wrong_frames_are_explained() -> None:
    for given in ([], [*noise(1), *noise(1, 16)], np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8)):
        with pytest.raises(ValueError, match="expected one"):
            film.write_film(given, 5)
