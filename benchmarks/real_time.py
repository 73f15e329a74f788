"""Time of one action in Gato's own encoding: number by number or from one pass, with the whole window or one step.

    python benchmarks/real_time.py

The network of `tiny_tokens` with random weights, which cost as much as trained ones, on ready observations of a robot
(44 positions a step, 4 of them its action) and of a grid (152 and 1). With a history of 1 all but the present step is
forgotten, as on the real robot of Gato, which had 50 ms for an action [Reed et al. 2022, arXiv:2205.06175, app. G].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from _measure import Rate, Work, arguments, ratio, report, take_turns

from opengato.agent.policy import AgentPolicy, Limits
from opengato.backbones import decoder
from opengato.core.environment import TaskInfo
from opengato.core.policy import Observed
from opengato.envs import find_task
from opengato.recipes import tiny_tokens

TASKS = {"robot": "metaworld/drawer-open", "grid": "babyai/GoToLocal"}
HISTORIES = {"the whole window": None, "one step": 1}
WAYS = {"number by number": False, "at once": True}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, steps=32)
    config = tiny_tokens.agent()
    if options.quick:
        config = dataclasses.replace(config, backbone=decoder.Config(width=32, depth=1, heads=2, hidden=64))
        options.rounds, options.steps = 1, 3
    torch.manual_seed(0)
    agents = {
        name: dataclasses.replace(config, parallel_actions=parallel).build().eval() for name, parallel in WAYS.items()
    }
    rates: dict[str, Rate] = {}
    for kind, task in TASKS.items():
        contestants = {
            f"{kind}, {way}, {span}": acting(
                AgentPolicy(agent, rows=1, limits=Limits(history=history)), task, options.steps
            )
            for span, history in HISTORIES.items()
            for way, agent in agents.items()
        }
        rates |= take_turns(contestants, options.rounds, "actions/s")
    slow, fast = WAYS
    pairs = [(f"{kind}, {fast}, {span}", f"{kind}, {slow}, {span}") for kind in TASKS for span in HISTORIES]
    ratios = [ratio(rates[above], rates[below]) for above, below in pairs]
    figures = {
        "weights": "random, of the shape of tiny_tokens",
        "parameters": next(iter(agents.values())).num_parameters,
        "steps of an episode": options.steps,
        "ms an action": {name: round(1000 / rate.median, 2) for name, rate in rates.items()},
    }
    return report("real_time", options, rates.values(), ratios=ratios, figures=figures)


def acting(policy: AgentPolicy, task_id: str, steps: int) -> Work:
    """One episode after the other on random observations that are there already, one environment at a time."""
    task = find_task(task_id)
    seen = observations(task, steps)

    def work() -> int:
        policy.begin(0, task, task.instruction, None, seed=0)
        for observed in seen:
            policy.act([0], [observed])
        policy.end(0)
        return steps

    return work


def observations(task: TaskInfo, steps: int) -> list[Observed]:
    """Random ones of a task."""
    generator, seen = np.random.default_rng(0), []
    for _ in range(steps):
        values = {
            name: (
                generator.standard_normal(spec.shape)
                if spec.num_values is None
                else generator.integers(spec.num_values, size=spec.shape)
            ).astype(spec.dtype)
            for name, spec in task.observation_specs.items()
        }
        seen.append(Observed(None, values))
    return seen


if __name__ == "__main__":
    main()
