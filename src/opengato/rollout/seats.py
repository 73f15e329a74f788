"""Environments of one task side by side: what a rollout steps, here or in other processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import Family, TaskInfo
from opengato.core.policy import Observed, Values


@dataclass(frozen=True, slots=True)
class Begun:
    """An episode after its reset."""

    instruction: str
    observed: Observed


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step brought; `success` is None where the task defines none. `observed` holds the reward."""

    observed: Observed
    terminated: bool
    truncated: bool
    success: bool | None


class Seats(ABC):
    """Environments numbered from 0. Calls name the numbers they are for, and answer by number."""

    @abstractmethod
    def env(self, number: int) -> gymnasium.Env | None:
        """The environment itself; None where it is in another process."""

    @abstractmethod
    def reset(self, seeds: dict[int, int]) -> dict[int, Begun]:
        """Begin episodes of these seeds."""

    @abstractmethod
    def step(self, values: dict[int, Values]) -> dict[int, Stepped]:
        """Execute actions, given as arrays of the task's action specs."""

    @abstractmethod
    def close(self) -> None:
        """Close all environments."""


class LocalSeats(Seats):
    """Environments in this process, stepped one after another."""

    def __init__(self, family: Family, task: TaskInfo, count: int, render_size: int = 0) -> None:
        self.family, self.task = family, task
        self.envs = [family.make(task.id.partition("/")[2], render_size) for _ in range(count)]

    def env(self, number: int) -> gymnasium.Env:
        return self.envs[number]

    def reset(self, seeds: dict[int, int]) -> dict[int, Begun]:
        return {number: self._reset(self.envs[number], seed) for number, seed in seeds.items()}

    def _reset(self, env: gymnasium.Env, seed: int) -> Begun:
        raw, _ = env.reset(seed=seed)
        return Begun(self.family.instruction(env, self.task), Observed(raw, self.family.observation(raw)))

    def step(self, values: dict[int, Values]) -> dict[int, Stepped]:
        return {number: self._step(self.envs[number], mine) for number, mine in values.items()}

    def _step(self, env: gymnasium.Env, values: Values) -> Stepped:
        raw, reward, terminated, truncated, info = env.step(self.family.action(values))
        success = bool(info["success"]) if "success" in info else None
        observed = Observed(raw, self.family.observation(raw), float(reward))
        return Stepped(observed, bool(terminated), bool(truncated), success)

    def render(self, number: int) -> np.ndarray:
        """Pixels of an environment."""
        frame: Any = self.envs[number].render()
        return frame

    def close(self) -> None:
        for env in self.envs:
            env.close()
