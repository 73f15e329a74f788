"""Speed of collecting: episodes a second of each family, by one process and by two, and how much two gain.

    python benchmarks/collect_speed.py
    python benchmarks/collect_speed.py --families dmc,atari --episodes 40

Everything that `opengato collect` does is on the clock: processes start, simulators load, experts play, episodes cross
a pipe and are written to a store. Each turn plays the same episodes of tasks that are spread over the family. The
process that writes is one more than those that play: with two cores, two processes share them with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import Rate, Work, arguments, ratio, report, take_turns

from opengato.envs import all_tasks, family_of
from opengato.rollout import TRAIN_SEED, CollectJob, LocalCrew, lacking
from opengato.train.collecting import collect_stores

PROCESSES = (1, 2)
TASKS = 8
EPISODES = {"babyai": 4000, "metaworld": 240}  # what one process plays in about twenty seconds


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=3, episodes=0, families="babyai,metaworld")
    names = [name for name in options.families.split(",") if lacking(family_of(f"{name}/")) is None]
    if options.quick:
        names, options.rounds, options.episodes = names[:1], 1, 2
    rates: list[Rate] = []
    ratios: list[dict[str, Any]] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for family in names:
            jobs = jobs_of(family, options.episodes or EPISODES.get(family, 40))
            figures[f"episodes of a turn, {family}"] = sum(job.episodes for job in jobs)
            turns = take_turns(
                {f"{family}, {size} processes": collecting(jobs, Path(scratch), size) for size in PROCESSES},
                options.rounds,
                "episodes/s",
            )
            rates += turns.values()
            one, two = turns.values()
            ratios.append(ratio(two, one))
    return report("collect_speed", options, rates, ratios=ratios, figures=figures)


def jobs_of(family: str, episodes: int) -> list[CollectJob]:
    """Equal shares for tasks with an expert, spread over the family."""
    able = [task.id for task in all_tasks(family) if task.expert is not None]
    tasks = able[:: max(1, len(able) // TASKS)][:TASKS]
    return [CollectJob(task=task, episodes=max(1, episodes // len(tasks)), seed=TRAIN_SEED) for task in tasks]


def collecting(jobs: list[CollectJob], scratch: Path, size: int) -> Work:
    """Collect into a fresh store."""

    def work() -> int:
        shutil.rmtree(scratch / "store", ignore_errors=True)
        [summary] = collect_stores({scratch / "store": jobs}, LocalCrew(size), quiet=True)
        return summary.asked

    return work


if __name__ == "__main__":
    main()
