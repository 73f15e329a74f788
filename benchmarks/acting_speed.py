"""Acting speed at the shape of `tiny`: steps a second, alone and in batches, with the cache and without it.

    python benchmarks/acting_speed.py
    python benchmarks/acting_speed.py --agent runs/tiny

`ready observations` are made beforehand, so that only the agent costs time; the levels of BabyAI are the real
simulator (extra `babyai`), beside random actions, which show what the simulator alone allows. Without a cache the
agent reads the whole episode again at each step; both ways must choose the same actions. Weights are random unless
`--agent` names some: they cost the same, and no episode ends early because it is solved.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from _measure import Work, arguments, ratio, report, take_turns

from opengato.agent.files import load_agent
from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.agent.slots import slots_of
from opengato.backbones import decoder
from opengato.core.environment import TaskInfo
from opengato.core.modality import Sampling
from opengato.core.policy import Observed, Policy, Values
from opengato.core.sequence import TokenSequence, concatenate
from opengato.envs import find_task
from opengato.recipes import tiny
from opengato.rollout import RandomPolicy, rollout

TASK = "babyai/GoToLocal"
BATCHES = (1, 4, 16, 64)
UNCACHED = (1, 4, 16)  # 64 episodes read again and again take minutes, and say nothing new
SIMULATED_UNCACHED = 4


class Uncached(Policy):
    """The same decisions without a cache: the whole episode is read again at each step."""

    name = "agent without cache"

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._tasks: dict[int, TaskInfo] = {}
        self._past: dict[int, list[TokenSequence]] = {}
        self._steps: dict[int, int] = {}

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        self._tasks[slot], self._steps[slot] = task, 0
        self._past[slot] = [self.agent.serializer.prompt(instruction)]

    @torch.inference_mode()
    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        serializer = self.agent.serializer
        for slot, seen in zip(slots, observed, strict=True):
            specs, step = self._tasks[slot].observation_specs, self._steps[slot]
            self._past[slot].append(serializer.observation(specs, seen.values, step, self._length(slot)))
        read = slots_of([concatenate(self._past[slot]) for slot in slots], self.agent.device)
        x_BTD = self.agent.embed_slots(read.payload, read.slot_N, read.local_BT)
        h_BTD = self.agent.backbone(x_BTD, torch.where(read.mask_BT, 0, -1), read.position_BT, read.prompt_BT)
        h_BD = h_BTD[torch.arange(len(slots)), read.mask_BT.sum(1) - 1]
        specs = self._tasks[slots[0]].action_specs
        ((field, name, _),) = serializer.action_slots(specs)
        payload_BP = self.agent.modality(name).sample(h_BD, specs[field], Sampling()).cpu().numpy()
        answers: list[Values | None] = []
        for slot, row in zip(slots, payload_BP, strict=True):
            values: Values = {field: np.asarray(serializer.codecs[name].decode(row[None], specs[field]))}
            self._past[slot].append(serializer.action(specs, values, self._steps[slot], self._length(slot)))
            self._steps[slot] += 1
            answers.append(values)
        return answers

    def _length(self, slot: int) -> int:
        return sum(len(part) for part in self._past[slot])


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=3, steps=48, agent="")
    torch.manual_seed(0)
    batches, uncached, config = BATCHES, UNCACHED, tiny.agent()
    if options.quick:
        config = dataclasses.replace(config, backbone=decoder.Config(width=32, depth=1, heads=2, hidden=64))
        batches, uncached, options.rounds, options.steps = (1, 2), (1,), 1, 3
    agent = load_agent(options.agent) if options.agent else config.build().eval()
    agreement = agree(agent, rows=2, steps=options.steps)
    turns = {}
    for batch in batches:
        contestants = {
            f"{batch}, ready observations, cached": ready(AgentPolicy(agent, rows=batch), batch, options.steps)
        }
        if batch in uncached:
            contestants[f"{batch}, ready observations, uncached"] = ready(Uncached(agent), batch, options.steps)
        if importlib.util.find_spec("minigrid"):
            simulated = {"cached": AgentPolicy(agent, rows=batch), "random actions": RandomPolicy()}
            if batch == SIMULATED_UNCACHED:
                simulated["uncached"] = Uncached(agent)
            for name, policy in simulated.items():
                contestants[f"{batch}, {TASK}, {name}"] = playing(policy, batch, options.steps)
        turns |= take_turns(contestants, options.rounds, "steps/s")
    ratios = [
        ratio(turns[f"{batch}, ready observations, cached"], turns[f"{batch}, ready observations, uncached"])
        for batch in uncached
    ]
    figures = {
        "weights": options.agent or "random, of the shape of tiny",
        "parameters": agent.num_parameters,
        "longest episode (steps)": options.steps,
        "actions that agree with and without cache": agreement,
    }
    return report("acting_speed", options, turns.values(), ratios=ratios, figures=figures)


def observations(batch: int, steps: int) -> list[list[Observed]]:
    """Random views (steps, batch) under the specs of the task."""
    generator = np.random.default_rng(0)
    specs = find_task(TASK).observation_specs

    def one() -> Observed:
        drawn = {n: generator.integers(s.num_values or 1, size=s.shape).astype(s.dtype) for n, s in specs.items()}
        return Observed(None, drawn)

    return [[one() for _ in range(batch)] for _ in range(steps)]


def drive(policy: Policy, seen: list[list[Observed]]) -> list[int]:
    """One episode in each slot; the actions in order."""
    task, slots = find_task(TASK), list(range(len(seen[0])))
    for slot in slots:
        policy.begin(slot, task, "go to the red ball", None, slot)
    actions = []
    for observed in seen:
        actions += [int(values["action"]) for values in policy.act(slots, observed) if values is not None]
    for slot in slots:
        policy.end(slot)
    return actions


def ready(policy: Policy, batch: int, steps: int) -> Work:
    """Episodes on observations that are there already."""
    seen = observations(batch, steps)
    return lambda: len(drive(policy, seen))


def playing(policy: Policy, batch: int, steps: int) -> Work:
    """Episodes in the simulator, `batch` at a time; making and resetting environments is part of it."""

    def work() -> int:
        run = rollout(TASK, policy, episodes=batch, seed=0, num_envs=batch, max_steps=steps)
        return sum(episode.num_steps for episode in run)

    return work


def agree(agent: Agent, rows: int, steps: int) -> float:
    """The share of equal actions with and without cache; ValueError if they are not the same computation."""
    seen = observations(rows, steps)
    pairs = zip(drive(AgentPolicy(agent, rows=rows), seen), drive(Uncached(agent), seen), strict=True)
    equal = [a == b for a, b in pairs]
    if np.mean(equal) < 0.99:  # rounding may turn a tie, no more
        raise ValueError(f"only {sum(equal)} of {len(equal)} actions agree with and without cache")
    return float(np.mean(equal))


if __name__ == "__main__":
    main()
