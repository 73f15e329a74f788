"""How long making a batch takes beside a step of training, and how long training waits for its data.

    python benchmarks/waiting.py                     # tiny, senses and generalist
    python benchmarks/waiting.py --recipes all       # all that this machine can step: an hour or so

The data are made up for the occasion (`_made_up.py`): of the kinds and sizes of the recipe's own, a few tasks of each
source. First one process makes batches and takes steps in turns: a batch is drawn from the mixture, read, cut,
serialised, packed and joined; a step is the whole one of `opengato train`, compiled where that would be. The share is
what one worker needs of a step. Then training goes on with the loader of the recipe and its workers, and the share is
the time that it waits for the next batch, beside the time of its steps. Recipes of more than 30M parameters are left
out, as a step of theirs takes minutes here, and their names are told.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from _made_up import made_up
from _measure import Rate, Work, arguments, ratio, report, take_turns

from opengato import recipes
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.data.loader import Loader, LoaderConfig
from opengato.data.mixture import Mixture
from opengato.nn.shapes import shapes_alone
from opengato.train import optim
from opengato.train.compiling import compiled, to_compile
from opengato.train.distributed import Alone
from opengato.train.loop import train_step
from opengato.train.precision import resolve
from opengato.train.run import Recipe, mixture_config, with_statistics, with_tasks

MOST = 30_000_000  # parameters
MINUTE = 60  # batches a minute, as there may be less than one a second
RATE = 1e-3  # of the recipe's: weights of a network that learns from noise should stay where they are
READY = 4  # batches that are stepped on in turn where none is waited for
CPU = torch.device("cpu")


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, steps=8, episodes=200, recipes="tiny,senses,generalist")
    if options.quick:
        options.rounds, options.steps, options.episodes = 1, 1, 20
    chosen, large = choice(options)
    rates: list[Rate] = []
    figures: dict[str, Any] = {"data": "made for the occasion"}
    figures["too large to be stepped here"] = ", ".join(large) or "none"
    for recipe in chosen:
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = made_up(recipe, Path(folder), options.episodes)
            except ImportError as error:  # what reads and writes sounds and films is an extra
                figures[f"{recipe.name}, not measured"] = str(error)
                continue
            found, share = measured(made, Path(folder), options)
        making, step, _ = found
        rates += found
        figures[f"{recipe.name}, making a batch beside a step"] = round(ratio(step, making)["median"], 4)
        figures[f"{recipe.name}, waiting for data beside a step"] = round(share, 4)
    return report("waiting", options, rates, figures=figures)


def choice(options: argparse.Namespace) -> tuple[list[Recipe], list[str]]:
    """The recipes that are measured, and the names of those that are too large."""
    if options.quick:
        small = decoder.Config(width=32, depth=1, heads=2, hidden=88, window=256, sinks=64)
        tiny = recipes.load("tiny")
        train = dataclasses.replace(tiny.train, agent=dataclasses.replace(tiny.train.agent, backbone=small))
        return [dataclasses.replace(tiny, train=train, rows_per_group=1, loader=LoaderConfig(workers=1))], []
    names = recipes.names() if options.recipes == "all" else options.recipes.split(",")
    known = [recipes.load(name) for name in names]
    large = [recipe.name for recipe in known if parameters(recipe) > MOST]
    return [recipe for recipe in known if recipe.name not in large], large


def parameters(recipe: Recipe) -> int:
    """How many its agent has; nothing is put into memory."""
    with shapes_alone():
        return recipe.train.agent.build().num_parameters


def measured(recipe: Recipe, folder: Path, options: argparse.Namespace) -> tuple[list[Rate], float]:
    """Batches, steps and steps with the loader a minute, and the share of waiting."""
    recipe = with_tasks(with_statistics(recipe, folder), folder)
    train = recipe.train
    torch.manual_seed(0)
    agent = train.agent.build().train()
    network = Alone(agent, train.objective.build())
    dtype = resolve(train.precision, CPU)
    optimizers = optim.build(agent, train.optim, dtype, network.beside)
    mixture = Mixture(mixture_config(recipe, folder), agent.serializer)

    def step(batch: PackedBatch) -> None:
        train_step(network, optimizers, batch.split(train.accumulate), RATE, train.optim.clip, dtype)

    is_compiled = not options.quick and to_compile(train.compile, train.steps, CPU)
    with compiled(agent, is_compiled, dtype), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.")
        apart = take_turns(contestants(recipe, mixture, step, options.steps), options.rounds, "batches/min")
        together, share = with_loader(recipe, mixture, step, options)
    return [*apart.values(), together], share


def contestants(recipe: Recipe, mixture: Mixture, step: Callable[[PackedBatch], None], count: int) -> dict[str, Work]:
    """Making so many batches in this process, and so many steps on batches that are there."""
    source = Loader(mixture, dataclasses.replace(recipe.loader, workers=0)).batches()
    ready = cycle(list(islice(source, READY)))

    def make() -> int:
        for _ in range(count):
            next(source)
        return count * MINUTE

    def learn() -> int:
        for batch in islice(ready, count):
            step(batch)
        return count * MINUTE

    return {f"{recipe.name}: making a batch": make, f"{recipe.name}: step": learn}


def with_loader(
    recipe: Recipe, mixture: Mixture, step: Callable[[PackedBatch], None], options: argparse.Namespace
) -> tuple[Rate, float]:
    """Steps a minute with the recipe's loader, and the median of rounds of waiting beside the rest."""
    shares: list[float] = []

    def work(source: Iterator[PackedBatch]) -> int:
        begun, waited = time.perf_counter(), 0.0
        for _ in range(options.steps):
            asked = time.perf_counter()
            batch = next(source)
            waited += time.perf_counter() - asked
            step(batch)
        shares.append(waited / (time.perf_counter() - begun - waited))
        return options.steps * MINUTE

    with Loader(mixture, recipe.loader) as loader:
        source = loader.batches()
        # What the workers prepared while they were not waited for: a slow one must not hide behind it.
        for _ in range(recipe.loader.prefetch * recipe.loader.workers):
            next(source)
        name = f"{recipe.name}: step with the loader"
        rate = take_turns({name: lambda: work(source)}, options.rounds, "batches/min")[name]
    return rate, statistics.median(shares[1:])


if __name__ == "__main__":
    main()
