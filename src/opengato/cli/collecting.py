"""`opengato collect`: which tasks go into which store, and what became of them. No torch here."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from opengato.cli.arguments import Collect
from opengato.core.environment import TaskInfo
from opengato.envs import all_tasks, family_of, matching
from opengato.rollout import TRAIN_SEED, CollectJob, Crew, Limits, LocalCrew, lacking
from opengato.rollout.ray_workers import RayCrew
from opengato.train.collecting import Summary, collect_stores

ALL = "all"


def collect(arguments: Collect) -> int:
    """Collect episodes, or go on; exit code 1 if a task was given up. What is there when it is broken off stays."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    tasks, missing = chosen(arguments)
    plans = plan(arguments, tasks)
    for family, why in missing.items():
        console.print(f"{family} is left out: {why}", style="yellow", markup=False)
    try:
        limits = Limits(seconds=arguments.time_limit)
        summaries = collect_stores(plans, crew(arguments), limits, dedupe=arguments.dedupe)
    except SystemExit:
        console.print(f"stopped; {arguments.out} keeps what was collected, and the same command goes on", markup=False)
        raise
    if arguments.json:
        print(json.dumps(as_json(arguments.out, summaries, missing), indent=1))
    else:
        show(summaries, console)
    return int(any(summary.given_up for summary in summaries))


def crew(arguments: Collect) -> Crew:
    """Who plays."""
    return RayCrew(arguments.workers) if arguments.ray else LocalCrew(arguments.workers)


def chosen(arguments: Collect) -> tuple[list[TaskInfo], dict[str, str]]:
    """The tasks that are asked for, and of `all` the families that cannot be played here, with what they need."""
    if ALL in arguments.tasks:
        tasks = all_tasks()
        first = {task.family: task for task in reversed(tasks)}
        missing = {family: why for family in sorted(first) if (why := lacking(family_of(first[family].id)))}
        if len(missing) == len(first):
            raise ImportError("\n".join(["no simulator is installed", *missing.values()]))
        able = [task for task in tasks if task.family not in missing]
        return [task for task in able if task.expert is not None or arguments.policy != "expert"], missing
    found = {task.id: task for word in arguments.tasks for task in matching(word)}
    if not found:
        raise ValueError("name at least one task, such as babyai/GoToLocal, or `all`; `opengato tasks` lists them")
    helpless = [task.id for task in found.values() if arguments.policy == "expert" and task.expert is None]
    if helpless:
        raise ValueError(f"no expert plays {', '.join(helpless)}; leave them out or collect with --policy random")
    return list(found.values()), {}


def plan(arguments: Collect, tasks: Sequence[TaskInfo]) -> dict[Path, list[CollectJob]]:
    """The jobs of each store; ValueError for what could only fail later, in a worker."""
    if arguments.episodes < 1 or min(arguments.noise, default=-1) < 0:
        noise = " ".join(map(str, arguments.noise))
        raise ValueError(
            f"received --episodes {arguments.episodes} --noise {noise}; expected at least one episode, and shares of 0 "
            "or more"
        )
    several = ALL in arguments.tasks or len(families(tasks)) > 1
    plans: dict[Path, list[CollectJob]] = {}
    for task in tasks:
        job = CollectJob(
            task=task.id,
            episodes=arguments.episodes,
            policy=arguments.policy,
            seed=TRAIN_SEED if arguments.seed is None else arguments.seed,
            noise=arguments.noise,
            only_success=arguments.only_success,
            min_return=arguments.min_return,
        )
        plans.setdefault(arguments.out / task.family if several else arguments.out, []).append(job)
    return plans


def families(tasks: Sequence[TaskInfo]) -> list[str]:
    """Their families, each once."""
    return list(dict.fromkeys(task.family for task in tasks))


def as_json(out: Path, summaries: Sequence[Summary], missing: dict[str, str]) -> dict[str, object]:
    """All that is known of a collection, for programs."""
    tasks = {task: count for summary in summaries for task, count in summary.tasks.items()}
    stores = [{**dataclasses.asdict(summary), "collected": summary.collected} for summary in summaries]
    return {
        "out": str(out),
        "episodes": sum(tasks.values()),
        "tasks": tasks,
        "stores": stores,
        "missing": missing,
    }


def show(summaries: Sequence[Summary], console: Console) -> None:
    """A line for each store; what was lost, by name."""
    for summary in summaries:
        for line in summary.names():
            console.print(line, style="red", markup=False)
        tasks = f"{len(summary.tasks)} {'task' if len(summary.tasks) == 1 else 'tasks'}"
        rest = f"; {left_out}" if (left_out := summary.left_out()) else ""
        print(f"{summary.folder}: {summary.collected} of {summary.asked} episodes, {tasks}{rest}")
