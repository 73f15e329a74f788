"""How long one action of the shipped agent takes on one core, in every family that it knows, and whether that grows.

    python benchmarks/latency.py
    python benchmarks/latency.py --steps 100000 --families babyai

An agent that acts at 50 Hz has 20 ms an action. One environment, one thread, the real simulator between the actions,
whose time does not count; episodes follow one another, each from a task of the family in turn. Told are the median, the
99th of 100 and the worst, how long the last tenth takes beside the first, and by how much the process has grown since
the first tenth. `steps/s` is what the agent alone could do: actions over the time that they took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Rate, arguments, report

import opengato
from opengato.agent.model import Agent
from opengato.envs import families as all_families
from opengato.evaluators import trained_tasks

DEADLINE = 0.02  # seconds: 50 actions a second
TASKS = 8  # of a family


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, threads=1, steps=2000, agent="tiny", families="")
    if options.quick:
        options.steps, options.families = 20, options.families or "babyai"
    agent = opengato.load(options.agent)
    rates, figures = [], {"agent": options.agent, "steps of a family": options.steps}
    for family, tasks in families(agent, options.families).items():
        seconds, grown = timed(agent, tasks, options.steps)
        rates.append(Rate(name=family, unit="steps/s", rounds=(len(seconds) / seconds.sum(),), cores=1.0))
        figures |= {f"{family}, {name}": round(value, 3) for name, value in told(seconds, grown).items()}
    return report("latency", options, rates, figures=figures)


def families(agent: Agent, wanted: str) -> dict[str, list[str]]:
    """The control tasks that an agent was trained on, a few of each family."""
    found: dict[str, list[str]] = {}
    known = all_families()
    for task in trained_tasks(agent) or ():
        name = task.partition("/")[0]
        if name in (wanted.split(",") if wanted else known):
            found.setdefault(name, []).append(task)
    return {name: tasks[:: max(1, len(tasks) // TASKS)][:TASKS] for name, tasks in found.items()}


def timed(agent: Agent, tasks: list[str], steps: int) -> tuple[np.ndarray, float]:
    """The seconds (steps,) of each action, and the MiB by which the process grew after the first tenth."""
    acting = actions(agent, tasks)
    next(acting)  # memory is allocated and kernels are chosen in it
    seconds, begun = [], 0.0
    for step in range(steps):
        seconds.append(next(acting))
        if step == steps // 10:
            begun = resident()
    return np.array(seconds), resident() - begun


def actions(agent: Agent, tasks: list[str]) -> Iterator[float]:
    """What each action of endless episodes takes."""
    for seed, task in enumerate(cycle(tasks)):
        policy = agent.policy(task)
        with opengato.make(task, seed=seed) as env:
            observation, _ = env.reset(seed=seed)
            policy.reset()
            done = False
            while not done:
                begun = time.perf_counter()
                action = policy.act(observation)
                yield time.perf_counter() - begun
                observation, _, terminated, truncated, _ = env.step(action)
                done = terminated or truncated


def told(seconds: np.ndarray, grown: float) -> dict[str, float]:
    """Milliseconds, and ratios."""
    tenth = max(1, len(seconds) // 10)
    return {
        "median, ms": float(np.median(seconds) * 1e3),
        "99th of 100, ms": float(np.quantile(seconds, 0.99) * 1e3),
        "worst, ms": float(seconds.max() * 1e3),
        "share above 20 ms": float((seconds > DEADLINE).mean()),
        "last tenth to first": float(np.median(seconds[-tenth:]) / np.median(seconds[:tenth])),
        "grown, MiB": grown,
    }


def resident() -> float:
    """MiB that the process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
