"""Episodes of any Gymnasium environment, recorded while somebody acts in it.

>>> env = Recorder(gymnasium.make("CartPole-v1"), "data/mine", task="mine/balance", instruction="hold the pole upright")
>>> observation, info = env.reset(seed=1_000_000)
>>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())  # and so on, then:
>>> env.close()
"""

from __future__ import annotations

import copy
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode, columns
from opengato.core.spaces import SpaceArrays
from opengato.data.store import StoreWriter
from opengato.envs import family_of, find_task
from opengato.envs.registry import succeeded

Values = dict[str, np.ndarray]
_MERGED = 256  # episodes of one shard each, before they are put together


class Recorder(gymnasium.Wrapper):
    """Writes each episode to the store `folder` the moment it ends: what is finished outlives a crash.

    `task` and `instruction` (a text, or a function of the environment just reset) are what the episodes say of
    themselves; a task that is known (`opengato.tasks`) brings its own instruction and specs, any other gets the specs
    that `opengato.register` would give it. The record keeps the action that was meant, where it differs from the one
    executed: that of `intend(action)` before the step, or `info["intended_action"]`. A reset throws an unfinished
    episode away; `finish()` ends and keeps it, as somebody who teleoperates does.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        folder: str | Path,
        task: str,
        instruction: str | Callable[[gymnasium.Env], str] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(env)
        self.task, self.folder = task, Path(folder)
        self._instruction = instruction
        self._info = _known(task)
        if instruction is None and self._info is None:
            raise ValueError(
                f"task {task!r} is not known, so it has no instruction of its own; say what is to be done: "
                "Recorder(..., instruction='lift the cube')"
            )
        if self._info is not None:
            family = family_of(task)
            self._seen, self._done = family.observation, family.action_values
            self._specs = self._info.observation_specs, self._info.action_specs
        else:
            seen = SpaceArrays(env.observation_space, task, "observation")
            done = SpaceArrays(env.action_space, task, "action")
            self._seen, self._done = seen.arrays, done.arrays
            self._specs = seen.specs, done.specs
        self._writer = StoreWriter(self.folder, {"licence": "ours", "recorded": str(env), **(about or {})})
        self._begun = False

    def __len__(self) -> int:
        """Episodes in the store."""
        return len(self._writer)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._seed = seed
        self._told = self._instruct()
        self._observations: list[Values] = [copy.deepcopy(self._seen(observation))]
        self._actions: list[Values] = []
        self._rewards: list[float] = []
        self._success: bool | None = None
        self._meant: Any = None
        self._is_meant = self._differs = False
        self._begun = True
        return observation, info

    def intend(self, action: Any) -> None:
        """The next step executes another action than the one meant; this one is what the record keeps."""
        self._meant, self._is_meant = action, True

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self._begun:
            raise ValueError("a step without an episode: call `reset()` first, also after `finish()`")
        executed = copy.deepcopy(self._done(action))
        observation, reward, terminated, truncated, info = self.env.step(action)
        meant = self._meant if self._is_meant else info.get("intended_action")
        values = executed if meant is None else copy.deepcopy(self._done(meant))
        self._differs |= any(not np.array_equal(values[name], executed[name]) for name in values)
        self._meant, self._is_meant = None, False
        self._actions.append(values)
        self._rewards.append(float(reward))
        success = succeeded(info)
        if success is not None:
            self._success = bool(self._success or success)
        if terminated or truncated:
            self._write(terminated=bool(terminated), truncated=bool(truncated))
        else:
            self._observations.append(copy.deepcopy(self._seen(observation)))
        return observation, float(reward), terminated, truncated, info

    def finish(self, success: bool | None = None) -> None:
        """End the episode here, as truncated, and keep it; `success` overrides what the environment said."""
        if not self._begun or not self._rewards:
            raise ValueError("there is no episode with a step to finish; call `reset()` and `step()` first")
        self._success = self._success if success is None else success
        self._write(terminated=False, truncated=True)

    def close(self) -> None:
        """Close store and environment; an unfinished episode is thrown away."""
        self._writer.merge()
        self._writer.close()
        self.env.close()

    def _write(self, *, terminated: bool, truncated: bool) -> None:
        seen, done = self._specs
        steps = len(self._rewards)
        episode = Episode(
            task=self.task,
            instruction=self._told,
            observation_specs=seen,
            action_specs=done,
            observations=columns(self._observations[:steps], seen),
            actions=columns(self._actions, done),
            rewards=np.asarray(self._rewards, np.float32),
            terminated=terminated,
            truncated=truncated,
            success=self._success,
            provenance={
                "policy": "recorded",
                "env": None if self.env.spec is None else self.env.spec.id,
                "seed": self._seed,
                "executed_as_meant": not self._differs,
                "versions": {"gymnasium": importlib.metadata.version("gymnasium")},
            },
        )
        self._begun = False
        self._writer.append([episode])
        self._writer.flush()
        self._writer.merge(_MERGED)

    def _instruct(self) -> str:
        told = self._instruction
        if told is None:
            assert self._info is not None
            return family_of(self.task).instruction(self.env, self._info)
        return told if isinstance(told, str) else str(told(self.env))


def _known(task: str) -> TaskInfo | None:
    try:
        return find_task(task)
    except ValueError:
        if task.count("/") != 1 or not all(task.split("/")):
            raise ValueError(f"received the task {task!r}, expected `family/name`, such as 'mine/lift'") from None
        return None
