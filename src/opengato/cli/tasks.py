"""`opengato tasks`: the control tasks as a table or as JSON. No simulator is loaded."""

from __future__ import annotations

import dataclasses
import json

from rich import box
from rich.markup import escape
from rich.table import Table

from opengato.cli.arguments import Tasks
from opengato.cli.printing import wide_console
from opengato.core.environment import Score, TaskInfo
from opengato.envs import all_tasks

NARROW = 110  # columns; below, the experts are named once below the table


def tasks(arguments: Tasks) -> None:
    """Print all tasks, or those of a family."""
    found = all_tasks(arguments.family)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(task) for task in found], indent=1))
        return
    console = wide_console()
    narrow = console.width < NARROW
    console.print(task_table(found, narrow))
    if narrow:
        for family, expert in sorted({(task.family, task.expert or "none") for task in found}):
            console.print(f"expert of {family}: {expert}", highlight=False, markup=False)


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


def mean(score: Score | None) -> str:
    """The mean return."""
    return "-" if score is None else f"{score.mean:.3g}"


def success(score: Score | None) -> str:
    """The share of episodes solved."""
    return "-" if score is None or score.success_rate is None else f"{score.success_rate:.0%}"
