"""What random actions and the expert reach in a task: the two ends of its scores.

Scores are over the episodes of the seeds 0, 1, ...: held out, as training data is collected from seeds >= 1,000,000.
Where an expert gives up, its return so far counts.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import ExpertFailed, TaskInfo
from opengato.envs import family_of, find_task
from opengato.envs.scores import FILE, read_rows, read_versions, write_rows
from opengato.rollout.policies import Observed, as_policy

POLICIES = ("expert", "random")
COST = "seconds"  # a row without it is of a version that kept fewer figures: it cannot be added to
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Episodes of each task and policy; fewer, but `least`, where they cost more than `seconds` of a processor."""

    episodes: int = 20
    least: int = 5
    seconds: float = 600.0
    chunk: int = 5  # episodes in a row in one process


@dataclass(frozen=True, slots=True)
class Played:
    """An episode as a line of figures; `success` is None where the task defines none."""

    seed: int
    total: float
    length: int
    success: bool | None
    gave_up: bool
    seconds: float


def play(task: TaskInfo, env: gymnasium.Env, policy: str, seed: int) -> Played:
    """The episode of `seed`, without keeping what was seen."""
    family, actor = family_of(task.id), as_policy(policy)
    begun = time.process_time()
    raw, _ = env.reset(seed=seed)
    total, length, success, over, gave_up = 0.0, 0, None, False, False
    try:
        actor.begin(0, task, family.instruction(env, task), env, seed)
    except ExpertFailed:
        gave_up = True
    while not over and not gave_up and length < task.max_steps:
        [values] = actor.act([0], [Observed(raw, {})])
        if values is None:
            gave_up = True
            continue
        raw, reward, terminated, truncated, info = env.step(family.action(values))
        total, length, over = total + float(reward), length + 1, terminated or truncated
        if "success" in info:
            success = bool(success or info["success"])
    actor.end(0)
    return Played(seed, total, length, success, gave_up, time.process_time() - begun)


def play_seeds(task_id: str, policy: str, seeds: Sequence[int]) -> list[Played]:
    """Several episodes in one environment."""
    task = find_task(task_id)
    env = family_of(task_id).make(task_id.partition("/")[2])
    try:
        return [play(task, env, policy, seed) for seed in seeds]
    finally:
        env.close()


def summarise(played: Sequence[Played]) -> Row:
    """A row of `scores.json`; `seconds` are those of a processor for an episode."""
    returns = np.array([episode.total for episode in played])
    successes = [episode.success for episode in played if episode.success is not None]
    return {
        "mean": _digits(returns.mean()),
        "std": _digits(returns.std()),
        "episodes": len(played),
        "seed": 0,
        "success_rate": round(float(np.mean(successes)), 4) if successes else None,
        "failed": sum(episode.gave_up for episode in played),
        "mean_length": round(float(np.mean([episode.length for episode in played])), 1),
        "seconds": round(float(np.mean([episode.seconds for episode in played])), 3),
    }


def pooled(known: Row, added: Row) -> Row:
    """The row of two sets of episodes of one policy, as if they had been summarised together."""
    rows = (known, added)
    weights = [row["episodes"] for row in rows]

    def average(values: Sequence[float]) -> float:
        return float(np.average(values, weights=weights))

    mean = average([row["mean"] for row in rows])
    variance = average([row["std"] ** 2 + (row["mean"] - mean) ** 2 for row in rows])
    defined = None not in (known["success_rate"], added["success_rate"])
    return {
        "mean": _digits(mean),
        "std": _digits(variance**0.5),
        "episodes": sum(weights),
        "seed": known["seed"],
        "success_rate": round(average([row["success_rate"] for row in rows]), 4) if defined else None,
        "failed": known["failed"] + added["failed"],
        "mean_length": round(average([row["mean_length"] for row in rows]), 1),
        "seconds": round(average([row["seconds"] for row in rows]), 3),
    }


def _digits(value: Any) -> float:
    return float(f"{float(value):.6g}")


def measure_task(
    task: TaskInfo, policy: str, budget: Budget, pool: Executor, workers: int, known: Row | None = None
) -> Row:
    """The row of a task and a policy, its episodes spread over the `workers` of `pool`.

    The episodes of `known` are not played again, and what they cost is part of the budget.
    """
    first = known["episodes"] if known else 0
    paid = first * known["seconds"] if known else 0.0
    starts = iter(range(first, budget.episodes, budget.chunk))
    running, played = set[Future[list[Played]]](), []
    while True:
        spent = paid + sum(episode.seconds for episode in played)
        enough = first + len(played) >= budget.least and spent > budget.seconds
        while not enough and len(running) < workers and (start := next(starts, None)) is not None:
            seeds = range(start, min(start + budget.chunk, budget.episodes))
            running.add(pool.submit(play_seeds, task.id, policy, seeds))
        if not running:
            break
        done, running = wait(running, return_when=FIRST_COMPLETED)
        played += [episode for future in done for episode in future.result()]
    if not played:
        assert known is not None, "a budget has at least one episode"
        return known
    added = summarise(sorted(played, key=lambda episode: episode.seed))
    return pooled(known, added) if known else added


def measure(
    tasks: Sequence[TaskInfo],
    folder: Path,
    budget: Budget,
    workers: int,
    again: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Measure tasks of one family into `folder/scores.json`, after each task.

    Episodes that are there are kept, unless `again`, and those that the budget has beyond them are added; ValueError if
    the simulators are others than those they were played in. A task without an expert gets the score of random actions
    alone.
    """
    family = family_of(tasks[0].id)
    order = [task.id.partition("/")[2] for task in family.tasks()]
    header = {
        "family": family.name,
        "seeds": "0 .. episodes - 1",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "versions": {package: importlib.metadata.version(package) for package in family.packages},
    }
    before = read_versions(folder)
    # Fresh interpreters: a fork would inherit threads and locks of whatever the caller has loaded (torch, GL).
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number, task in enumerate(tasks, 1):
            name = task.id.partition("/")[2]
            mine = {} if again else dict(read_rows(folder).get(name, {}))
            for policy in POLICIES:
                known = mine.get(policy)
                if (policy == "expert" and task.expert is None) or (known and known["episodes"] >= budget.episodes):
                    continue
                if known and before != header["versions"]:
                    raise ValueError(
                        f"the {known['episodes']} episodes of {task.id} in {folder / FILE} were played with {before}, "
                        f"installed are {header['versions']}; install those, or measure it --again"
                    )
                row = measure_task(task, policy, budget, pool, workers, known if known and COST in known else None)
                if row != known:
                    mine[policy] = row
                    write_rows(folder, header, {**read_rows(folder), name: mine}, order)
            figures = ", ".join(f"{policy} {row['mean']:.4g} ({row['episodes']})" for policy, row in mine.items())
            tell(f"{number}/{len(tasks)} {task.id}: {figures}")
