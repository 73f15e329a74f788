"""Pictures, sounds and films as a caller may give them; what a file is, told by its first bytes.

Letters: N samples, C channels, F frames, H height, W width.
"""

from __future__ import annotations

import io
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from opengato.core.episode import MEDIA_SPECS, ArraySpec, Kind
from opengato.core.picture import as_rgb

_PREFIXES: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),  # JPEG
    (b"GIF8", "image"),
    (b"BM", "image"),
    (b"II*\x00", "image"),  # TIFF, either order of bytes
    (b"MM\x00*", "image"),
    (b"fLaC", "audio"),
    (b"ID3", "audio"),  # MP3 with tags; bare frames follow
    (b"\xff\xfb", "audio"),
    (b"\xff\xf3", "audio"),
    (b"\xff\xf2", "audio"),
    (b".snd", "audio"),
    (b"\x1aE\xdf\xa3", "video"),  # WebM and Matroska
    (b"\x00\x00\x01\xba", "video"),  # MPEG
    (b"\x00\x00\x01\xb3", "video"),
)
_RIFF: dict[bytes, Kind] = {b"WAVE": "audio", b"AVI ": "video", b"WEBP": "image"}
_SOUND_BRANDS = (b"M4A ", b"M4B ")
HEAD = 256  # bytes that tell a format
TEXT_SUFFIXES = (".txt", ".md")


def media_kind(data: bytes) -> Kind:
    """The kind of an encoded file; ValueError where its first bytes are none that are known."""
    if data[:4] == b"RIFF" and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data[4:8] == b"ftyp":
        return "audio" if data[8:12] in _SOUND_BRANDS else "video"
    if data[:4] == b"OggS":
        return "video" if b"theora" in data[:128] else "audio"
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "audio"
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
    raise ValueError(
        f"{len(data)} bytes that begin with {data[:12]!r} are no picture, sound or film of a known format; expected "
        "PNG, JPEG, GIF, WebP, BMP, TIFF, WAV, FLAC, OGG, MP3, M4A, MP4, WebM, AVI or MPEG"
    )


def file_kind(path: Path) -> Kind | None:
    """The kind of a file, by its first bytes or, of a text, by its name; None for any other."""
    if path.suffix.lower() in TEXT_SUFFIXES:
        return "text"
    with path.open("rb") as file:
        begun = file.read(HEAD)
    try:
        return media_kind(begun)
    except ValueError:
        return None


def wav(samples: np.ndarray, rate: int) -> bytes:
    """Samples in [-1, 1], (N,) or (N, C), at `rate` a second as a WAV file of 16 bits; what lies outside is clipped."""
    array = np.asarray(samples, np.float64)
    if array.ndim not in (1, 2) or not len(array) or not np.isfinite(array).all() or rate < 1:
        raise ValueError(
            f"received samples of shape {array.shape} at a rate of {rate}; expected finite numbers (samples,) or "
            "(samples, channels), at least one, and a rate of at least 1"
        )
    whole = np.round(np.clip(array, -1, 1) * 32767).astype("<i2")
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1 if array.ndim == 1 else array.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
    return stream.getvalue()


def as_field(item: Any) -> tuple[ArraySpec, Any]:
    """The spec and the value of one input.

    A string; a picture (PIL, or uint8 (H, W, 3)); a film (uint8 (F, H, W, 3)); a sound (samples in [-1, 1] and their
    rate); any of these as the bytes of a file, or the `Path` of one.
    """
    if isinstance(item, str):
        return ArraySpec(name="text", kind="text", dtype="str"), item
    if isinstance(item, Path):
        item = item.read_bytes()
    if isinstance(item, bytes):
        return MEDIA_SPECS[media_kind(item)], item
    if isinstance(item, Image.Image):
        item = np.asarray(as_rgb(item))
    if isinstance(item, tuple) and len(item) == 2:
        return MEDIA_SPECS["audio"], wav(*item)
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim in (3, 4):
        spec = MEDIA_SPECS["image" if item.ndim == 3 else "video"]
        return replace(spec, shape=item.shape), item
    shown = f"{item.dtype}{item.shape}" if isinstance(item, np.ndarray) else type(item).__name__
    raise ValueError(
        f"received {shown}; expected a string, a picture (PIL, or uint8 (height, width, 3)), a film (uint8 (frames, "
        "height, width, 3)), a sound ((samples, rate)), or any of these as encoded bytes or the Path of a file"
    )
