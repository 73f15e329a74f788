"""The contract of a task family: a folder under `opengato/envs/`.

A family gives tasks, makes their Gymnasium environments, and knows an expert. Its folder holds:

* `Family` (a subclass of this one, no constructor arguments), found by folder name;
* `scores.json`: measured random and expert scores per task, with episodes, seeds, versions and date.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from opengato.core.episode import ArraySpec

Action = Any
Observation = Any
Expert = Callable[[Observation], Action]


class ExpertFailed(RuntimeError):
    """An expert cannot go on with the episode it was made for; a collector drops that episode and counts it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A measured return: mean over `episodes` episodes of the seeds [seed, seed + episodes).

    `seconds` of a processor are what an episode cost on average, simulator included; None where that was not measured.
    """

    mean: float
    std: float
    episodes: int
    seed: int
    success_rate: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskInfo:
    """All that is known of a task without making its environment. `id` is `family/name`.

    `privileged` says what the expert sees beyond the observation ("" for nothing); `human_score` is the mean return of
    people who play the task, where its authors measured one.
    """

    id: str
    family: str
    instruction: str
    observation_specs: dict[str, ArraySpec]
    action_specs: dict[str, ArraySpec]
    max_steps: int
    expert: str | None = None
    privileged: str = ""
    random_score: Score | None = None
    expert_score: Score | None = None
    human_score: float | None = None
    tags: tuple[str, ...] = field(default=())

    def normalise(self, mean_return: float) -> float:
        """(return - random) / (expert - random): 0 is random, 1 the expert. ValueError if that is undefined."""
        if self.random_score is None or self.expert_score is None:
            raise ValueError(f"task {self.id!r} has no measured random and expert scores")
        span = self.expert_score.mean - self.random_score.mean
        if span <= 0:
            raise ValueError(f"the expert of {self.id!r} is not above random: its score cannot be normalised")
        return (mean_return - self.random_score.mean) / span


class Family(ABC):
    """Tasks that share a simulator, an observation layout and a kind of expert."""

    name: str
    packages: tuple[str, ...] = ()
    """Distributions whose versions belong in an episode's provenance: the simulator and what decides its physics."""

    @abstractmethod
    def tasks(self) -> list[TaskInfo]:
        """All tasks, in a fixed order, without loading the simulator where that is slow."""

    @abstractmethod
    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of task `family/name`, exactly as its users know it.

        `render_size` > 0 asks for `env.render()` as uint8 pixels (render_size, render_size, 3). `reset(seed=s)` must
        fix the whole episode. `info["success"]` (bool) is given at each step where success is defined.
        """

    @abstractmethod
    def expert(self, env: gymnasium.Env) -> Expert:
        """The expert for the episode that `env` has just been reset to; may look at the simulator's state."""

    @abstractmethod
    def observation(self, observation: Observation) -> dict[str, np.ndarray]:
        """An observation of the environment as the arrays of `observation_specs`."""

    @abstractmethod
    def action(self, values: dict[str, np.ndarray]) -> Action:
        """Arrays of `action_specs` as an action of the environment."""

    @abstractmethod
    def action_values(self, action: Action) -> dict[str, np.ndarray]:
        """Inverse of `action`."""

    @abstractmethod
    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        """The instruction of the episode that `env` has just been reset to."""

    def told(self, observation: Observation) -> str | None:
        """The instruction that an observation itself carries, if observations of this family do."""
        return None
