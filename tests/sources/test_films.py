"""Composed films and scenes: what they hold is what their captions and their flow say.

Letters: H height, W width.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from opengato.core.film import read_film
from opengato.core.sound import read_sound
from opengato.sources import Split, pictures, split_of
from opengato.sources.composed import FPS, FRAMES, RATE, SIDE, WAYS, film
from opengato.sources.composed import Source as Composed
from opengato.sources.flowscenes import FASTEST, SIZE
from opengato.sources.flowscenes import Source as FlowScenes
from opengato.sources.moving import between, grid
from opengato.sources.photographs import photographs
from tests.sources import trees

pytest.importorskip("av")
THINGS = ("cow", "fox", "bear", "ship", "lamp", "drum", "bell", "frog", "duck", "horn", "saw", "tree", "goat", "owl")
CAPTIONS = {f"animals/{thing}{size}": f"A {size} {thing}." for thing in THINGS for size in ("wild", "tame")}


class FewScenes(FlowScenes):
    items: ClassVar[Mapping[Split, int]] = {"train": 6, "test": 2}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return trees.moving_stamps(tmp_path_factory.mktemp("stamps"), CAPTIONS)


def test_a_scene_warped_by_its_flow_is_itself_where_seen(roots: dict[str, Path]) -> None:
    found = list(FewScenes().read(roots))
    assert [split for split, _ in found] == ["train"] * 6 + ["test"] * 2
    for _, episode in found:
        episode.validate()
        first, second = (
            np.asarray(Image.open(io.BytesIO(bytes(episode.observations[name][0])))) for name in ("first", "second")
        )
        assert first.shape == second.shape == (*SIZE, 3)
        flow, seen = episode.actions["flow"][0], episode.actions["seen"][0] == 1
        assert 0 < np.abs(flow).max() < FASTEST
        assert 0.3 < seen.mean() < 1
        points = grid(SIZE)
        warped = between(second, points[..., 0] + flow[..., 0], points[..., 1] + flow[..., 1])
        error, still = (np.abs(other - first)[seen].mean(-1) for other in (warped, second.astype(float)))
        assert np.median(error) < 2
        assert error.mean() < 0.5 * still.mean(), "without the flow they fit far worse"
    again = list(FewScenes().read(roots))
    np.testing.assert_array_equal(again[3][1].actions["flow"], found[3][1].actions["flow"])


def test_composed_films_move_as_they_say_and_sound_like_their_thing(roots: dict[str, Path]) -> None:
    found = list(Composed().read(roots))
    assert len(found) == len(CAPTIONS) * 2 * len(WAYS)
    splits, tones = defaultdict(set), defaultdict(set)
    for split, episode in found:
        caption, item = str(episode.actions["text"][0]), episode.provenance["item"]
        thing, _, way = caption.partition(", moving ")
        assert thing == CAPTIONS[item].rstrip(".").lower()
        assert way in WAYS
        assert split_of(pictures.concept(thing)) == split
        splits[episode.provenance["concept"]].add(split)
        tones[item].add(bytes(episode.observations["audio"][0]))
    assert all(len(known) == 1 for known in splits.values())
    assert {split for known in splits.values() for split in known} == {"train", "test"}
    assert all(len(files) == 1 for files in tones.values())
    _, episode = found[0]
    episode.validate()
    assert read_film(bytes(episode.observations["video"][0]), FPS, 100).shape == (FRAMES, SIDE, SIDE, 3)
    heard = read_sound(bytes(episode.observations["audio"][0]), RATE)
    assert len(heard) == 2 * RATE
    assert np.abs(heard[RATE:]).max() == 0, "half a second of tone, then silence"
    number = sorted(CAPTIONS).index(episode.provenance["item"])
    assert np.abs(np.fft.rfft(heard[: RATE // 2])).argmax() * 2 == pytest.approx(300 + 20 * number, abs=3)


@pytest.mark.parametrize("way", WAYS)
def test_a_way_is_a_direction(way: str) -> None:
    cutout = np.zeros((9, 9, 4), np.uint8)
    cutout[..., 3] = 255
    frames = film(np.full((80, 100, 3), 200, np.uint8), cutout, way, np.random.default_rng(0))
    y, x = np.mgrid[:SIDE, :SIDE]
    dark = frames.max(-1) < 50
    moved = [np.diff((dark * axis).sum((1, 2)) / dark.sum((1, 2))) for axis in (x, y)]
    for step, sign in zip(moved, WAYS[way], strict=True):
        assert (np.sign(np.round(step, 1)) == sign).all()


def test_photographs_of_the_test_are_no_others(tmp_path: Path) -> None:
    root = trees.moving_stamps(tmp_path, {"animals/cow": "A cow."})["mate-backgrounds"]
    found = photographs(root, "x", 60)
    assert {split: [picture.shape for picture in shown] for split, shown in found.items()} == {
        "train": [(60, 100, 3)] * 2,
        "test": [(60, 100, 3)] * 2,
    }
    for name in ("Dune", "Storm"):
        (root / f"usr/share/backgrounds/mate/nature/{name}.jpg").unlink()
    with pytest.raises(ValueError, match=r"for each split, found \{'train': 2, 'test': 0\}"):
        photographs(root, "x", 60)
