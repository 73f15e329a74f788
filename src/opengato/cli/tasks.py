"""`opengato tasks`: the control tasks as a table or as JSON, without a simulator; `opengato measure`: their anchors."""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from rich import box
from rich.markup import escape
from rich.table import Table

from opengato.cli.arguments import Measure, Tasks
from opengato.cli.printing import wide_console
from opengato.core.environment import Score, TaskInfo
from opengato.envs import all_tasks, matching
from opengato.envs.jat import Anchors, anchors_of
from opengato.envs.scores import FILE, family_folder
from opengato.rollout.measure import Budget
from opengato.rollout.measure import measure as measure_tasks

NARROW = 110  # columns; below, the experts are named once below the table


def tasks(arguments: Tasks) -> None:
    """Print all tasks, or those of a family."""
    found = all_tasks(arguments.family)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(task) for task in found], indent=1))
        return
    console = wide_console()
    if arguments.scores:
        console.print(score_table(found))
        return
    narrow = console.width < NARROW
    console.print(task_table(found, narrow))
    if narrow:
        for family, expert in sorted({(task.family, task.expert or "none") for task in found}):
            console.print(f"expert of {family}: {expert}", highlight=False, markup=False)


def measure(arguments: Measure) -> None:
    """Measure tasks, family by family."""
    if arguments.episodes < 1:
        raise ValueError(f"received --episodes {arguments.episodes}, expected 1 or more")
    found = {task.id: task for word in arguments.tasks for task in matching(word)}
    families: dict[str, list[TaskInfo]] = {}
    for task in found.values():
        families.setdefault(task.family, []).append(task)
    budget = Budget(episodes=arguments.episodes, seconds=arguments.seconds)
    workers = arguments.workers or os.cpu_count() or 1
    for family, tasks in families.items():
        folder = family_folder(family)
        measure_tasks(tasks, folder, budget, workers, arguments.again, lambda line: print(line, file=sys.stderr))
        print(f"written: {folder / FILE}")


def task_table(found: list[TaskInfo], narrow: bool) -> Table:
    """One row a task; returns and success rates are means over measured episodes."""
    table = Table(title=f"{len(found)} control tasks", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("instruction (an example where it differs by episode)")
    table.add_column("steps ≤", justify="right", no_wrap=True)
    if not narrow:
        table.add_column("expert")
    for name in ("random", "expert", "solved"):
        table.add_column(name, justify="right", no_wrap=True)
    for task in found:
        about = [task.id, escape(task.instruction), str(task.max_steps)]
        expert = [] if narrow else [escape(task.expert or "-")]
        scores = [mean(task.random_score), mean(task.expert_score), success(task.expert_score)]
        table.add_row(*about, *expert, *scores)
    return table


def score_table(found: list[TaskInfo]) -> Table:
    """One row a task: both ends of its score with deviation and episodes, success, cost, and JAT's figures."""
    table = Table(title=f"{len(found)} control tasks", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task", no_wrap=True)
    names = ("random", "n", "expert", "n", "solved", "s/episode", "JAT: random", "expert", "agent", "score")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for task in found:
        expert = task.expert_score
        cost = "-" if expert is None or expert.seconds is None else f"{expert.seconds:.2g}"
        cells = [*both(task.random_score), *both(expert), success(expert), cost]
        table.add_row(task.id, *cells, *of_jat(anchors_of(task.id)))
    return table


def both(score: Score | None) -> tuple[str, str]:
    """The mean return with its deviation, and the episodes behind it."""
    return ("-", "-") if score is None else (f"{score.mean:.4g} ± {score.std:.2g}", str(score.episodes))


def of_jat(anchors: Anchors | None) -> tuple[str, str, str, str]:
    """JAT's random, expert and agent, and the score of its agent, where its expert is above random."""
    if anchors is None:
        return ("-", "-", "-", "-")
    score = f"{anchors.agent_score:.2f}" if anchors.expert > anchors.random else "-"
    return f"{anchors.random:.4g}", f"{anchors.expert:.4g}", f"{anchors.agent:.4g}", score


def mean(score: Score | None) -> str:
    """The mean return."""
    return "-" if score is None else f"{score.mean:.3g}"


def success(score: Score | None) -> str:
    """The share of episodes solved."""
    return "-" if score is None or score.success_rate is None else f"{score.success_rate:.0%}"
