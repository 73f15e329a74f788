"""Measure an agent: returns against random and expert, bits per byte, the right caption among others.

>>> report = evaluate(agent, "babyai,metaworld", episodes=50)
>>> print(report.table())

Each kind of measurement is a folder here, found by its name (`contract.Evaluator`); a new one needs no list edited.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.metadata
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from opengato.agent.model import Agent
from opengato.core.config import choose, plugin, plugins
from opengato.evaluators.acting import Player
from opengato.evaluators.contract import Evaluator, Settings
from opengato.evaluators.kept import Kept, digest, settings_that_matter
from opengato.evaluators.report import Aggregate, Report, TaskResult
from opengato.evaluators.statistics import Interval
from opengato.rollout import Policy

__all__ = [
    "Aggregate",
    "Evaluator",
    "Interval",
    "Player",
    "Report",
    "Settings",
    "TaskResult",
    "evaluate",
    "evaluator_of",
    "measurable_families",
    "run_task",
    "select_tasks",
]
ALL = "all"
PACKAGES = ("numpy", "torch", "gymnasium", "minigrid", "metaworld", "mujoco")


def evaluate(
    agent: Player,
    tasks: str | Sequence[str],
    episodes: int = 50,
    seed: int = 0,
    progress: bool = True,
    settings: Settings | None = None,
    keep: Path | None = None,
) -> Report:
    """Measure `agent` (or `"random"`, `"expert"`, a `Policy`) on tasks, as `select_tasks` reads them.

    Control tasks are played with the seeds [seed, seed + episodes), greedily unless `settings` say otherwise; they
    replace `episodes` and `seed`. A task for which no honest score exists (its expert is not above random) is in
    `report.left_out`. What each task gave is written to the file `keep` at once, and not measured again by the same
    call with the same agent and settings.
    """
    settings = settings or Settings(episodes=episodes, seed=seed)
    chosen = select_tasks(tasks, trained_tasks(agent))
    unfit = {task: evaluator_of(task).unfit(task, settings) for task in chosen}
    fit = [task for task in chosen if unfit[task] is None]
    found = Kept(keep, {} if keep is None else identity(agent, settings))
    with _progress(progress) as bar:
        overall = bar.add_task("all tasks", total=len(fit))
        for task in fit:
            if task not in found.results:
                started, row = (
                    time.perf_counter(),
                    bar.add_task(task, total=evaluator_of(task).num_samples(task, settings)),
                )
                result = run_task(agent, task, settings, on_sample=functools.partial(bar.advance, row))
                found.add(result, time.perf_counter() - started)
                bar.remove_task(row)
            bar.advance(overall)
    return Report(
        agent=describe(agent, settings),
        results=tuple(found.results[task] for task in fit),
        left_out={task: why for task, why in unfit.items() if why is not None},
        seconds=found.seconds,
        versions=versions(),
    )


def run_task(
    agent: Player, task_id: str, settings: Settings, on_sample: Callable[[], None] = lambda: None
) -> TaskResult:
    """Measure one task; `on_sample()` is called after each episode, window or picture."""
    evaluator = evaluator_of(task_id)
    samples: dict[str, list[float]] = {}
    for name, value in evaluator.measure(agent, task_id, settings):
        samples.setdefault(name, []).append(value)
        if name == evaluator.counted:
            on_sample()
    return evaluator.summarise(task_id, samples, settings)


@functools.cache
def _evaluators() -> list[Evaluator]:
    return [plugin("evaluators", name).Evaluator() for name in plugins("evaluators")]


def evaluators_by_family() -> dict[str, Evaluator]:
    """Every evaluator found, by each family it measures; families may be registered at any time."""
    found: dict[str, Evaluator] = {}
    for evaluator in _evaluators():
        found |= dict.fromkeys(evaluator.families(), evaluator)
    return found


def evaluator_of(task_id: str) -> Evaluator:
    """What measures `family/name`; an unknown family is a ValueError with the near ones."""
    found = evaluators_by_family()
    return found[choose(task_id.partition("/")[0], found, what="family of tasks")]


def select_tasks(expression: str | Sequence[str], trained: Iterable[str] | None) -> list[str]:
    """Task ids named by `expression`, each once, in its order; `trained` are those the agent learnt (None: any).

    `"babyai"` means the tasks of that family among `trained`, `"babyai/*"` all of the family, `"babyai/GoTo*"` those
    that match, `"babyai/GoToLocal"` one; `"all"` means all `trained`, and what else can be asked about them. Parts are
    separated by commas. ValueError where a part names nothing.
    """
    known = None if trained is None else set(trained)
    parts = expression.split(",") if isinstance(expression, str) else list(expression)
    chosen: dict[str, None] = {}
    for part in (part.strip() for part in parts):
        if part:
            chosen |= dict.fromkeys(_matching(part, known))
    if not chosen:
        raise ValueError(f"received tasks {expression!r}, expected at least one, such as 'babyai' or 'text/austen'")
    return list(chosen)


def measurable_families(trained: Iterable[str] | None) -> list[str]:
    """The families of what an agent was trained on, of those that can be measured; ValueError where there is none."""
    if trained is None:
        raise ValueError("`random` and `expert` were trained on nothing; name tasks, such as --tasks babyai/GoToLocal")
    trained_on = {task.partition("/")[0] for task in trained}
    known = sorted(trained_on & evaluators_by_family().keys())
    if not known:
        raise ValueError(
            f"it was trained on {', '.join(sorted(trained_on)) or 'nothing'}, which nobody knows here; name the module "
            "that registers these tasks with --env, or other tasks with --tasks"
        )
    return known


def _all_of(known: set[str] | None) -> list[str]:
    """All that an agent was trained on, and what can be asked about it."""
    own = [task for family in measurable_families(known) for task in _matching(family, known)]
    asked = [
        task
        for evaluator in _evaluators()
        if evaluator.needs_no_training
        for family in evaluator.families()
        for task in evaluator.tasks(family)
        if evaluator.about(task) in own
    ]
    return [*own, *asked]


def _matching(part: str, known: set[str] | None) -> list[str]:
    if part == ALL:
        return _all_of(known)
    family, separator, _ = part.partition("/")
    evaluator = evaluator_of(part)
    available = evaluator.tasks(family)
    if evaluator.from_stores:
        own = (task for task in known or () if task.partition("/")[0] == family)
        available = list(dict.fromkeys([*available, *sorted(own)]))
    if not separator:
        chosen = [task for task in available if known is None or task in known]
        if not chosen:
            raise ValueError(
                f"the agent was trained on no task of {family!r} (it knows {len(known or ())} tasks: "
                f"{', '.join(sorted(known or ())[:6]) or 'none'} ...); '{family}/*' names all of the family"
            )
        return chosen
    if "*" in part:
        chosen = fnmatch.filter(available, part)
        if not chosen:
            raise ValueError(f"no task matches {part!r}; '{family}/*' names {len(available)}")
        return chosen
    return [choose(part, available, what="task")]


def trained_tasks(agent: Player) -> list[str] | None:
    """Ids that an agent was trained on, from its card; None for a policy that was never trained."""
    return None if isinstance(agent, str | Policy) else list(agent.card.get("tasks", ()))


def describe(agent: Player, settings: Settings) -> dict[str, Any]:
    """Who was measured, and how it acted, as plain values for a report."""
    if isinstance(agent, str | Policy):
        return {"name": agent if isinstance(agent, str) else agent.name}
    name, parameters = str(agent.card.get("recipe", "agent")), int(agent.num_parameters)
    weights = {"weights": agent.card["weights"]} if "weights" in agent.card else {}
    return {"name": name, "parameters": parameters, "acting": settings.acting, **weights}


def identity(agent: Player, settings: Settings) -> dict[str, Any]:
    """All that a result hangs on, as plain values: whose results of a file are those of this evaluation."""
    weights = digest(agent) if isinstance(agent, Agent) else None
    about = {"agent": describe(agent, settings), "weights": weights, "versions": versions()}
    return {**about, "settings": settings_that_matter(settings)}


def versions() -> dict[str, str]:
    """Versions of the packages that scores depend on, those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _progress(shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    hidden = not (shown and console.is_terminal)  # in a log file a bar is noise
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=hidden)
