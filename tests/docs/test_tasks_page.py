"""The page of all tasks has each of them once, under its family, and its counts are right."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from opengato.envs import all_tasks

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def test_every_task_stands_in_its_family() -> None:
    listed = []
    for section in PAGE.split("\n### ")[1:]:
        family, _, rows = section.partition("\n")
        listed += [f"{family}/{name}" for name in re.findall(r"^\| `([^`]+)` \|", rows, flags=re.MULTILINE)]
    assert listed == [task.id for task in all_tasks()]


def test_counts_are_of_tasks_and_of_scored_experts() -> None:
    tasks, experts = Counter[str](), Counter[str]()
    for task in all_tasks():
        for name in (task.family, "all"):
            tasks[name] += 1
            experts[name] += task.expert_score is not None
    found = re.findall(r"^\| \[?(\w+)\]?(?:\(#\w+\))? \| (\d+) \| (\d+) \|", PAGE, flags=re.MULTILINE)
    assert {name: (int(a), int(b)) for name, a, b in found} == {name: (tasks[name], experts[name]) for name in tasks}
