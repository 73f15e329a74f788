"""The arena: recipes that learn from the same data, with as much computing and as many tries each, on the same tasks.

What each is given is settled here; `arena_data` brings the data, `arena_runs` trains and measures, `arena_verdict`
judges, `arena_page` shows.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opengato.core.config import to_json
from opengato.data.loader import Loader, LoaderConfig
from opengato.data.mixture import Mixture
from opengato.data.rules import Rules
from opengato.evaluators.contract import Settings
from opengato.rollout import CollectJob
from opengato.train.compute import step_flops
from opengato.train.memory import on_meta
from opengato.train.run import Recipe, mixture_config, with_statistics, with_tasks

# What every contestant is given alike, and so what none may set.
GIVEN = re.compile(
    r"(name|weights|collect|collected|imports|stores|tasks|task_weights|loader|rows_per_group)\b|"
    r"train\.(steps|seed|accumulate)$|rules\.[^.]+\.(share|min_return)$"
)
RATES = (1.0, 1 / 3, 3.0, 1 / 9, 9.0, 1 / 27, 27.0)
"""The grid of learning rates, in the order of trying: factors on a recipe's own, of which it may have several."""
WARMUP = 0.1  # share of a run that rates may rise for, at most: a warm-up made for a million steps would take all
COUNTED = 4  # batches whose operations are counted, since what is predicted differs a little between them


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where episodes come from, their share of positions (`weight`), and which `tasks` are measured.

    `jobs` are what experts show; without any it is the corpus of that name. `learnt` restricts its tasks in training.
    """

    weight: float
    tasks: tuple[str, ...]
    jobs: tuple[CollectJob, ...] = ()
    learnt: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """Data and tasks of an arena, and how much of everything.

    Collected episodes lie in `DATA/<collected>/<source>`. A step reads `positions` slots. The first contestant is
    trained for `steps` steps; `tries` learning rates are tried for the share `short` of a run. `settings` say how
    finished agents are measured.
    """

    name: str
    sources: dict[str, Source]
    collected: str
    settings: Settings = field(default_factory=Settings)
    positions: int = 4096
    steps: int = 400
    tries: int = 3
    short: float = 0.2

    def __post_init__(self) -> None:
        if not self.sources or not 1 <= self.tries <= len(RATES) or self.steps < 1 or not 0 < self.short <= 1:
            raise ValueError(
                f"suite {self.name!r} has {len(self.sources)} sources, {self.steps} steps, {self.tries} tries of the "
                f"share {self.short} of a run; expected at least one source and step, 1 to {len(RATES)} tries, and a "
                "share above 0 and up to 1"
            )

    def folder(self, source: str, data: Path) -> Path:
        """Where the whole store of a source lies, of a corpus its train split."""
        return data / self.collected / source if self.sources[source].jobs else data / source / "train"

    def divided(self, source: str, data: Path) -> Path:
        """Where its episodes lie in two parts: to train on, and to choose learning rates by."""
        return data / "arena" / self.name / source

    @property
    def tasks(self) -> str:
        """What is measured, as `evaluate` takes it."""
        return ",".join(task for source in self.sources.values() for task in source.tasks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A recipe by the name it has in this arena: its own, with what was changed of it."""

    name: str
    recipe: Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A contestant as it enters: its recipe over the data of the suite, and what its steps cost.

    `differs` says where it is not like the first one.
    """

    name: str
    recipe: Recipe
    parameters: int
    flops: float
    differs: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        return self.recipe.train.steps

    @property
    def num_positions(self) -> int:
        """Slots of all steps."""
        return self.steps * self.recipe.rows * self.recipe.train.agent.context

    def at(self, rate: float, seed: int, steps: int) -> Recipe:
        """Its recipe at `rate` times its own learning rates, with a seed, for so many steps."""
        own = self.recipe.train
        matrices = own.optim.matrix_learning_rate
        optim = dataclasses.replace(
            own.optim,
            learning_rate=own.optim.learning_rate * rate,
            matrix_learning_rate=None if matrices is None else matrices * rate,
            warmup=min(own.optim.warmup, int(WARMUP * steps)),
        )
        train = dataclasses.replace(own, optim=optim, seed=seed, steps=steps)
        return dataclasses.replace(self.recipe, train=train)


def check(contestants: Sequence[Contestant], folders: Sequence[str]) -> None:
    """ValueError for contestants that cannot be told apart, or one that begins with what another had to learn."""
    if len(set(folders)) < max(2, len(contestants)):
        names = [contestant.name for contestant in contestants]
        raise ValueError(
            f"received the contestants {names}, expected two or more of different names; `RECIPE:key=value` is a "
            "recipe with something changed, `opengato recipes cp` makes one of another name"
        )
    for contestant in contestants:
        if contestant.recipe.start is not None:
            raise ValueError(
                f"{contestant.name} starts from the weights of {contestant.recipe.start!r}: that is more data and more "
                "computing than the others get; compare recipes that start from nothing"
            )


def given(recipe: Recipe, name: str, suite: Suite, data: Path) -> Recipe:
    """A recipe over the data of a suite, all of it; agent, objective, optimiser and the other data rules stay its own.

    ValueError where rows of its context do not make up a step.
    """
    context = recipe.train.agent.context
    if suite.positions % context:
        raise ValueError(
            f"{name} reads rows of {context} positions, which do not divide the {suite.positions} of a step in suite "
            f"{suite.name!r}; set `train.agent.context`"
        )
    rules = {
        source: dataclasses.replace(recipe.rules.get(source, Rules()), share=1.0, min_return=None)
        for source in suite.sources
    }
    return dataclasses.replace(
        recipe,
        name=name,
        train=dataclasses.replace(recipe.train, steps=suite.steps, seed=0, accumulate=1),
        weights={source: each.weight for source, each in suite.sources.items()},
        collect={},
        collected=None,
        imports=(),
        stores={source: str(suite.divided(source, data) / "train") for source in suite.sources},
        tasks={source: each.learnt for source, each in suite.sources.items() if each.learnt},
        task_weights={},
        rules=rules,
        loader=LoaderConfig(groups=1, workers=1),
        rows_per_group=suite.positions // context,
    )


def enter(contestants: Sequence[Contestant], suite: Suite, data: Path, flops: float | None = None) -> list[Entry]:
    """The entries of an arena whose data are there: each with as many steps as make up the same operations.

    That is `flops` for a run, or what the first contestant computes in the steps of the suite.
    """
    recipes = [given(contestant.recipe, contestant.name, suite, data) for contestant in contestants]
    whole = [with_tasks(with_statistics(recipe, data), data) for recipe in recipes]
    costs = [cost_of(recipe, data) for recipe in whole]
    total = suite.steps * costs[0] if flops is None else flops
    entries = []
    for recipe, known, cost in zip(recipes, whole, costs, strict=True):
        steps = round(total / cost)
        if steps < 1:
            raise ValueError(
                f"{total:.3g} operations are not one step of {recipe.name}, which takes {cost:.3g}; give more --flops"
            )
        entries.append(
            Entry(
                name=recipe.name,
                recipe=dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, steps=steps)),
                parameters=on_meta(known.train.agent).num_parameters,
                flops=cost,
                differs=tuple(unlike(recipes[0], recipe)),
            )
        )
    return entries


def cost_of(recipe: Recipe, data: Path) -> float:
    """Operations of a step of a recipe that knows its statistics and tasks, on the first batches of the run."""
    mixture = Mixture(mixture_config(recipe, data), recipe.train.agent.serializer())
    with Loader(mixture, LoaderConfig(groups=1, workers=0)) as loader:
        return step_flops(recipe.train, itertools.islice(loader.batches(), COUNTED))


def unlike(first: Recipe, other: Recipe) -> list[str]:
    """Where a contestant differs from the first one, `path: mine in place of theirs`."""
    mine, theirs = ({"train": to_json(each.train), "rules": to_json(each.rules)} for each in (other, first))
    return list(_unlike(mine, theirs, ""))


def _unlike(mine: Any, theirs: Any, path: str) -> Iterator[str]:
    """A part of another kind is one difference, and not one for each of its fields."""
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.get("type") == theirs.get("type"):
        for key in dict.fromkeys([*mine, *theirs]):
            yield from _unlike(mine.get(key), theirs.get(key), f"{path}.{key}" if path else key)
    elif mine != theirs:
        yield f"{path}: {_said(mine)} in place of {_said(theirs)}"


def _said(value: Any) -> str:
    return str(value["type"]) if isinstance(value, dict) and "type" in value else str(value)
