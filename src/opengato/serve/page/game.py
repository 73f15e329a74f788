"""An episode that is looked at: environments in processes, the agent by the engine, a hand that may take over.

Letters: A numbers of a position, V values of a number.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from opengato.agent.policy import Trace
from opengato.core.episode import Episode, columns
from opengato.core.policy import Values
from opengato.rollout.live import LiveEnvironment, Scene
from opengato.serve.control import describe, read_values
from opengato.serve.engine import Act, Begin
from opengato.serve.page.cells import bars, cells
from opengato.serve.service import Service

BESIDE = ("expert", "random")
REMEMBERED = 64  # steps that an agent may be told of when a hand gives back
Told = tuple[dict[str, Any], dict[str, bytes]]


class Game:
    """The agent's environment and, beside it, those of the expert and of chance."""

    def __init__(self, service: Service, row: int, task_id: str) -> None:
        self.service, self.row, self.task = service, row, service.task(task_id)
        self.trace = Trace()
        self.steps: list[tuple[Values, Values, float]] = []  # observation, action, reward
        self.returns: dict[str, float] = {}
        self.lengths: dict[str, int] = {}
        self.scenes: dict[str, Scene] = {}
        self.lost: dict[str, str] = {}
        self.instruction, self.seed = "", 0
        self._places: dict[str, LiveEnvironment] = {}
        self._stale = False  # what the agent remembers is not what was done

    @property
    def is_over(self) -> bool:
        """Whether nobody plays any more."""
        return all(scene.is_over or name in self.lost for name, scene in self.scenes.items())

    async def begin(self, seed: int, instruction: str | None, beside: bool) -> Told:
        """Reset all environments; RuntimeError where that of the agent cannot begin."""
        actors = [name for name in BESIDE if beside and (name != "expert" or self.task.expert is not None)]
        self._places = {name: LiveEnvironment(self.task.id, name) for name in actors}
        self._places["agent"] = LiveEnvironment(self.task.id)
        self.seed = seed
        await self._each(dict.fromkeys(self._places, ("reset", seed)))
        self.instruction = self.scenes["agent"].instruction if instruction is None else instruction
        await self._remember([])
        return self._told("begun", task=describe(self.task, self.task.id in self.service.trained()), seed=seed)

    async def by_agent(self) -> Told:
        """A step of the agent, and of those beside it."""
        if self.scenes["agent"].is_over:
            return await self._go_on(None, "agent", {})
        if self._stale:
            await self._remember(self.steps[-REMEMBERED:])
        seen = self.scenes["agent"]
        job = Act(row=self.row, values=seen.values, reward=seen.reward)
        action: Values = await asyncio.wrap_future(self.service.engine.submit(job))
        chances = [
            {"field": field, "modality": name, "rows": bars(probability_AV)}
            for field, name, probability_AV in self.trace.chosen
        ]
        read = self.trace.read
        inside = {
            "timing": job.clock.timing(),
            "chances": chances,
            "cells": [] if read is None else cells(self.service.agent, read),
        }
        return await self._go_on(action, "agent", inside)

    async def by_hand(self, given: dict[str, Any]) -> Told:
        """A step by hand; Refused names the field that does not fit."""
        if self.scenes["agent"].is_over:
            return await self._go_on(None, "hand", {})
        action = read_values(given, self.task.action_specs, "action", self.service.config.max_pixels)
        self._stale = True
        return await self._go_on(action, "hand", {})

    def close(self) -> None:
        """End all processes."""
        for place in self._places.values():
            place.close()

    async def _go_on(self, action: Values | None, by: str, inside: dict[str, Any]) -> Told:
        before = self.scenes["agent"]
        calls: dict[str, tuple[str, Any]] = {
            name: ("step", None)
            for name, scene in self.scenes.items()
            if name != "agent" and not scene.is_over and name not in self.lost
        }
        if action is not None:
            calls["agent"] = ("step", action)
        await self._each(calls)
        if action is not None:
            self.steps.append((before.values, action, self.scenes["agent"].reward))
        return self._told("step", by=by, action=action, **inside)

    async def _each(self, calls: dict[str, tuple[str, Any]]) -> None:
        """Ask environments side by side. Only the agent's own failure ends the game."""
        asked = [asyncio.to_thread(getattr(self._places[name], call), given) for name, (call, given) in calls.items()]
        for name, found in zip(calls, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(found, BaseException):
                if name == "agent":
                    raise found
                self.lost[name] = str(found)
                continue
            self.scenes[name] = found
            reset = calls[name][0] == "reset"
            self.returns[name] = 0.0 if reset else self.returns[name] + found.reward
            self.lengths[name] = 0 if reset else self.lengths[name] + 1

    async def _remember(self, steps: list[tuple[Values, Values, float]]) -> None:
        """Let the agent begin after these steps, or after as many of the last ones as it has room for."""
        past = self._episode(steps)
        agent = self.service.agent
        while past is not None and len(agent.serializer.episode(past)) > agent.context:
            steps = steps[len(steps) // 2 + 1 :]
            past = self._episode(steps)
        begin = Begin(
            row=self.row, task=self.task, instruction=self.instruction, seed=self.seed, past=past, trace=self.trace
        )
        await asyncio.wrap_future(self.service.engine.submit(begin))
        self._stale = False

    def _episode(self, steps: list[tuple[Values, Values, float]]) -> Episode | None:
        if not steps:
            return None
        task = self.task
        return Episode(
            task=task.id,
            instruction=self.instruction,
            observation_specs=task.observation_specs,
            action_specs=task.action_specs,
            observations=columns([seen for seen, _, _ in steps], task.observation_specs),
            actions=columns([done for _, done, _ in steps], task.action_specs),
            rewards=np.array([reward for _, _, reward in steps], np.float32),
        )

    def _told(self, kind: str, **more: Any) -> Told:
        players = {
            name: {
                "return": round(self.returns[name], 4),
                "steps": self.lengths[name],
                "over": scene.is_over,
                "success": scene.success,
                "lost": self.lost.get(name),
                "blind": scene.blind,
                "env_ms": round(1000 * scene.seconds, 2),
            }
            for name, scene in self.scenes.items()
        }
        pictures = {name: scene.picture for name, scene in self.scenes.items() if scene.picture}
        told = {"type": kind, "instruction": self.instruction, "over": self.is_over, "players": players, **more}
        return told, pictures
