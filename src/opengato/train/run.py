"""A recipe, run: get the data, fit the statistics, train, leave an agent with its card."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from opengato.agent.files import load_agent
from opengato.agent.model import Agent
from opengato.agent.model import Config as AgentConfig
from opengato.core.batch import PackedBatch
from opengato.core.config import choose, to_json
from opengato.core.returns import EXPERT_RETURNS, PREDICTED_RETURNS
from opengato.core.views import MATCH, PROBE, drawing_task, retrieval_task, task_on
from opengato.data.loader import Loader, LoaderConfig
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig, chosen_tasks
from opengato.data.returns import expert_returns
from opengato.data.rules import Rules
from opengato.data.store import EpisodeStore
from opengato.rollout import CollectJob
from opengato.train import loop
from opengato.train.distributed import together
from opengato.train.prepare import collect_store, fit_statistics, import_stores


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything a run needs. `weights` are shares of positions; `collect`, `imports` and `stores` name the sources.

    A source of weight 0 is left out: not brought, not measured, not mixed. `tasks` restricts a source to those tasks
    (names or patterns), where it has several. `rules` are the data rules of sources, the
    default ones where it names none. Collected data lie in `DATA/<recipe>/<source>`, with `collected` in the place of
    the recipe's name where recipes share them; imported corpora in `DATA/<source>/train`; `stores` are folders of
    episodes that lie where they are. `groups_per_task` groups in a row hold one task, drawn for them (0: all side by
    side). `start` is the name or the folder of an agent whose weights the run begins with, all that have the name and
    the shape of one of its own: an encoder that learnt without labels, say.
    """

    name: str
    train: loop.Config
    weights: dict[str, float]
    collect: dict[str, tuple[CollectJob, ...]] = field(default_factory=dict)
    collected: str | None = None
    imports: tuple[str, ...] = ()
    stores: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    task_weights: dict[str, dict[str, float]] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=dict)
    loader: LoaderConfig = field(default_factory=LoaderConfig)
    rows_per_group: int = 8
    groups_per_task: int = 0
    start: str | None = None

    def __post_init__(self) -> None:
        for name in self.weights:
            choose(name, [*self.collect, *self.imports, *self.stores], what="source in `weights`")
        for name in self.tasks:
            choose(name, self.weights, what="source in `tasks`")
        for name, rules in self.rules.items():
            if rules != Rules():
                choose(name, self.weights, what="source in `rules`")
        # Each source has its entry, so that a setting such as `rules.babyai.prompt=0.25` finds what it changes.
        object.__setattr__(self, "rules", {name: self.rules.get(name, Rules()) for name in self.weights})

    @property
    def rows(self) -> int:
        """Rows of a batch."""
        return self.loader.groups * self.rows_per_group

    @property
    def used(self) -> dict[str, float]:
        """Weights of the sources that the run learns from."""
        return {name: weight for name, weight in self.weights.items() if weight != 0}

    def folder(self, source: str, data: Path) -> Path:
        """Where the training episodes of a source lie."""
        if source in self.stores:
            return Path(self.stores[source])
        own = data / (self.collected or self.name) / source
        return own if source in self.collect else data / source / "train"


def run(recipe: Recipe, folder: Path, data: Path, workers: int | None = None) -> Agent:
    """Train a recipe into `folder`, with data in `data`; what is there already is used, a broken-off run goes on.

    Processes that `torchrun` started train it together; `data` and `folder` must be the same for all of them.
    """
    check_rows(recipe)
    with together() as team:

        def ready() -> Recipe:
            prepare(recipe, data, workers)
            return with_tasks(with_statistics(recipe, data), data)

        whole = team.first(ready)
        mixture = Mixture(mixture_config(whole, data), whole.train.agent.serializer())
        card = make_card(whole, data, list(mixture.names))
        with Loader(mixture, whole.loader, rank=team.rank, world_size=team.size) as loader:

            def batches(step: int) -> Iterator[PackedBatch]:
                return loader.batches(start=step)

            def begin(agent: Agent) -> None:
                if recipe.start is not None:
                    begin_with(agent, recipe.start)

            return loop.fit(whole.train, batches, folder, card, begin, team)


def check_rows(recipe: Recipe) -> None:
    """ValueError where the objective asks for rows of one task side by side, and the recipe gives others."""
    needed, given = recipe.train.objective.build().rows_per_task, recipe.groups_per_task * recipe.rows_per_group
    if needed and needed != given:
        raise ValueError(
            f"the objective asks for {needed} rows of each task, but `groups_per_task` * `rows_per_group` is {given}, "
            "where 0 mixes tasks; set these, or `rows` of the objective"
        )


def begin_with(agent: Agent, start: str) -> list[str]:
    """Give an agent the weights of another that have a name and a shape of its own; the names of those that it keeps.

    ValueError where the trunk gets none: then there is nothing to begin with.
    """
    theirs, own = load_agent(start).state_dict(), agent.state_dict()
    fitting = {name: tensor for name, tensor in theirs.items() if name in own and own[name].shape == tensor.shape}
    if not any(name.startswith("backbone.") for name in fitting):
        raise ValueError(
            f"no weight of the trunk of {start!r} has the name and the shape of one of this recipe's; give both trunks "
            "the same width, depth, heads and feed-forward"
        )
    agent.load_state_dict(fitting, strict=False)
    return sorted(own.keys() - fitting.keys())


def prepare(recipe: Recipe, data: Path, workers: int | None = None) -> None:
    """Collect and import what the recipe needs."""
    for name, jobs in recipe.collect.items():
        if name in recipe.used:
            collect_store(jobs, recipe.folder(name, data), workers or os.cpu_count() or 1)
    import_stores(tuple(name for name in recipe.imports if name in recipe.used), data)


def mixture_config(recipe: Recipe, data: Path) -> MixtureConfig:
    """The recipe's mixture over the folders of its data."""
    sources = {
        name: SourceConfig(
            path=str(recipe.folder(name, data)),
            weight=weight,
            tasks=recipe.tasks.get(name, ()),
            task_weights=recipe.task_weights.get(name, {}),
            rules=recipe.rules[name],
        )
        for name, weight in recipe.used.items()
    }
    return MixtureConfig(
        sources=sources,
        length=recipe.train.agent.context,
        rows_per_group=recipe.rows_per_group,
        seed=recipe.train.seed,
        tasks=recipe.train.agent.tasks,
        groups_per_task=recipe.groups_per_task,
    )


def with_statistics(recipe: Recipe, data: Path) -> Recipe:
    """The recipe with statistics measured for every modality that has a place for them and none yet."""
    agent = recipe.train.agent
    empty = {name: modality for name, modality in standardised(agent).items() if not modality.statistics}
    if not empty:
        return recipe
    episodes = [name for name in (*recipe.collect, *recipe.stores) if name in recipe.used]
    statistics = fit_statistics([recipe.folder(name, data) for name in episodes])
    fitted = {name: dataclasses.replace(modality, statistics=statistics) for name, modality in empty.items()}
    agent = dataclasses.replace(agent, modalities={**agent.modalities, **fitted})
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, agent=agent))


def with_tasks(recipe: Recipe, data: Path) -> Recipe:
    """The recipe with the names of all its tasks in the agent's config, where some part knows tasks by number."""
    agent = recipe.train.agent
    asked = agent.decision is not None or agent.private is not None or recipe.train.objective.build().names_tasks
    if agent.tasks or not asked:
        return recipe
    stores = {name: EpisodeStore(recipe.folder(name, data)) for name in recipe.used}
    tasks = [task for name, store in stores.items() for task in chosen_tasks(store, recipe.tasks.get(name, ()), name)]
    agent = dataclasses.replace(agent, tasks=tuple(dict.fromkeys(tasks)))
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, agent=agent))


def standardised(agent: AgentConfig) -> dict[str, Any]:
    """The modalities of an agent that keep statistics of what they read."""
    return {
        name: modality
        for name, modality in agent.modalities.items()
        if any(f.name == "statistics" for f in dataclasses.fields(modality))
    }


def make_card(recipe: Recipe, data: Path, sources: list[str]) -> dict[str, Any]:
    """What a user of the weights should know: data with licences and fingerprints, tasks, versions, machine."""
    stores = {name: EpisodeStore(recipe.folder(name, data)) for name in sources}
    total = sum(recipe.used.values())
    return {
        "recipe": recipe.name,
        **({} if recipe.start is None else {"from": {"name": recipe.start}}),
        "command": f"opengato train {recipe.name}",
        "tasks": [
            task
            for name, store in stores.items()
            for task in tasks_learnt(chosen_tasks(store, recipe.tasks.get(name, ()), name), recipe.rules[name])
        ],
        "sources": sources,
        "data": {
            name: describe_store(store, recipe.used[name] / total, recipe.rules[name]) for name, store in stores.items()
        },
        **returns_of(recipe, data),
        **made_by(),
    }


def tasks_learnt(tasks: list[str], rules: Rules) -> list[str]:
    """The tasks that are taken of a store, and those that the rules make of them.

    A task is not learnt where no document is as recorded; where what is observed is read alone, it can be probed.
    """
    kept = tasks if sum(rules.views.values()) - rules.pairs_apart < 1 else []
    asked = [task_on(MATCH, task) for task in tasks] if rules.matched else []
    probed = [task_on(PROBE, task) for task in tasks] if rules.seen else []
    drawn = [drawing_task(task) for task in tasks] if rules.drawn else []
    found = [retrieval_task(task) for task in tasks] if rules.pairs_apart else []
    return [*kept, *drawn, *found, *asked, *probed]


def describe_store(store: EpisodeStore, share: float, rules: Rules | None = None) -> dict[str, Any]:
    """What a card says of a store: how much, which, whose, its share of the positions, and what rules it is under."""
    return {
        "episodes": len(store),
        "share": share,
        "fingerprint": store.fingerprint,
        **({} if rules is None or rules == Rules() else {"rules": to_json(rules)}),
        **{key: store.extra[key] for key in ("title", "licence", "packages", "synthetic") if key in store.extra},
    }


def made_by() -> dict[str, Any]:
    """What a card says of the machine and the versions of what runs on it."""
    packages = ("opengato", "torch", "numpy", "minigrid", "metaworld", "mujoco", "gymnasium")
    return {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {platform.system()}",
        "versions": {name: _version(name) for name in packages},
    }


def returns_of(recipe: Recipe, data: Path) -> dict[str, Any]:
    """What a card says of returns in sight.

    That is the expert return of each task, as acting counts in the same units, and the tasks whose returns are
    predicted; nothing without `returns`.
    """
    found: dict[str, tuple[float, bool]] = {}
    for name, rules in recipe.rules.items():
        for task, best in expert_returns(EpisodeStore(recipe.folder(name, data))).items() if rules.returns else ():
            mine = (best, rules.predict_returns)
            if found.setdefault(task, mine) != mine:
                raise ValueError(
                    f"two sources with `returns` hold {task!r}, with expert returns {found[task][0]:g} and {best:g}; "
                    "join their stores, or leave the task to one of them"
                )
    if not found:
        return {}
    predicted = [task for task, (_, is_predicted) in found.items() if is_predicted]
    returns = {EXPERT_RETURNS: {task: best for task, (best, _) in found.items()}}
    return {**returns, **({PREDICTED_RETURNS: predicted} if predicted else {})}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


__all__ = ["AgentConfig", "Recipe", "make_card", "mixture_config", "prepare", "run", "with_statistics"]
