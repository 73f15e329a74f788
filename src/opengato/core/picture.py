"""Pictures of any mode that Pillow reads, as 8-bit RGB: upright, on white, the first frame of several."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ORIENTATION = 0x0112  # the EXIF tag that says how a camera was held
DEEPEST = 65535
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error, Image.DecompressionBombError)


def decoded(data: bytes | Path, name: str = "a picture") -> Image.Image:
    """The picture in a file as RGB, see `as_rgb`; ValueError that names it where it cannot be had.

    Broken and truncated files are refused, and so are those of more than twice `PIL.Image.MAX_IMAGE_PIXELS` pixels
    (179 million), which a small file may claim to have.
    """
    return as_rgb(opened(data, name))


def opened(data: bytes | Path, name: str = "a picture") -> Image.Image:
    """The picture in a file, upright, with 8 bits a channel, in mode RGBA where it has transparency, else RGB."""
    try:
        with warnings.catch_warnings():
            # Old files have odd palettes and profiles, and some drawings are very large; only the pixels count.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as picture:
                return _upright(picture)
    except _BROKEN as error:
        told = f"of {len(data)} bytes" if isinstance(data, bytes) else str(data)
        begun = f" (starts with {data[:8]!r})" if isinstance(data, bytes) else ""
        reason = type(error).__name__ if str(error) == "" else error
        raise ValueError(
            f"{name} {told} cannot be decoded{begun}: {reason}; expected PNG, JPEG or another format that "
            "Pillow reads, whole"
        ) from error


def as_rgb(picture: Image.Image) -> Image.Image:
    """The picture as RGB: what is transparent is white, 16 bits become 8."""
    picture = _upright(picture)
    if picture.mode == "RGB":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


def _upright(picture: Image.Image) -> Image.Image:
    """The picture in mode RGB or RGBA, as its camera was held."""
    picture.load()
    if picture.getexif().get(ORIENTATION, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        picture = _of_16_bits(picture)
    if picture.mode == "F":
        raise ValueError("its pixels are floats, whose range nobody knows; save it with 8 or 16 bits")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _of_16_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of 8, where Pillow's own conversion cuts all above 255 to white."""
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > DEEPEST:
        raise ValueError(f"its pixels are integers in [{values.min()}, {values.max()}], expected [0, {DEEPEST}]")
    return Image.fromarray(np.round(values * (255 / DEEPEST)).astype(np.uint8))
