"""Pictures of every mode against colours worked out by hand; what cannot be right is a clear error."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from opengato.core.media import as_field
from opengato.core.picture import ORIENTATION, as_rgb, decoded


def saved(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def colours(data: bytes) -> np.ndarray:
    picture = decoded(data)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def test_what_is_transparent_is_white() -> None:
    """Black under nothing is white, red at half is (255, 127, 127); in RGBA, grey with alpha, and palettes."""
    pixels = np.array([[[0, 0, 0, 0], [255, 0, 0, 128], [0, 0, 255, 255]]], np.uint8)
    np.testing.assert_allclose(
        colours(saved(Image.fromarray(pixels)))[0], [[255, 255, 255], [255, 127, 127], [0, 0, 255]], atol=1
    )
    grey = Image.fromarray(np.array([[[0, 0], [0, 255]]], np.uint8), "LA")
    assert colours(saved(grey))[0].tolist() == [[255] * 3, [0] * 3]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert colours(saved(palette))[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    assert colours(saved(palette, transparency=0))[0].tolist() == [[255] * 3, [40, 50, 60]]
    assert colours(saved(Image.new("RGB", (1, 1), (9, 9, 9)), transparency=(9, 9, 9)))[0].tolist() == [[255] * 3]


def test_16_bits_become_8() -> None:
    """Value v of 65535 is v / 257 of 255; a plain conversion would cut all above 255 to white."""
    deep = Image.fromarray(np.array([[0, 257, 25700, 65535]], np.uint16))
    for form in ("PNG", "TIFF"):
        assert colours(saved(deep, form))[0, :, 0].tolist() == [0, 1, 100, 255]


def png_of_16_bits(values: list[int]) -> bytes:
    """A PNG of one row, 16 bits a channel, three channels, written by hand."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", len(values) // 3, 1, 16, 2, 0, 0, 0)
    row = zlib.compress(b"\0" + struct.pack(f">{len(values)}H", *values))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def test_16_bits_of_colour_become_8() -> None:
    assert colours(png_of_16_bits([65535, 0, 25700, 0, 65535, 0]))[0].tolist() == [[255, 0, 100], [0, 255, 0]]


def test_inks_become_light() -> None:
    """No ink is white, all of cyan takes red away, all of black takes everything."""
    inks = Image.fromarray(
        np.repeat(np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8), 16, 1), "CMYK"
    )
    for form, options in (("TIFF", {}), ("JPEG", {"quality": 100, "subsampling": 0})):
        row = colours(saved(inks, form, **options))[0, 8::16]
        np.testing.assert_allclose(row, [[255, 255, 255], [0, 255, 255], [0, 0, 0]], atol=3)


def test_a_camera_held_sideways() -> None:
    """Orientation 6: the first row of the file is the right-hand column of the picture."""
    lying = Image.new("RGB", (32, 16), "white")
    lying.paste("red", (0, 0, 32, 8))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright = colours(saved(lying, "JPEG", exif=exif, quality=95))
    assert upright.shape == (32, 16, 3)
    np.testing.assert_allclose(upright[16, [2, 13]], [[255, 255, 255], [255, 0, 0]], atol=12)


def test_of_several_frames_the_first() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for form in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        np.testing.assert_allclose(colours(data)[0, 0], [255, 0, 0], atol=6)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_half_a_file_is_told(form: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), form)
    with pytest.raises(ValueError, match=r"a picture of \d+ bytes cannot be decoded .*expected PNG, JPEG"):
        decoded(data[: len(data) // 2])
    path = tmp_path / f"half.{form.lower()}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=rf"the picture .*half\.{form.lower()} cannot be decoded"):
        decoded(path, "the picture")


def test_more_pixels_than_anybody_has_room_for_is_told() -> None:
    """A header that promises 30,000 x 30,000 pixels in a file of some bytes."""
    small = bytearray(png_of_16_bits([0, 0, 0]))
    small[16:24] = struct.pack(">II", 30_000, 30_000)
    small[29:33] = struct.pack(">I", zlib.crc32(small[12:29]))
    with pytest.raises(ValueError, match=r"cannot be decoded .*exceeds limit of \d+ pixels"):
        decoded(bytes(small))


def test_floats_and_odd_integers_are_told() -> None:
    for values, message in ((np.ones((2, 2), np.float32), "floats"), (np.full((2, 2), 70_000, np.int32), "65535")):
        with pytest.raises(ValueError, match=message):
            decoded(saved(Image.fromarray(values), "TIFF"))


def test_plain_pictures_are_left_as_they_are() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    picture = Image.fromarray(noise)
    assert as_rgb(picture) is picture
    np.testing.assert_array_equal(colours(saved(picture)), noise)


def test_a_picture_that_a_caller_gives_is_put_on_white_too() -> None:
    _, pixels = as_field(Image.new("RGBA", (2, 2), (0, 0, 0, 0)))
    assert (pixels == 255).all()
