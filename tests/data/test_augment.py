"""Changed pictures and texts: known movements by hand, and the answer stays."""

from __future__ import annotations

import numpy as np
import pytest

from opengato.core.episode import ArraySpec, document, objects
from opengato.data.augment import Augment, augmented
from tests.tiny import caption_episode, png


class Fixed(np.random.Generator):
    """Draws the upper end of every range, and never mirrors unless told."""

    def __init__(self, lot: float = 0.99):
        super().__init__(np.random.PCG64(0))
        self.lot = lot

    def uniform(self, low=0.0, high=1.0, size=None):
        return high if size is None else np.full(size, high)

    def random(self, size=None, *_, **__):
        return self.lot if size is None else np.full(size, self.lot)


def picture(size: int = 9) -> np.ndarray:
    """White, with one black pixel to the right of the middle, and a grey one above it."""
    pixels = np.full((size, size, 3), 255, np.uint8)
    pixels[size // 2, size // 2 + 2] = 0
    pixels[size // 2 - 3, size // 2] = 128
    return pixels


def changed(augment: Augment, generator: np.random.Generator) -> np.ndarray:
    episode = document("caption/x", "a dot", image=png(picture()), instruction="describe the picture")
    result = augmented(episode, augment, generator)
    assert result.actions["caption"][0] == "a dot"
    return result.observations["image"][0]


def dark(pixels: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(pixels[..., 0].argmin(), pixels.shape[:2])
    return int(row), int(column)


def test_a_quarter_turn() -> None:
    """What was right of the middle is below it: 90 degrees as a clock turns."""
    received = changed(Augment(turn=90), Fixed())
    np.testing.assert_allclose(received, np.rot90(picture(), -1), atol=1)


def test_a_shift_and_a_mirror() -> None:
    assert dark(changed(Augment(shift=2 / 9), Fixed())) == (6, 8)
    np.testing.assert_array_equal(changed(Augment(mirror=0.5), Fixed(lot=0.1)), picture()[:, ::-1])
    np.testing.assert_array_equal(changed(Augment(mirror=0.5), Fixed()), picture())


def test_enlarging_moves_things_outwards() -> None:
    row, column = dark(changed(Augment(zoom=0.5), Fixed()))
    assert (row, column) == (4, 7), "2 to the right of the middle became 3"


def test_what_comes_in_has_the_colour_of_the_first_pixel() -> None:
    black = 255 - picture()
    episode = document("label/x", "7", image=png(black))
    moved = augmented(episode, Augment(shift=4 / 9), Fixed()).observations["image"][0]
    assert (moved[:3] == 0).all()


def test_words_are_left_out_and_never_all() -> None:
    spec = ArraySpec(name="text", kind="text", dtype="str")
    words = " ".join(f"w{i}" for i in range(2000))
    episode = document("sentiment/x", "positive")
    episode = type(episode)(
        task="sentiment/x",
        instruction="is it good?",
        observation_specs={"text": spec},
        action_specs=episode.action_specs,
        observations={"text": objects([words])},
        actions=episode.actions,
        rewards=episode.rewards,
    )
    kept = augmented(episode, Augment(words=0.3), np.random.default_rng(0)).observations["text"][0].split()
    assert 0.65 < len(kept) / 2000 < 0.75
    assert kept == [word for word in words.split() if word in set(kept)], "in their order"
    assert augmented(episode, Augment(words=0.3), Fixed(lot=0.0)).observations["text"][0] == words


def test_nothing_by_default() -> None:
    episode = caption_episode()
    assert augmented(episode, Augment(), Fixed()).observations == episode.observations


def test_what_is_too_much_is_told() -> None:
    with pytest.raises(ValueError, match="`turn` is 270"):
        Augment(turn=270)
    with pytest.raises(ValueError, match="`words` is 1"):
        Augment(words=1)
