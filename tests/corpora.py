"""Small stores of what the jobs of Perceiver read, made up."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.core.episode import Episode, document
from opengato.core.film import write_film
from opengato.core.sound import flac
from opengato.data.store import StoreWriter
from opengato.recipes.jobs import autoencode
from opengato.sources import flowscenes
from opengato.sources.answers import answered

WORDS = "time film good bad house night music never always little great story people river".split()


def scenes(generator: np.random.Generator, count: int) -> Iterator[Episode]:
    for _ in range(count):
        few = generator.integers(0, 256, (16, 20, 3)).astype(np.uint8)
        ground = np.asarray(Image.fromarray(few).resize((170, 140), Image.Resampling.BICUBIC))
        colour = np.concatenate([generator.integers(0, 256, (20, 24, 3)), np.full((20, 24, 1), 255)], 2)
        yield flowscenes.scene([ground], [colour.astype(np.uint8)], generator)


def sentences(generator: np.random.Generator, count: int, task: str) -> Iterator[Episode]:
    """The mood is in one word."""
    for number in range(count):
        mood = ("bad", "good")[number % 2]
        said = [str(word) for word in generator.choice([w for w in WORDS if w not in ("good", "bad")], 5)]
        text = " ".join([*said[:2], mood, *said[2:]])
        yield answered(task, text, ("negative", "positive")[number % 2], instruction="mood?")


def texts(generator: np.random.Generator, count: int, task: str) -> Iterator[Episode]:
    for _ in range(count):
        yield document(task, " ".join(generator.choice(WORDS, 60)) + ".")


def digits(generator: np.random.Generator, count: int) -> Iterator[Episode]:
    """A bar whose height is the digit."""
    for number in range(count):
        pixels = np.zeros((28, 28, 3), np.uint8)
        pixels[4 + 2 * (number % 10) : 8 + 2 * (number % 10), 6:22] = generator.integers(150, 256)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        yield document("label/mnist", str(number % 10), image=stream.getvalue())


def clips(generator: np.random.Generator, count: int) -> Iterator[Episode]:
    pytest.importorskip("av")
    for number in range(count):
        frames = np.full((8, 64, 64, 3), generator.integers(50, 200), np.uint8)
        for frame, pixels in enumerate(frames):
            pixels[20:40, 4 * frame : 4 * frame + 16] = 255
        way = autoencode.LABELS[number % 4]
        sound = flac(0.3 * np.sin(np.arange(32_000) / (5 + number)), 16_000)
        caption = f"a box, moving {way}"
        yield document("caption/composed", caption, video=write_film(frames, 4), audio=sound)


CORPORA: dict[str, Callable[[np.random.Generator, int], Iterator[Episode]]] = {
    "flowscenes": scenes,
    "mnist": digits,
    "composed": clips,
    "austen": lambda generator, count: texts(generator, count, "text/austen"),
    "shakespeare": lambda generator, count: texts(generator, count, "text/shakespeare"),
    "vader": lambda generator, count: (
        episode
        for part in ("movies", "amazon", "nyt", "tweets")
        for episode in sentences(generator, count, f"sentiment/vader-{part}")
    ),
    "imdb": lambda generator, count: itertools.chain(
        sentences(generator, count, "sentiment/imdb"), texts(generator, count, "text/imdb")
    ),
}


SMALL = ("fit.network.latents.number=8", "fit.network.latents.depth=1", "fit.batch=2", "fit.steps=4")
"""Settings that make a training of any job a matter of a second."""


def write(data: Path, *names: str) -> Path:
    """Made-up corpora of these names in a folder, where `opengato import` would put the real ones."""
    for name in names:
        for seed, (split, count) in enumerate((("train", 12), ("test", 4))):
            with StoreWriter(data / name / split) as writer:
                writer.append(CORPORA[name](np.random.default_rng(seed), count))
    return data
