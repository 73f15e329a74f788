"""An arena small enough for a test: a suite of made-up texts, and recipes that learn them in seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from opengato.agent import model
from opengato.backbones import decoder
from opengato.core.episode import document
from opengato.data.store import StoreWriter
from opengato.evaluators.arena import Contestant, Source, Suite
from opengato.modalities import text
from opengato.objectives import next_token
from opengato.train import loop, optim
from opengato.train.run import Recipe

TASKS = tuple(f"text/toy-{word}" for word in ("sun", "rain", "snow", "wind", "fog", "hail", "storm", "frost"))


def write_texts(data: Path, per_task: int = 20) -> None:
    """`data/toy/train` and `data/toy/test`: texts of a few words, in an order that follows from their task."""
    generator = np.random.default_rng(0)
    for split, count in (("train", per_task), ("test", 4)):
        with StoreWriter(data / "toy" / split, {"title": "made-up texts", "licence": "CC0"}) as writer:
            for task in TASKS:
                word = task.rpartition("-")[2]
                for _ in range(count):
                    words = [word, *generator.choice(["and", "or", word], 8), "again"]
                    writer.append([document(task, " ".join(map(str, words)))])


def toy_suite(**changes: Any) -> Suite:
    """Eight tasks in one store; one learning rate unless asked for more."""
    settings: dict[str, Any] = {"positions": 256, "steps": 12, "tries": 1, "short": 0.5, **changes}
    return Suite(name="toy", sources={"toy": Source(weight=1.0, tasks=TASKS)}, collected="toy", **settings)


def toy_recipe(width: int = 16, **changes: Any) -> Recipe:
    """A small trunk for texts alone."""
    agent = model.Config(
        modalities={"text": text.Config()},
        routes={"instruction": "text", "observation/text": "text", "action/text": "text"},
        backbone=decoder.Config(width=width, depth=1, heads=2, hidden=2 * width, window=64, sinks=8),
        context=64,
        num_local=8,
    )
    rates: dict[str, Any] = {"learning_rate": 0.01, "matrix_learning_rate": None, "warmup": 2, **changes}
    train = loop.Config(
        agent=agent, objective=next_token.Config(), optim=optim.Config(**rates), precision="float32", compile="never"
    )
    return Recipe(name="toy", train=train, weights={"toy": 1.0}, stores={"toy": "elsewhere"})


def toy(name: str, width: int = 16, **changes: Any) -> Contestant:
    return Contestant(name=name, recipe=toy_recipe(width, **changes))


def starting(contestant: Contestant, start: str) -> Contestant:
    return dataclasses.replace(contestant, recipe=dataclasses.replace(contestant.recipe, start=start))
