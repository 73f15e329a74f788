"""What an evaluation of hours has found so far: a file with which the same evaluation goes on."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from opengato.agent.model import Agent
from opengato.evaluators.contract import Settings
from opengato.evaluators.report import TaskResult, result_of

UNIMPORTANT = ("num_envs", "processes")  # a result does not depend on them


class Kept:
    """Results of tasks by their ids, and the seconds that each took; without a `path` they are kept in memory alone.

    The first line of the file says `about` whom and how, each other one is a task's result. A file about something else
    is begun anew, which is told; of one that was broken off within a line that line is lost.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]):
        self.path = path
        self.results: dict[str, TaskResult] = {}
        self.seconds = 0.0
        if path is None:
            return
        first, lines = json.dumps(about, sort_keys=True), _lines(path)
        if lines and lines[0] != first:
            print(f"{path} holds results of another agent, version or settings; it is begun anew", file=sys.stderr)
        whole = [line for line in lines[1:] if _is_whole(line)] if lines[:1] == [first] else []
        for row in map(json.loads, whole):
            self._take(result_of(row["result"]), row["seconds"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in [first, *whole]), encoding="utf-8")

    def add(self, result: TaskResult, seconds: float) -> None:
        """Keep what a task gave, at once."""
        self._take(result, seconds)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seconds": seconds, "result": asdict(result)}, allow_nan=False) + "\n")

    def _take(self, result: TaskResult, seconds: float) -> None:
        self.results[result.task] = result
        self.seconds += seconds


def part_of(report: Path) -> Path:
    """Where results are kept until a report is whole: `out.json.part`."""
    return report.with_name(f"{report.name}.part")


def settings_that_matter(settings: Settings) -> dict[str, Any]:
    """As plain values, without what no result depends on."""
    found = {name: value for name, value in asdict(settings).items() if name not in UNIMPORTANT}
    return {**found, "data": str(settings.data.resolve())}


def digest(agent: Agent) -> str:
    """sha256 of all numbers of an agent, by name."""
    found = hashlib.sha256()
    for name, tensor in sorted(agent.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True
