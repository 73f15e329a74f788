"""An arena from its contestants to its outcome: everything that is found out as JSON, and as a table.

Letters: S seeds, K tasks.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opengato.evaluators.arena import Contestant, Entry, Suite, check, enter
from opengato.evaluators.arena_data import bring
from opengato.evaluators.arena_runs import Figures, Found, folder_name, run_all, same_precision, write
from opengato.evaluators.arena_verdict import Verdict, judge, mean_interval
from opengato.evaluators.statistics import Interval
from opengato.train.run import made_by

OUTCOME, FORMAT = "arena.json", 1
HEADING = ("contestant", "score", "p", "verdict", "parameters", "GFLOP a step", "steps", "positions", "minutes", "rate")
Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How an arena is held.

    `seeds` measured runs of each contestant; `flops` operations of a run (None: those of the first contestant in the
    steps of the suite); `jobs` trainings at once; `workers` processes that collect.
    """

    seeds: int = 3
    flops: float | None = None
    jobs: int = 1
    workers: int = 1

    def __post_init__(self) -> None:
        if min(self.seeds, self.jobs, self.workers) < 1 or (self.flops is not None and not self.flops > 0):
            raise ValueError(
                f"received {self.seeds} seeds, {self.jobs} jobs, {self.workers} workers, {self.flops} operations; "
                "expected one or more of each"
            )


def compete(
    contestants: Sequence[Contestant],
    suite: Suite,
    folder: Path,
    data: Path,
    config: Config,
    tell: Callable[[str], None] = lambda _: None,
) -> Body:
    """Run what is missing of an arena, write `folder/arena.json`, and return what it holds."""
    check(contestants, [folder_name(contestant.name) for contestant in contestants])
    common, left_out = bring(suite, contestants, data, config.workers)
    for source, why in left_out.items():
        tell(f"left out for all: {source}: {why}")
    entries = enter(same_precision(contestants, folder), common, data, config.flops)
    for entry in entries:
        tell(
            f"{entry.name}: {entry.parameters:,} parameters, {entry.flops / 1e9:.2f} GFLOP a step, {entry.steps} steps"
        )
    found = run_all(entries, common, config.seeds, folder, data, config.jobs, tell)
    write(folder / OUTCOME, outcome(entries, found, common, left_out))
    return read(folder)


def outcome(
    entries: Sequence[Entry],
    found: dict[str, Found],
    suite: Suite,
    left_out: dict[str, str],
) -> Body:
    """All that an arena has found, as JSON: contestants, verdicts, and what was left out."""
    rows = {name: of_one.runs for name, of_one in found.items()}
    seen = [figures["tasks"] for of_one in rows.values() for figures in of_one]
    measured = [task for task in seen[0] if all(task in tasks for tasks in seen)]
    tasks = [task for task in measured if all(each[task]["points"] is not None for each in seen)]
    if not tasks:
        raise ValueError(f"no task of suite {suite.name!r} was measured on a scale of points: {measured}")
    points = {
        name: np.array([[figures["tasks"][task]["points"] for task in tasks] for figures in of_one])
        for name, of_one in rows.items()
    }
    return {
        "format": FORMAT,
        "suite": suite.name,
        "date": datetime.date.today().isoformat(),
        **made_by(),
        "seeds": len(next(iter(rows.values()))),
        "tries": suite.tries,
        "short": suite.short,
        "tasks": tasks,
        "unscaled": [task for task in measured if task not in tasks],
        "left_out": left_out,
        "unmeasured": {
            task: why for of_one in rows.values() for one in of_one for task, why in one["left_out"].items()
        },
        "contestants": [about(entry, found[entry.name], points[entry.name], tasks, measured) for entry in entries],
        "verdicts": [told(verdict) for verdict in judge(points, tasks)],
    }


def about(
    entry: Entry,
    found: Found,
    points_SK: np.ndarray,
    tasks: Sequence[str],
    measured: Sequence[str],
) -> Body:
    """What a contestant was, what it cost, and what it reached."""
    rate, losses = found.rate, found.losses
    optim = entry.at(rate, 0, entry.steps).train.optim
    families = {task.partition("/")[0]: [] for task in tasks}
    for task, mean in zip(tasks, points_SK.mean(axis=0).tolist(), strict=True):
        families[task.partition("/")[0]].append(mean)
    return {
        "name": entry.name,
        "differs": list(entry.differs),
        "parameters": entry.parameters,
        "flops_step": entry.flops,
        "steps": entry.steps,
        "flops": entry.flops * entry.steps,
        "positions": entry.num_positions,
        "seconds": statistics.mean(figures["seconds"] for figures in found.runs),
        "rate": rate,
        "rates": {f"{tried:.3g}": None if loss == float("inf") else loss for tried, loss in losses.items()},
        "at_edge": len(losses) > 2 and rate in (min(losses), max(losses)),
        "learning_rates": [value for value in (optim.learning_rate, optim.matrix_learning_rate) if value is not None],
        "score": dataclasses.asdict(mean_interval(points_SK, np.random.default_rng(0))),
        "families": {family: statistics.mean(values) for family, values in families.items()},
        "tasks": {task: of_task(found.runs, task) for task in measured},
    }


def of_task(rows: Sequence[Figures], task: str) -> Body:
    """A task's measure, and its scores and points by seed."""
    each = [figures["tasks"][task] for figures in rows]
    kept = {key: each[0][key] for key in ("metric", "higher_is_better", "samples")}
    return {**kept, "scores": [one["score"] for one in each], "points": [one["points"] for one in each]}


def told(verdict: Verdict) -> Body:
    """A verdict as JSON, its words with it."""
    return {**dataclasses.asdict(verdict), "outcome": verdict.outcome, "words": verdict.words()}


def arena_lines(body: Body) -> list[list[str]]:
    """The table of an arena as texts, headings first; the first contestant is what the others are held against."""
    verdicts = {verdict["name"]: verdict for verdict in body["verdicts"]}
    lines = [list(HEADING)]
    for one in body["contestants"]:
        verdict = verdicts.get(one["name"])
        judged = ["-", "the baseline"] if verdict is None else [f"{verdict['p_corrected']:.2g}", verdict["outcome"]]
        lines.append(
            [
                one["name"],
                str(Interval(**one["score"])),
                *judged,
                f"{one['parameters'] / 1e6:.2f}M",
                f"{one['flops_step'] / 1e9:.2f}",
                f"{one['steps']:,}",
                f"{one['positions'] / 1e6:.2f}M",
                f"{one['seconds'] / 60:.1f}",
                rate_words(one),
            ]
        )
    return lines


def rate_words(one: Body) -> str:
    """`x 3 (0.006, 0.06)`: the factor that was chosen, and the rates that it gives."""
    rates = ", ".join(f"{rate:.2g}" for rate in one["learning_rates"])
    return f"x {one['rate']:.2g} ({rates})" + (", at the edge of the grid" if one["at_edge"] else "")


def read(folder: Path) -> Body:
    """The outcome that an arena wrote; ValueError for a file of another kind."""
    body = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    if body.get("format") != FORMAT:
        raise ValueError(f"{folder / OUTCOME} is not an outcome of format {FORMAT}; run `opengato compare` again")
    return body
