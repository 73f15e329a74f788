"""`POST /v1/act`: one action, from an observation and what was done before it, with no memory of the client.

Letters: S steps.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from opengato.agent.opening import returns_in_sight
from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode, columns, objects
from opengato.serve.bodies import ActRequest, PastStep
from opengato.serve.control import read_values
from opengato.serve.engine import Act, Begin, Clock
from opengato.serve.refused import Refused
from opengato.serve.service import Service


async def act(service: Service, body: ActRequest, clock: Clock) -> dict[str, Any]:
    """The action and its timing: what a session would answer that had seen `past` and done what stands there."""
    task = service.task(body.task)
    instruction = task.instruction if body.instruction is None else body.instruction
    values = read_values(body.observation, task.observation_specs, "observation", service.config.max_pixels)
    past = episode_of(service, task, instruction, body.past)
    row = await service.take_spare()
    try:
        begin = Begin(row=row, task=task, instruction=instruction, seed=body.seed, past=past)
        job = Act(row=row, values=values, reward=body.reward or 0.0, clock=clock)
        begun, acted = service.engine.submit(begin), service.engine.submit(job)
        await asyncio.wrap_future(begun)
        actions = await asyncio.wrap_future(acted)
    finally:
        service.engine.release(row)
        service.give_spare(row)
    service.metrics.waited.observe(clock.taken - clock.came)
    return {"actions": actions, "timing": clock.timing()}


def episode_of(service: Service, task: TaskInfo, instruction: str, past: list[PastStep]) -> Episode | None:
    """The steps that are over as a record; Refused names the one that does not fit its specs, or says what is too many.

    An agent that looks back for a few steps is shown no more of them.
    """
    agent, limits = service.agent, service.policy.limits
    if not past:
        return None
    if len(past) > service.config.max_steps:
        raise Refused(413, f"past: {len(past)} steps, allowed are {service.config.max_steps}; use a session", "past")
    if returns_in_sight(agent, task, service.policy.target_return) is not None:
        raise Refused(400, "past: this agent keeps account of the rewards of this task; use a session", "past")
    first = 0 if limits.history is None else max(0, len(past) - limits.history + 1)
    steps = list(enumerate(past))[first:]
    if not steps:
        return None
    max_pixels = service.config.max_pixels
    seen = [read_values(s.observation, task.observation_specs, f"past[{i}].observation", max_pixels) for i, s in steps]
    done = [read_values(s.action, task.action_specs, f"past[{i}].action", max_pixels) for i, s in steps]
    episode = Episode(
        task=task.id,
        instruction=instruction,
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations=_columns(seen, task.observation_specs),
        actions=_columns(done, task.action_specs),
        rewards=np.array([step.reward for _, step in steps], np.float32),
    )
    length, room = len(agent.serializer.episode(episode)), limits.prompt_length or agent.context
    if length > room:
        message = f"past: takes {length} positions with the instruction, the agent reads {room}; send the last steps"
        raise Refused(413, f"{message} alone, or use a session", "past")
    return episode


def _columns(steps: list[dict[str, Any]], specs: dict[str, Any]) -> dict[str, np.ndarray]:
    """Values by step as fields of an episode; files and pictures of different sizes side by side as objects."""
    alike = {name: spec for name, spec in specs.items() if spec.kind == "text" or -1 not in spec.shape}
    loose = {name: objects([step[name] for step in steps]) for name in specs if name not in alike}
    return {**columns(steps, alike), **loose}
