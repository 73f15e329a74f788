"""Data for any recipe, made in seconds: stores of the kinds and sizes of its own, for times and nothing else.

What is collected becomes random numbers under the specs of its tasks; corpora become the held-out texts and drawings
that come with the package, tones of 3 seconds, and films of a drawing that slides, as in those of `motion`.
Letters: S samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from _episodes import control_episode, text_episodes
from PIL import Image

from opengato.core.config import plugin
from opengato.core.episode import Episode, document
from opengato.core.film import write_film
from opengato.core.picture import decoded
from opengato.core.sound import flac
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.evaluators.heldout import held_out_folder
from opengato.sources import pictures, speech
from opengato.sources.answers import answered
from opengato.train.run import Recipe

TASKS = 4  # of a collected source
RATE, SECONDS = 16_000, 3.0  # of a sound
SIDE, FRAMES, FPS, SLIDE = 64, 8, 4, 4  # of a film: pixels, frames, frames a second, pixels from one to the next
READ = 300  # characters of a text that is judged


def made_up(recipe: Recipe, folder: Path, count: int) -> Recipe:
    """The recipe over stores of `count` episodes under `folder`, one for each of its sources; ImportError without PyAV.

    Tasks keep their names, so far as a store has them, but no weights of their own.
    """
    stores = {}
    for name in recipe.used:
        path = folder / name
        with StoreWriter(path) as writer:
            writer.append(collected(recipe, name, count) if name in recipe.collect else corpus(name, count))
        stores[name] = str(path)
    return dataclasses.replace(recipe, stores=stores, task_weights={}, start=None)


def collected(recipe: Recipe, source: str, count: int) -> Iterator[Episode]:
    """Episodes of a few tasks in turn."""
    tasks = list(dict.fromkeys(job.task for job in recipe.collect[source]))[:TASKS]
    for seed, task in islice(enumerate(cycle(tasks)), count):
        yield control_episode(task, seed)


def corpus(name: str, count: int) -> Iterator[Episode]:
    """Episodes of the kind of a corpus, under its first task."""
    task = plugin("sources", name).Source.card.tasks[0]
    family = task.partition("/")[0]
    if family not in MAKERS:
        raise ValueError(f"source {name!r} has tasks of {family!r}, expected one of {', '.join(MAKERS)}")
    return islice(MAKERS[family](task), count)


def texts(task: str) -> Iterator[Episode]:
    """Stretches of a novel."""
    for episode in cycle(list(text_episodes(100))):
        yield dataclasses.replace(episode, task=task)


def judged(task: str) -> Iterator[Episode]:
    """Shorter ones, and a word about each."""
    for number, episode in enumerate(cycle(list(text_episodes(100, READ)))):
        [text] = episode.actions["text"]
        yield answered(task, text, ("good", "bad")[number % 2], instruction="is it good or bad?")


def drawings(task: str) -> Iterator[Episode]:
    """Drawings of 64 x 64 pixels and what they show."""
    for episode in cycle(list(EpisodeStore(held_out_folder() / "captions"))):
        yield dataclasses.replace(episode, task=task)


def sounds(task: str) -> Iterator[Episode]:
    """A tone in noise, under the instruction of speech."""
    generator = np.random.default_rng(0)
    time_S = np.arange(int(RATE * SECONDS)) / RATE
    while True:
        pitch = float(generator.uniform(100, 1000))
        heard = 0.5 * np.sin(2 * np.pi * pitch * time_S) + 0.05 * generator.standard_normal(len(time_S))
        yield document(task, f"a tone of {pitch:.0f} Hz", audio=flac(heard, RATE), instruction=speech.INSTRUCTION)


def films(task: str) -> Iterator[Episode]:
    """A drawing that slides to the right, and what it shows."""
    for drawing in drawings(task):
        picture = decoded(drawing.observations["image"][0]).resize((SIDE, SIDE), Image.Resampling.BOX)
        frames = [np.roll(np.asarray(picture), SLIDE * number, axis=1) for number in range(FRAMES)]
        [caption] = drawing.actions["caption"]
        film = write_film(frames, FPS, lossless=True)
        yield document(task, caption, video=film, instruction=pictures.FILM_INSTRUCTION)


MAKERS: dict[str, Callable[[str], Iterator[Episode]]] = {
    "text": texts,
    **dict.fromkeys(("sentiment", "topic", "translate", "chat"), judged),
    **dict.fromkeys(("caption", "label", "vqa"), drawings),
    **dict.fromkeys(("speech", "sound"), sounds),
    "video": films,
}
