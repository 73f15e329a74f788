"""Sounds of many forms read as one channel: against sines known in closed form, and files made without PyAV.

Letters: N samples, C channels.
"""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest

from opengato.core.media import media_kind, wav
from opengato.core.sound import flac, mix, read_sound, resample

av = pytest.importorskip("av")


def sine(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def pcm(samples: np.ndarray, rate: int, width: int) -> bytes:
    """A WAV of `width` bytes a sample, written by the standard library."""
    if width == 1:
        raw = np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.round(samples * (2 ** (8 * width - 1) - 1)).astype("<i4")
        raw = whole.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw)
    return stream.getvalue()


def float_wav(samples: np.ndarray, rate: int) -> bytes:
    """A WAV of 32-bit floats by hand: RIFF, `fmt ` with format 3, `data`."""
    raw = samples.astype("<f4").tobytes()
    chunks = b"fmt " + struct.pack("<IHHIIHH", 16, 3, 1, rate, 4 * rate, 4, 32) + b"data" + struct.pack("<I", len(raw))
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(raw)) + b"WAVE" + chunks + raw


def encoded(samples_CN: np.ndarray, rate: int, form: str, codec: str, *, picture: bool = False) -> bytes:
    """A file of a lossy kind, with a film's pictures before the sound if asked."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=form) as container:
        if picture:
            film = container.add_stream("mpeg4", rate=10)
            film.width, film.height, film.pix_fmt = 32, 32, "yuv420p"
            grey = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), "rgb24")
        layout = "mono" if len(samples_CN) == 1 else "stereo"
        track = container.add_stream(codec, rate=rate, layout=layout)
        if picture:
            container.mux([*film.encode(grey), *film.encode(None)])
        frame = av.AudioFrame.from_ndarray(samples_CN.astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate = rate
        fitting = av.AudioResampler(track.codec_context.format, layout, rate, track.codec_context.frame_size or None)
        for part in (*fitting.resample(frame), *fitting.resample(None)):
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    return stream.getvalue()


@pytest.mark.parametrize(("width", "error"), [(1, 1 / 100), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
def test_whole_numbers_of_any_width(width: int, error: float) -> None:
    read = read_sound(pcm(sine(16000), 16000, width), 16000)
    assert read.dtype == np.float32
    assert np.abs(read - sine(16000)).max() < error


def test_floats_are_read_as_they_are_and_broken_ones_refused() -> None:
    np.testing.assert_array_equal(read_sound(float_wav(3 * sine(8000), 8000), 8000), (3 * sine(8000)).astype("f4"))
    with pytest.raises(ValueError, match="not finite numbers"):
        read_sound(float_wav(np.array([0.1, np.nan, 0.2]), 8000), 8000)


@pytest.mark.parametrize("own", [8000, 11025, 16000, 22050, 44100, 48000, 7919])
def test_any_rate_becomes_the_rate_asked_for(own: int) -> None:
    """A tone of 440 Hz is the same function of time at every rate, and lasts as long."""
    read = read_sound(wav(sine(own), own), 16000)
    assert len(read) == -(-len(sine(own)) * 16000 // own)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(read)) / 16000)
    assert np.abs(read - expected)[100:-100].max() < 2e-4


def test_what_a_rate_cannot_hold_is_filtered_out() -> None:
    """7 kHz is above half of 8000: it must vanish, not come back as 1 kHz."""
    high = sine(16000, hertz=7000)
    assert np.abs(resample(high, 16000, 8000))[100:-100].max() < 1e-3
    assert [len(resample(high[:n], 8000, 16000)) for n in (1, 7, 300)] == [2, 14, 600]


def test_a_dead_channel_does_not_halve_the_other() -> None:
    tone, faint = sine(16000), 0.003 * sine(16000, hertz=100)
    np.testing.assert_allclose(mix(np.stack([faint, tone])), tone)
    np.testing.assert_allclose(mix(np.stack([tone, 0.5 * tone])), 0.75 * tone)
    np.testing.assert_allclose(mix(np.stack([tone, -tone, 0 * tone])), tone)
    both = np.stack([0 * tone, tone], axis=1)
    assert np.abs(read_sound(wav(both, 16000), 16000) - tone).max() < 1e-4
    assert not read_sound(wav(0 * both, 16000), 16000).any()


@pytest.mark.parametrize(
    ("form", "codec", "kind"),
    [
        ("ogg", "libopus", "audio"),
        ("mp3", "libmp3lame", "audio"),
        ("ipod", "aac", "audio"),
        ("flac", "flac", "audio"),
        ("mp4", "aac", "video"),
        ("matroska", "libopus", "video"),
    ],
)
def test_formats_and_sound_tracks_of_films(form: str, codec: str, kind: str) -> None:
    """The tone is the loudest frequency of what is read, about as loud as it was, whatever the format."""
    tone = np.stack([sine(48000, 1.0), 0 * sine(48000, 1.0)])
    data = encoded(tone, 48000, form, codec, picture=kind == "video")
    assert media_kind(data) == kind
    read = read_sound(data, 16000)
    assert abs(len(read) - 16000) < 2000, "encoders add up to two of their frames"
    middle = read[4000:12000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(8000)))
    assert abs(spectrum.argmax() * 2 - 440) <= 2
    assert 0.4 < np.abs(middle).max() < 0.6


def test_what_is_no_sound_says_why() -> None:
    whole = flac(sine(16000), 16000)
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 32, 32, "yuv420p"
        grey = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), "rgb24")
        container.mux([*track.encode(grey), *track.encode(None)])
    for data, reason in (
        (b"", "has 0 bytes"),
        (b"hello world", r"11 bytes \(starts with b'hello wo'\) cannot be decoded"),
        (whole[:300], "cannot be decoded"),
        (whole[:1000] + b"\x55" * (len(whole) - 1000), "empty or broken"),
        (wav(sine(8000), 8000)[:44], "holds no samples"),
        (film.getvalue(), r"has no sound track: it holds \['video'\]"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_sound(data, 16000)


def test_flac_keeps_sixteen_bits_and_is_the_same_each_time() -> None:
    noise = np.random.default_rng(0).uniform(-1.2, 1.2, 5000)
    data = flac(noise, 16000)
    assert media_kind(data) == "audio"
    assert flac(noise, 16000) == data
    expected = np.round(np.clip(noise, -1, 1) * 32767) / 32768
    np.testing.assert_array_equal(read_sound(data, 16000), expected.astype("f4"))
    with pytest.raises(ValueError, match="at least one"):
        flac(np.zeros(0), 16000)
