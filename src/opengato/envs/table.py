"""A family whose tasks are rows of a table, with one array to observe and one to act by: most of Gymnasium.

class Family(TableFamily):
name, packages = "classic", ("gymnasium",)

def table(self):
return {"cartpole": Row(instruction="hold the pole upright", observation=STATE, action=PUSH, max_steps=500)}
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import Family, TaskInfo
from opengato.core.episode import ArraySpec
from opengato.envs.scores import family_folder, read_scores

OBSERVATION, ACTION = "state", "action"  # names of the two arrays


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A task without its simulator; see `TaskInfo`."""

    instruction: str
    observation: ArraySpec
    action: ArraySpec
    max_steps: int
    expert: str | None = None
    privileged: str = ""
    human_score: float | None = None
    tags: tuple[str, ...] = ()


class TableFamily(Family):
    """What follows from the table; `make` and `expert` are left to the family."""

    @abstractmethod
    def table(self) -> Mapping[str, Row]:
        """Tasks by name, in their order."""

    @functools.cached_property
    def _tasks(self) -> tuple[TaskInfo, ...]:
        scores = read_scores(family_folder(self.name))
        return tuple(self._task(name, row, scores.get(name, {})) for name, row in self.table().items())

    def _task(self, name: str, row: Row, scores: dict[str, Any]) -> TaskInfo:
        if row.expert is None:
            scores = {who: score for who, score in scores.items() if who != "expert_score"}
        return TaskInfo(
            id=f"{self.name}/{name}",
            family=self.name,
            instruction=row.instruction,
            observation_specs={OBSERVATION: row.observation},
            action_specs={ACTION: row.action},
            max_steps=row.max_steps,
            expert=row.expert,
            privileged=row.privileged,
            human_score=row.human_score,
            tags=row.tags,
            **scores,
        )

    def tasks(self) -> list[TaskInfo]:
        return list(self._tasks)

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        """`{"state": array}`: float64 becomes float32, every other type stays."""
        array = np.asarray(observation)
        return {OBSERVATION: array.astype(np.float32) if array.dtype == np.float64 else array}

    def action(self, values: dict[str, np.ndarray]) -> Any:
        """An integer for a discrete action of shape (), else the array."""
        value = values[ACTION]
        return int(value) if value.ndim == 0 and np.issubdtype(value.dtype, np.integer) else value

    def action_values(self, action: Any) -> dict[str, np.ndarray]:
        """Inverse of `action`: int64 or float32."""
        array = np.asarray(action)
        return {ACTION: array.astype(np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32)}

    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        """The task's own."""
        return task.instruction
