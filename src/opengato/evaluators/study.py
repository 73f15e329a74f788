"""A study: several ways to train, each with several seeds, all measured on the same tasks.

What is finished is kept, and a run that was broken off goes on, so the same command can be given again and again.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from opengato.core.config import renewed, to_json
from opengato.evaluators import evaluate
from opengato.evaluators.contract import Settings
from opengato.evaluators.jobs import in_processes
from opengato.evaluators.report import Report
from opengato.train.run import Recipe, prepare, run

RESULTS = "study.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A way to train and to be measured. Variants of one `group` belong together; `x` is their place on an axis.

    `tasks` are measured in the place of the study's, where a variant learns but a part of what the others do.
    """

    name: str
    recipe: Recipe
    settings: Settings = field(default_factory=Settings)
    group: str = ""
    x: float | None = None
    tasks: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """`variants` x `seeds` runs, measured on `tasks` (see `evaluate`); `x_name` is what their `x` counts.

    `notes` are lines for who reads the table, such as what a run computes.
    """

    name: str
    variants: tuple[Variant, ...]
    tasks: str
    seeds: int = 2
    x_name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) < len(names) or self.seeds < 1:
            raise ValueError(
                f"study {self.name!r} has {self.seeds} seeds and the variants {names}; expected at least one of each, "
                "of different names"
            )


Rows = list[dict[str, Any]]


def run_study(
    study: Study,
    folder: Path,
    data: Path,
    workers: int | None = None,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> Rows:
    """Train and measure what is missing, seed by seed; the rows of all runs, which `folder/study.json` holds too.

    With `jobs` above 1 so many runs go at once, each in a process that writes to `RUN/output.txt`.
    """
    rows = read_rows(study, folder)
    done = {(row["variant"], row["seed"]) for row in rows}
    runs = [(v, seed) for seed in range(study.seeds) for v in study.variants if (v.name, seed) not in done]
    for recipe in {json.dumps(to_json(v.recipe.collect)): v.recipe for v, _ in runs}.values():
        prepare(recipe, data, workers)  # once, and not by several processes
    inputs = [(variant.tasks or study.tasks, variant, seed, folder, data, workers) for variant, seed in runs]
    if jobs == 1:
        found = itertools.starmap(run_one, inputs)
    else:
        found = in_processes(run_one, inputs, jobs, [folder / f"{v.name}-{seed}" / "output.txt" for v, seed in runs])
    for number, row in enumerate(found, 1):
        rows = in_order(study, [*rows, row])
        write_rows(study, folder, rows)
        scores = ", ".join(f"{family} {mean:.2f}" for family, mean in row["means"].items())
        tell(f"{study.name} {number}/{len(runs)}: {row['variant']}, seed {row['seed']}: {scores}")
    return rows


def in_order(study: Study, rows: Rows) -> Rows:
    """By seed, then as the variants of a study stand; several processes end in any order."""
    place = {variant.name: number for number, variant in enumerate(study.variants)}
    return sorted(rows, key=lambda row: (row["seed"], place[row["variant"]]))


def run_one(tasks: str, variant: Variant, seed: int, folder: Path, data: Path, workers: int | None) -> dict[str, Any]:
    """Train a variant with a seed, or go on with it, and measure it."""
    train = dataclasses.replace(variant.recipe.train, seed=seed)
    recipe = dataclasses.replace(variant.recipe, train=train)
    agent = run(recipe, folder / f"{variant.name}-{seed}", data, workers)
    report = evaluate(agent, tasks, settings=variant.settings)
    positions = recipe.rows * train.agent.context * train.steps
    return row_of(variant, seed, report, positions, agent.card["training_seconds"])


def row_of(variant: Variant, seed: int, report: Report, positions: int, seconds: float) -> dict[str, Any]:
    """What is kept of a run: scores by task, their means by family, and what it cost."""
    scores = {result.task: result.score.value for result in report.results}
    by_family: dict[str, list[float]] = {}
    for result in report.results:
        by_family.setdefault(result.family, []).append(result.score.value)
    return {
        "variant": variant.name,
        "group": variant.group,
        "x": variant.x,
        "seed": seed,
        "scores": scores,
        "means": {family: float(np.mean(found)) for family, found in sorted(by_family.items())},
        "parameters": report.agent["parameters"],
        "positions": positions,
        "training_seconds": seconds,
    }


def fingerprint(study: Study) -> dict[str, Any]:
    """All that a result hangs on, as JSON: rows of other settings are not to be mixed with new ones."""
    variants = {variant.name: to_json(variant) for variant in study.variants}
    return json.loads(json.dumps({"tasks": study.tasks, "variants": variants}))


def read_rows(study: Study, folder: Path) -> Rows:
    """The finished runs of a folder; ValueError if its study had other settings."""
    path = folder / RESULTS
    if not path.is_file():
        return []
    body = json.loads(path.read_text(encoding="utf-8"))
    if renewed(body["settings"]) != fingerprint(study):
        raise ValueError(f"{path} holds results of other settings than those of {study.name!r}; choose another folder")
    return body["rows"]


def write_rows(study: Study, folder: Path, rows: Rows) -> None:
    """Write all rows, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{RESULTS}.tmp"
    body = {"study": study.name, "x_name": study.x_name, "settings": fingerprint(study), "rows": rows}
    temporary.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / RESULTS)


def means(rows: Sequence[dict[str, Any]], variant: str, family: str) -> np.ndarray:
    """The mean score of a variant on a family, one a seed, in order of the seeds."""
    mine = sorted((row for row in rows if row["variant"] == variant), key=lambda row: row["seed"])
    return np.array([row["means"][family] for row in mine if family in row["means"]])
