"""Results of an evaluation: what was measured on each task, over all tasks, and as JSON.

Letters: E episodes of one task.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult

from opengato.evaluators.plots import plot_report
from opengato.evaluators.statistics import Interval, bootstrap_aggregates, bootstrap_family_mean, counts_above
from opengato.evaluators.tables import OF_HUMAN, report_tables

NORMALISED = "normalised return"
HUMAN_THRESHOLDS = (1.0, 2.0)
FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """What one task gave. `score` is the headline in the unit `metric`; `figures` are further estimates by name.

    `samples[name]` (E,) are the values by episode, window or picture. `references` hold what to compare with
    (`random`, `expert`, `human`, `chance`, `xz`); `notes` say in words what numbers cannot (who the expert is).
    A control task: metric `normalised return`, figures `return`, `length` and, where defined, `success` and
    `score against human`, which is (return - random) / (human - random).
    """

    task: str
    metric: str
    score: Interval
    figures: Mapping[str, Interval]
    references: Mapping[str, float]
    samples: Mapping[str, tuple[float, ...]]
    num_samples: int
    seed: int
    higher_is_better: bool = True
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.task.partition("/")[0]

    def values(self) -> Iterator[tuple[str, float]]:
        """(name, value) pairs for a log: `babyai/GoToLocal/normalised return`, `babyai/GoToLocal/success`, ..."""
        yield f"{self.task}/{self.metric}", self.score.value
        for name, figure in self.figures.items():
            yield f"{self.task}/{name}", figure.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregate:
    """Normalised scores over the tasks of a family. `above[t]` counts the tasks whose score reaches t.

    Of the `num_human` tasks with a human score, `above_human[t]` reach t times that of a human.
    """

    num_tasks: int
    mean: Interval
    median: Interval
    iqm: Interval
    above: Mapping[float, int]
    num_human: int = 0
    above_human: Mapping[float, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All results of one call of `evaluate`. `left_out` names each task that was asked for and not scored, and why."""

    agent: Mapping[str, Any]
    results: tuple[TaskResult, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, task_id: str) -> TaskResult:
        for result in self.results:
            if result.task == task_id:
                return result
        why = self.left_out.get(task_id, f"scored are: {', '.join(r.task for r in self.results) or 'none'}")
        raise KeyError(f"no score of {task_id!r} in this report; {why}")

    def aggregates(self, seed: int = 0) -> dict[str, Aggregate]:
        """Mean, median, IQM and counts by family of control tasks, and under `all control` where there are several.

        Intervals are bootstrapped over episodes, stratified by task; the anchors random and expert count as exact.
        """
        groups: dict[str, list[TaskResult]] = {}
        for result in self.results:
            if result.metric == NORMALISED:
                groups.setdefault(result.family, []).append(result)
        if len(groups) > 1:
            groups["all control"] = [result for members in groups.values() for result in members]
        return {name: _aggregate(members, np.random.default_rng(seed)) for name, members in groups.items()}

    def family_mean(self, seed: int = 0) -> Interval:
        """The mean over families of their mean over tasks [Reed et al. 2022, sec. 5.1]; ValueError without any."""
        groups: dict[str, list[tuple[float, ...]]] = {}
        for result in self.results:
            if result.metric == NORMALISED:
                groups.setdefault(result.family, []).append(result.samples["score"])
        if not groups:
            raise ValueError("this report has no control task, so no family has a mean")
        return bootstrap_family_mean(list(groups.values()), np.random.default_rng(seed))

    def table(self, width: int = 120) -> str:
        """The tables as plain text, `width` columns wide; `rich.print(report)` shows them in colour."""
        console = Console(width=width, no_color=True, force_terminal=False, force_jupyter=False)
        with console.capture() as capture:
            console.print(self)
        return capture.get()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield report_tables(self, options.max_width)

    def to_json(self, path: Path | str) -> Path:
        """Write everything, samples included, and return the path. Read it again with `Report.from_json`."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"format": FORMAT, **asdict(self), "aggregates": {k: asdict(v) for k, v in self.aggregates().items()}}
        path.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def from_json(cls, path: Path | str) -> Report:
        """A report as `to_json` wrote it; ValueError for a file of another kind."""
        body = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise ValueError(f"{path} is not a report of format {FORMAT}; write one with `report.to_json(path)`")
        fields = ("agent", "left_out", "seconds", "versions")
        return cls(results=tuple(result_of(row) for row in body["results"]), **{name: body[name] for name in fields})

    def plot(self, path: Path | str, kind: str = "scores") -> Path:
        """The control tasks as a picture; needs matplotlib.

        "scores": a bar for each with its interval, lines at random = 0 and expert = 1. "tasks": how many reach each
        percentage of the expert's score, stacked by family.
        """
        return plot_report(self, Path(path), kind)


def result_of(row: dict[str, Any]) -> TaskResult:
    """A result from its JSON."""
    fields: dict[str, Any] = dict(row)
    fields["score"] = Interval(**row["score"])
    fields["figures"] = {name: Interval(**figure) for name, figure in row["figures"].items()}
    fields["samples"] = {name: tuple(values) for name, values in row["samples"].items()}
    return TaskResult(**fields)


def _aggregate(members: list[TaskResult], rng: np.random.Generator) -> Aggregate:
    scores = [result.samples["score"] for result in members]
    human = [result.figures[OF_HUMAN].value for result in members if OF_HUMAN in result.figures]
    return Aggregate(
        num_tasks=len(members),
        above=counts_above([result.score.value for result in members]),
        num_human=len(human),
        above_human=counts_above(human, HUMAN_THRESHOLDS) if human else {},
        **bootstrap_aggregates(scores, rng),
    )
