"""The few-shot study: how many episodes of a task it has not seen an agent needs, by where it starts from.

[Reed et al. 2022, arXiv:2205.06175, sec. 5.2, app. E]. Letters: E episodes of a store.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from opengato.core.config import choose, from_json, renewed, to_json
from opengato.data.store import MANIFEST, EpisodeStore, StoreWriter, read_manifest
from opengato.evaluators import evaluator_of, run_task
from opengato.evaluators.contract import Settings
from opengato.rollout import CollectJob
from opengato.train import finetune
from opengato.train.finetune import Start
from opengato.train.prepare import collect_store

RESULTS, FORMAT = "few_shot.json", 1
SCRATCH = "scratch"
NOTE = (
    "`maximum` is the largest moving average of a curve, as Gato's paper reports it: it is picked on the episodes that "
    "it is measured on, and so optimistic; `last` is the curve's last moving average"
)
# A study may be widened, and read otherwise; everything else makes other results.
MAY_CHANGE = ("tasks", "starts", "scratch", "episodes", "series", "window", "stores")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A study. Each task x mode x start x number of episodes x series is a cell: one fine-tuning, played as it goes.

    `starts` are agents by a name for them; `scratch` adds the first one's network with new weights. An expert shows
    `pool` episodes of each task (with `noise`, see `collect`), or a store among `stores` holds them; the `best` of them
    by return are kept, and each of the `series` draws nested subsets from these. `training` says by mode how, and for
    how many steps; every `every` steps `eval_episodes` new episodes are played, and scores are averaged over `window`
    such evaluations. The defaults are the paper's.
    """

    tasks: tuple[str, ...]
    starts: dict[str, str]
    scratch: bool = True
    episodes: tuple[int, ...] = (1, 3, 5, 10, 100, 1000)
    series: int = 3
    pool: int = 2500
    best: int = 2000
    noise: tuple[float, ...] = (0.0,)
    stores: dict[str, str] = field(default_factory=dict)
    training: dict[str, finetune.Config] = field(default_factory=lambda: {"full": finetune.Config()})
    every: int = 100
    eval_episodes: int = 10
    window: int = 5
    seed: int = 0


def gato() -> Config:
    """The paper's study on the one of its four tasks that is here; docs/finetune.md says how to make its starts."""
    starts = {"all data": "runs/tiny", "same domain": "runs/same-domain", "no control": "runs/no-control"}
    return Config(tasks=("metaworld/assembly",), starts=starts)


def small() -> Config:
    """The shipped agent against new weights, on three tasks that are new to it: a look at the curves on two cores."""
    training = finetune.defaults(num_parameters=0)
    loader = dataclasses.replace(training.loader, groups=1, workers=0)
    return Config(
        tasks=("babyai/UnlockPickupDist", "metaworld/hammer", "dmc/cartpole-swingup"),
        starts={"tiny": "tiny"},
        episodes=(1, 10, 100),
        series=2,
        pool=150,
        best=120,
        training={"full": dataclasses.replace(training, loader=loader, steps=200)},
        every=50,
        window=2,
    )


PRESETS = {"gato": gato, "small": small}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One fine-tuning of a study."""

    task: str
    mode: str
    start: str
    episodes: int
    series: int

    @property
    def place(self) -> Path:
        """A folder for it."""
        parts = (self.task.replace("/", "-"), self.mode, self.start.replace("/", "-"))
        return Path(*parts, f"{self.episodes}-of-series-{self.series}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The curve of a cell: the score (0 random, 1 expert) after so many steps."""

    cell: Cell
    steps: tuple[int, ...]
    scores: tuple[float, ...]


def load(name: str) -> Config:
    """A preset, or the study of a JSON file. ValueError for anything else."""
    if not name.endswith(".json"):
        return PRESETS[choose(name, PRESETS, what="study (neither a preset nor a .json file)")]()
    data = json.loads(Path(name).read_text(encoding="utf-8"))
    place = to_json(small())["type"]
    config = from_json({"type": place, **data}) if isinstance(data, dict) else None
    if not isinstance(config, Config):
        raise ValueError(f"{name!r} is no study; `opengato few-shot small --show` prints one")
    return config


def run(
    config: Config, folder: Path, workers: int | None = None, tell: Callable[[str], None] = lambda _: None
) -> list[Result]:
    """Run the cells that `folder` has no result of, and write `few_shot.json` after each; all results.

    ValueError for a task that cannot be scored, that a start has been trained on, or a folder with another study.
    """
    check(config)
    starts = {name: Start.of(agent) for name, agent in config.starts.items()}
    if config.scratch:
        starts[SCRATCH] = next(iter(starts.values())).from_scratch()
    check_tasks(config.tasks, starts)
    origins = {name: start.origin for name, start in starts.items()}
    results = read_results(folder, config, origins)
    missing = [cell for cell in cells(config, list(starts)) if all(result.cell != cell for result in results)]
    for number, cell in enumerate(missing, 1):
        tell(f"{number}/{len(missing)}: {cell.task}, {cell.mode}, {cell.start}, {cell.episodes} episodes")
        data = subset(config, cell, folder / "data", workers)
        results.append(run_cell(config, cell, starts[cell.start], data, folder / "cells" / cell.place))
        write_results(folder, config, origins, results)
        shutil.rmtree(folder / "cells" / cell.place)
    return results


def check(config: Config) -> None:
    """ValueError for settings that fit no study."""
    numbers = (len(config.tasks), len(config.starts), len(config.training), *config.episodes, config.series)
    if min(*numbers, config.every, config.eval_episodes, config.window) < 1 or not config.episodes:
        raise ValueError("a study needs at least one task, start, mode, number of episodes, series and evaluation")
    if max(config.episodes) > config.best:
        raise ValueError(f"`episodes` are {config.episodes}, but only the `best` {config.best} are kept")
    if config.scratch and SCRATCH in config.starts:
        raise ValueError(f"a start is named {SCRATCH!r}: name it otherwise, or set `scratch` to false")
    for mode, training in config.training.items():
        if training.steps < 1 or training.steps % config.every:
            raise ValueError(f"`training.{mode}.steps` is {training.steps}, expected a multiple of {config.every}")


def check_tasks(tasks: Sequence[str], starts: dict[str, Start]) -> None:
    """ValueError for a task without an honest score, or one that a start has been trained on."""
    for task in tasks:
        if why := evaluator_of(task).unfit(task):
            raise ValueError(f"{task} cannot be scored: {why}; choose another task")
        if knowing := [name for name, start in starts.items() if task in start.tasks]:
            raise ValueError(f"{task} is not new to {', '.join(knowing)}: it was trained on it; choose a held-out task")


def cells(config: Config, starts: Sequence[str]) -> Iterator[Cell]:
    """All cells, series by series, so that an unfinished study has whole series first."""
    for series in range(config.series):
        for task in config.tasks:
            for mode in config.training:
                for count in sorted(config.episodes):
                    for start in starts:
                        yield Cell(task=task, mode=mode, start=start, episodes=count, series=series)


def run_cell(config: Config, cell: Cell, start: Start, data: Path, folder: Path) -> Result:
    """Fine-tune in pieces of `every` steps and play after each; goes on where it was broken off."""
    training = dataclasses.replace(config.training[cell.mode], mode=cell.mode, seed=config.seed + cell.series)
    curve = folder / "curve.json"
    scores: list[float] = json.loads(curve.read_text()) if curve.is_file() else []
    for index in range(len(scores), training.steps // config.every):
        piece = dataclasses.replace(training, steps=(index + 1) * config.every)
        agent = finetune.finetune(start, {str(data): 1.0}, piece, folder)
        # New seeds each time, the same for every cell: a moving average is over that many different episodes.
        settings = Settings(episodes=config.eval_episodes, seed=index * config.eval_episodes)
        scores.append(run_task(agent, cell.task, settings).score.value)
        curve.write_text(json.dumps(scores))
    steps = tuple((index + 1) * config.every for index in range(len(scores)))
    return Result(cell=cell, steps=steps, scores=tuple(scores))


def subset(config: Config, cell: Cell, folder: Path, workers: int | None) -> Path:
    """The store of a cell's episodes, collected and drawn if it is not there."""
    place = folder / cell.task.replace("/", "-")
    pool = Path(config.stores[cell.task]) if cell.task in config.stores else place / "pool"
    if cell.task not in config.stores:
        job = CollectJob(task=cell.task, episodes=config.pool, noise=config.noise)
        collect_store((job,), pool, workers or os.cpu_count() or 1)
    out = place / f"series-{cell.series}" / f"episodes-{cell.episodes}"
    if (out / MANIFEST).is_file() and read_manifest(out)["episodes"] == cell.episodes:
        return out
    store = EpisodeStore(pool)
    own_E = np.array([store.task(i) == cell.task for i in range(len(store))], bool)
    returns_E = np.where(own_E, store.column("episode_return"), -np.inf)
    best = min(config.best, int(own_E.sum()))
    generator = np.random.default_rng((config.seed, cell.series))
    drawn = draw(returns_E, best, cell.episodes, generator)
    shutil.rmtree(out, ignore_errors=True)
    with StoreWriter(out, store.extra) as writer:
        writer.append(store[int(index)] for index in drawn)
    return out


def draw(returns_E: np.ndarray, best: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Indices of `count` episodes among the `best` by return; the more drawn by a generator hold the fewer."""
    kept = np.argsort(-returns_E, kind="stable")[:best]
    if count > len(kept):
        raise ValueError(f"asked for {count} episodes of {len(kept)}; raise `pool` and `best`, or ask for fewer")
    return generator.permutation(kept)[:count]


def smooth(scores: Sequence[float], window: int) -> np.ndarray:
    """Means over each `window` scores in a row; over all of them, if there are fewer."""
    width = min(window, len(scores))
    return np.convolve(scores, np.full(width, 1 / width), mode="valid")


def summary(results: Sequence[Result], window: int) -> list[dict[str, Any]]:
    """`maximum` and `last` by task, mode, start and number of episodes, each as mean, low and high of the series."""
    groups: dict[tuple[str, str, str, int], list[np.ndarray]] = {}
    for result in results:
        cell = result.cell
        key = (cell.task, cell.mode, cell.start, cell.episodes)
        groups.setdefault(key, []).append(smooth(result.scores, window))
    rows = []
    for (task, mode, start, episodes), curves in sorted(groups.items()):
        figures = {"maximum": [curve.max() for curve in curves], "last": [curve[-1] for curve in curves]}
        spread = {
            name: {"mean": float(np.mean(values)), "low": float(min(values)), "high": float(max(values))}
            for name, values in figures.items()
        }
        row = {"task": task, "mode": mode, "start": start, "episodes": episodes, "series": len(curves)}
        rows.append(row | spread)
    return rows


def write_results(folder: Path, config: Config, origins: dict[str, Any], results: Sequence[Result]) -> None:
    """Write all results and their summary, whole or not at all."""
    body = {
        "format": FORMAT,
        "note": NOTE,
        "config": to_json(config),
        "starts": origins,
        "cells": [asdict(result) for result in results],
        "summary": summary(results, config.window),
    }
    temporary = folder / f".{RESULTS}.tmp"
    temporary.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(folder / RESULTS)


def read_results(folder: Path, config: Config, origins: dict[str, Any]) -> list[Result]:
    """What is there already; starts that are in it alone join `origins`.

    ValueError if it was made with other settings or from other weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / RESULTS).is_file():
        return []
    body = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    old, new = renewed(body["config"]), json.loads(json.dumps(to_json(config)))
    changed = [key for key in new if key not in MAY_CHANGE and old.get(key) != new[key]]
    for name, origin in body["starts"].items():
        if origins.setdefault(name, origin) != origin:
            changed.append(f"weights of {name!r}")
    if changed:
        raise ValueError(
            f"{str(folder / RESULTS)!r} holds results with other {', '.join(changed)}; choose another folder (--out), "
            "or delete this one"
        )
    return [
        Result(cell=Cell(**row["cell"]), steps=tuple(row["steps"]), scores=tuple(row["scores"]))
        for row in body["cells"]
    ]
