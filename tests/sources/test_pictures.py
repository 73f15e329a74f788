"""Pictures made uniform, near-duplicates, concepts."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from opengato.sources.pictures import Duplicates, concept, distinct, square_png
from tests.sources.trees import drawing


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def saved(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_wide_picture_is_cut_padded_and_put_on_white() -> None:
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((100, 50, 299, 149), fill="red")  # 200 x 100
    png, pixels = square_png(saved(image)) or pytest.fail("a red box is to be seen")
    assert pixels.shape == (64, 64, 3)
    np.testing.assert_array_equal(decoded(png), pixels)
    assert (pixels[32, 2] == (255, 0, 0)).all(), "the box reaches from edge to edge"
    assert (pixels[4] == 255).all()
    assert (pixels[60] == 255).all()


def test_small_drawing_is_not_enlarged() -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((27, 27, 36, 36), fill="black")
    _, pixels = square_png(saved(image)) or pytest.fail("a black square is to be seen")
    assert (pixels < 128).all(-1).sum() == 100


@pytest.mark.parametrize("image", [Image.new("RGBA", (64, 64), (0, 0, 0, 0)), Image.new("RGB", (70, 64), "white")])
def test_nothing_to_be_seen(image: Image.Image) -> None:
    assert square_png(saved(image)) is None


def test_not_a_picture() -> None:
    assert square_png(b"GIF89a, almost") is None


def test_duplicates_know_shape_and_colour() -> None:
    duplicates, noise = Duplicates(), np.random.default_rng(0)
    base = np.asarray(drawing(0).convert("RGB"))
    nearly = np.clip(base.astype(int) + noise.integers(-3, 4, base.shape), 0, 255).astype(np.uint8)
    other_colour = base[..., [2, 1, 0]]
    assert not duplicates.seen(base)
    assert duplicates.seen(nearly)
    assert not duplicates.seen(other_colour)
    assert not duplicates.seen(np.asarray(drawing(1).convert("RGB")))


def test_distinct_keeps_the_first(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        drawing(seed).save(tmp_path / f"{name}.png")
    kept = distinct((tmp_path / f"{name}.png", name) for name in "abc")
    assert [(path.stem, picture.caption) for path, picture in kept] == [("a", "a"), ("c", "c")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("flag: Kenya", "kenya flag"),
        ("woman health worker", "health worker"),
        ("person running: facing right", "man running"),
        ("Grapes", "grape (in black and white)"),
        ("bus 2", "old red bus"),
        ("São Tomé flag", "flag: sao tome"),
        ("cherries", "cherry"),
    ],
)
def test_variants_share_a_concept(one: str, other: str) -> None:
    assert concept(one) == concept(other)


def test_other_things_do_not() -> None:
    names = ["cat", "dog", "hot dog", "glass", "grass", "red", "blue", "keycap: 1", "名"]
    assert len({concept(name) for name in names}) == len(names)
