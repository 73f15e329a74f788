"""What a file is, by its first bytes; samples as a WAV that an independent reader reads."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.core.media import media_kind, wav


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_pictures_are_known(form: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(stream, form)
    assert media_kind(stream.getvalue()) == "image"


def test_sounds_and_films_are_known() -> None:
    """First bytes as the formats' descriptions have them."""
    assert media_kind(wav(np.zeros(8), 8000)) == "audio"
    assert media_kind(b"fLaC\x00\x00\x00\x22") == "audio"
    assert media_kind(b"OggS\x00\x02" + bytes(22) + b"\x01\x1e\x01vorbis") == "audio"
    assert media_kind(b"OggS\x00\x02" + bytes(22) + b"\x01\x2a\x80theora") == "video"
    assert media_kind(b"\x00\x00\x00\x20ftypisom") == "video"
    assert media_kind(b"\x00\x00\x00\x20ftypM4A ") == "audio"
    assert media_kind(b"\x1a\x45\xdf\xa3" + bytes(20)) == "video"
    assert media_kind(b"RIFF\x24\x00\x00\x00AVI LIST") == "video"


def test_anything_else_is_told() -> None:
    with pytest.raises(ValueError, match=r"7 bytes that begin with b'nothing' are no picture"):
        media_kind(b"nothing")


def test_samples_come_back_within_half_a_step() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    with wave.open(io.BytesIO(wav(samples, 22050))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 22050, 2)
        read = np.frombuffer(file.readframes(50), "<i2").reshape(50, 2) / 32767
    assert np.abs(read - samples).max() <= 0.5 / 32767 + 1e-12


def test_loud_samples_are_clipped_and_broken_ones_refused(tmp_path: Path) -> None:
    with wave.open(io.BytesIO(wav(np.array([2.0, -2.0]), 8000))) as file:
        assert np.frombuffer(file.readframes(2), "<i2").tolist() == [32767, -32767]
    for samples, rate in ((np.array([np.nan]), 8000), (np.zeros(0), 8000), (np.zeros(4), 0), (np.zeros((1, 1, 1)), 8)):
        with pytest.raises(ValueError, match="expected finite numbers"):
            wav(samples, rate)
