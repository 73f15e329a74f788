"""The contract of what acts: a batched policy over environments side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import TaskInfo

Values = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Observed:
    """An observation twice: `raw` as the environment gave it, `values` as the arrays of the task's specs.

    `reward` is what the action before it earned; 0 for the first observation of an episode.
    """

    raw: Any
    values: Values
    reward: float = 0.0


class Policy(ABC):
    """An actor in many environments at once; slot n is the n-th environment and the episode that runs in it.

    One that looks inside asks for the environment itself, or for its raw observations; others need values alone, so
    that environments may run in other processes.
    """

    name: str
    looks_inside: bool = True

    def describe(self, task: TaskInfo) -> str:
        """What an episode's provenance calls this policy."""
        return self.name

    @abstractmethod
    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        """An episode starts in `slot`: `env` has just been reset with `seed`. ExpertFailed drops the episode.

        `env` is None where it is in another process, or the caller steps one of its own (a robot, say).
        """

    @abstractmethod
    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        """For each slot the arrays of the task's action specs, or None to give up its episode, which is dropped."""

    def end(self, slot: int) -> None:  # noqa: B027 - most policies keep nothing
        """The episode in `slot` is over."""
