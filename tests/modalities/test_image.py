"""Images: patches in raster order with their place, whatever the size, and clear words for what is no picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opengato.core.episode import ArraySpec, objects
from opengato.modalities import image
from tests.tiny import png

SPEC = ArraySpec(name="camera", kind="image", shape=(-1, -1, 3), dtype="uint8")
CODEC = image.Config(patch=4, max_side=16).codec()


def pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_patches_are_in_raster_order() -> None:
    picture = pixels(8, 12)
    rows, counts = CODEC.encode([picture], SPEC, "observation")
    assert counts.tolist() == [6]
    assert rows.dtype == np.uint8
    expected = []
    for top in (0, 4):
        for left in (0, 4, 8):
            expected.append([picture[top + r, left + c, k] for r in range(4) for c in range(4) for k in range(3)])
    np.testing.assert_array_equal(rows[:, :-4], expected)
    np.testing.assert_array_equal(CODEC.decode(rows, SPEC), picture)


def test_places_are_parts_of_128() -> None:
    """(top, bottom, left, right) of each of 2 x 3 patches; a third of 128 is rounded."""
    rows, _ = CODEC.encode([pixels(8, 12)], SPEC, "observation")
    columns = [(0, 43), (43, 85), (85, 128)]
    assert rows[:, -4:].tolist() == [[t, b, left, right] for t, b in ((0, 64), (64, 128)) for left, right in columns]


def test_two_pictures_are_two_steps() -> None:
    first, second = pixels(8, 8, 1), pixels(4, 16, 2)
    rows, counts = CODEC.encode([first, second], SPEC, "observation")
    assert counts.tolist() == [4, 4]
    np.testing.assert_array_equal(CODEC.decode(rows[:4], SPEC), first)
    np.testing.assert_array_equal(CODEC.decode(rows[4:], SPEC), second)


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [
        (16, 16, (4, 4)),
        (64, 64, (4, 4)),
        (64, 16, (4, 1)),
        (32, 128, (1, 4)),
        (1000, 10, (4, 1)),
        (1, 1, (1, 1)),
        (5, 11, (1, 3)),
    ],
)
def test_a_large_picture_shrinks_and_keeps_its_aspect(height: int, width: int, grid: tuple[int, int]) -> None:
    rows, counts = CODEC.encode([pixels(height, width)], SPEC, "observation")
    assert counts.tolist() == [grid[0] * grid[1]]
    assert CODEC.decode(rows, SPEC).shape == (4 * grid[0], 4 * grid[1], 3)


@given(st.integers(1, 70), st.integers(1, 70))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_num_positions_is_the_number_of_patches(height: int, width: int) -> None:
    fixed = ArraySpec(name="camera", kind="image", shape=(height, width, 3), dtype="uint8")
    rows, _ = CODEC.encode([np.zeros((height, width, 3), np.uint8)], fixed, "observation")
    assert CODEC.num_positions(fixed) == len(rows)
    assert CODEC.num_positions(SPEC) is None


def test_shrinking_keeps_the_picture() -> None:
    """Left half black, right half white, four times too large."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 255
    small = CODEC.decode(CODEC.encode([picture], SPEC, "observation")[0], SPEC)
    assert small[:, :6].max() < 30
    assert small[:, 10:].min() > 225


def test_encoded_bytes_are_the_same_as_their_pixels() -> None:
    picture = pixels(12, 8)
    from_bytes, _ = CODEC.encode(objects([png(picture)]), SPEC, "observation")
    np.testing.assert_array_equal(from_bytes, CODEC.encode([picture], SPEC, "observation")[0])
    grey = png(picture[:, :, 0])  # other modes become RGB
    assert len(CODEC.encode(objects([grey]), SPEC, "observation")[0]) == 6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"not a picture", "a picture of 13 bytes cannot be decoded .*not a pi.*expected PNG"),
        (png(pixels(8, 8))[:60], "cannot be decoded"),
        (np.zeros((8, 8), np.uint8), r"picture is uint8\(8, 8\), expected uint8 \(height, width, 3\)"),
        (np.zeros((8, 8, 4), np.uint8), "expected uint8"),
        (np.zeros((8, 8, 3)), "picture is float64"),
    ],
)
def test_what_is_no_picture_is_told(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CODEC.encode([value], SPEC, "observation")


@given(st.integers(8, 300), st.binary(min_size=1, max_size=12))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_a_damaged_picture_is_a_picture_or_a_value_error(at: int, junk: bytes) -> None:
    """Never an error of the decoder's own that no caller knows."""
    good = png(pixels(8, 8))
    damaged = good[:at] + junk + good[at + len(junk) :]
    try:
        rows, _ = CODEC.encode(objects([damaged]), SPEC, "observation")
    except ValueError as error:
        assert "cannot be decoded" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert rows.shape[1:] == CODEC.payload_shape


def test_the_same_patch_at_another_place_is_another_vector() -> None:
    modality = image.Config(patch=4, max_side=16).build(8)
    rows = torch.from_numpy(CODEC.encode([np.full((16, 16, 3), 7, np.uint8)], SPEC, "observation")[0])
    vectors = modality.embed(rows)
    assert (torch.cdist(vectors, vectors) + torch.eye(16)).min() > 1e-2
    first = rows[:1].clone()
    first[0, 5] = 200
    assert not torch.allclose(modality.embed(first), vectors[:1])
