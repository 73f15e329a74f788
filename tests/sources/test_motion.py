"""Films of which only the order of frames tells the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from opengato.core.film import read_film
from opengato.sources import Split, motion, pictures, split_of
from opengato.sources.motion import FPS, FRAMES, KINDS, SIDE, Source, film
from tests.sources import trees

pytest.importorskip("av")
FIRST, SECOND = ("lamp", "desk", "fox", "cup", "boat", "cat", "hat"), ("moon", "ship", "bear", "cow", "star", "sun")
NAMES = [f"{first} {second}" for first in FIRST for second in SECOND]


class Few(Source):
    pairs: ClassVar[Mapping[Split, int]] = {"train": 3, "test": 2}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return trees.emoji_cutouts(tmp_path_factory.mktemp("emoji"), NAMES)


def blob() -> np.ndarray:
    """A round, dark cut-out."""
    y, x = np.mgrid[:25, :25] - 12
    made = np.zeros((25, 25, 4), np.uint8)
    made[..., 3] = 255 * (x**2 + y**2 < 144)
    return made


def middles_and_areas(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the dark thing is, (x, y) by frame, and how many pixels it has."""
    dark = frames.max(-1) < 30
    y, x = np.mgrid[:SIDE, :SIDE]
    area = dark.sum((1, 2))
    return (dark * x).sum((1, 2)) / area, (dark * y).sum((1, 2)) / area, area


@pytest.mark.parametrize("seed", range(6))
def test_the_first_answer_is_what_the_film_shows(seed: int) -> None:
    made = {kind: middles_and_areas(film(kind, blob(), np.random.default_rng(seed))) for kind in KINDS}
    x, y, _ = made["side"]
    assert (np.diff(x) > 2).all(), "to the right"
    assert np.ptp(y) < 1
    x, y, _ = made["height"]
    assert (np.diff(y) > 2).all(), "down: rows are counted from above"
    assert np.ptp(x) < 1
    x, y, _ = made["turn"]
    turned = np.diff(np.unwrap(np.arctan2(y - 31.5, x - 31.5)))
    assert (turned > 0.5).all(), "clockwise, as y points down"
    assert turned.sum() < 2 * np.pi, "not all round: the first frame is not the last one"
    *_, area = made["size"]
    assert (np.diff(area) > 0).all(), "nearer"


def test_each_film_comes_backwards_with_the_other_answer(roots: dict[str, Path]) -> None:
    found = list(Few().read(roots))
    assert Counter(split for split, _ in found) == {"train": 24, "test": 16}
    for (split, first), (_, second) in zip(found[::2], found[1::2], strict=True):
        first.validate()
        shown = [read_film(bytes(episode.observations["video"][0]), FPS, 100) for episode in (first, second)]
        assert shown[0].shape == (FRAMES, SIDE, SIDE, 3)
        np.testing.assert_array_equal(shown[0], shown[1][::-1])
        kind = KINDS[first.task.removeprefix("video/motion-")]
        assert (first.actions["text"][0], second.actions["text"][0]) == kind.answers
        assert first.instruction == second.instruction == kind.question
        assert all(answer in kind.question for answer in kind.answers)
        assert first.provenance == second.provenance
        assert split_of(pictures.concept(first.provenance["drawing"])) == split


def test_the_same_films_every_time(roots: dict[str, Path]) -> None:
    once, again = ([bytes(episode.observations["video"][0]) for _, episode in Few().read(roots)] for _ in range(2))
    assert once == again
    assert len(set(once)) == len(once)


def test_drawings_without_a_shape_are_left_out(tmp_path: Path) -> None:
    roots = trees.emoji_cutouts(tmp_path, ["one", "two"])
    trees.drawing(1).save(tmp_path / "img" / "google" / "64" / "0001.png")  # a full rectangle
    assert [name for name, _ in motion.cutouts(roots["emoji-datasource-google"])] == ["one"]
    with pytest.raises(ValueError, match="expected drawings for"):
        list(Few().read(roots))
