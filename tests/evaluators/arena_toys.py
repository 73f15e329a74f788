"""An arena small enough for a test: a suite of made-up texts, recipes that learn them in seconds, and an outcome."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from opengato.agent import model
from opengato.backbones import decoder
from opengato.core.episode import document
from opengato.data.store import StoreWriter
from opengato.evaluators.arena import Contestant, Entry, Source, Suite
from opengato.evaluators.arena_report import Body, outcome
from opengato.evaluators.arena_runs import Found
from opengato.modalities import text
from opengato.objectives import next_token
from opengato.train import loop, optim
from opengato.train.run import Recipe

TASKS = tuple(f"text/toy-{word}" for word in ("sun", "rain", "snow", "wind", "fog", "hail", "storm", "frost"))

NAMES = ["plain", "tiny:<b>a</b>=1", "worse & worse", "a name that is too long for the column of names in a picture"]
LEVELS = [f"babyai/Level{number}" for number in range(8)]


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


def figures(seed: int, level: float) -> Body:
    """What a run leaves: a score for each task, one in a measure without a scale, one left out."""
    generator = np.random.default_rng([seed, round(100 * level)])
    points = {task: float(level + 0.1 * k + generator.normal(0, 0.01)) for k, task in enumerate(LEVELS)}
    scored: Body = {
        task: {"metric": "normalised return", "score": p, "points": p, "higher_is_better": True, "samples": 10}
        for task, p in points.items()
    }
    scored["translate/toy"] = {**scored[LEVELS[0]], "metric": "chrF of a line", "points": None}
    return {"seed": seed, "seconds": 90.0, "tasks": scored, "left_out": {"atari/Bowling": "its expert is not above"}}


def entry(name: str, number: int) -> Entry:
    differs = () if number in (0, 3) else (f"train.agent.backbone.width: {16 * number} in place of 16",)
    return Entry(name=name, recipe=toy_recipe(), parameters=2_000_000 + number, flops=3e9, differs=differs)


def body(seeds: int = 3, tries: int = 3) -> Body:
    """The outcome of an arena that nobody held: one contestant is clearly worse, one is the first by another name."""
    levels = (0.1, 0.11, 0.02, 0.1)
    rates = {1.0: 2.5, 1 / 3: 2.25, 3.0: math.inf} if tries > 1 else {}
    found = {
        name: Found(rate=1 / 3, losses=rates, runs=[figures(seed, level) for seed in range(seeds)])
        for name, level in zip(NAMES, levels, strict=True)
    }
    entries = [entry(name, number) for number, name in enumerate(NAMES)]
    made = outcome(entries, found, toy_suite(tries=tries), {"fog": "b cannot read text/fog: <no way>"})
    return json.loads(json.dumps(made, allow_nan=False))
