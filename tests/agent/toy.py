"""A task family of the tests: every kind of observation, two actions, and a world that remembers what was done."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import Expert, Family, TaskInfo
from tests.tiny import ACTION, OBSERVATION, toy_values


def task(max_steps: int = 6, **changes: Any) -> TaskInfo:
    fields: dict[str, Any] = {
        "observation_specs": OBSERVATION,
        "action_specs": ACTION,
        "instruction": "go on",
        **changes,
    }
    return TaskInfo(id="toy/task", family="toy", max_steps=max_steps, **fields)


class ToyEnv(gymnasium.Env):
    """Observations follow from the seed and from all actions so far: one wrong action shows in all that comes after.

    An episode of seed s ends after 3 + s % 4 steps, unless its length is given.
    """

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        seed = seed or 0
        self.generator = np.random.default_rng(seed)
        self.length = self.steps or 3 + seed % 4
        self.place, self.time = np.zeros(3), 0
        return self._look(), {}

    def step(self, action: dict[str, np.ndarray]) -> tuple[dict, float, bool, bool, dict]:
        push = np.append(action["force"], 0.0) * 10 + int(action["move"])
        self.place, self.time = 0.5 * self.place + push, self.time + 1
        return self._look(), 1.0, self.time >= self.length, False, {}

    def _look(self) -> dict[str, Any]:
        seen = toy_values(self.generator)
        seen["joint"] = (seen["joint"] + self.place).astype(np.float32)
        return seen


class ToyFamily(Family):
    name = "toy"

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps

    def tasks(self) -> list[TaskInfo]:
        return [task()]

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        return ToyEnv(self.steps)

    def expert(self, env: gymnasium.Env) -> Expert:
        raise NotImplementedError

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        return observation

    def action(self, values: dict[str, np.ndarray]) -> Any:
        return values

    def action_values(self, action: Any) -> dict[str, np.ndarray]:
        return action

    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        return f"go on for {env.unwrapped.length}"  # ty: ignore[missing-attribute]
