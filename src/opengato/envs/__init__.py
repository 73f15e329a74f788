"""Task families: one folder each, found by name, and tasks that were registered. Here are the ways to reach them.

>>> find_task("metaworld/drawer-open").instruction
'open the drawer'
"""

from __future__ import annotations

import fnmatch
import functools
from typing import Any

import gymnasium

from opengato.core.config import choose, plugin, plugins
from opengato.core.environment import Family, TaskInfo
from opengato.envs.registry import register, registered

__all__ = ["all_tasks", "families", "family_of", "find_task", "make", "register"]


@functools.cache
def _family(name: str) -> Family:
    return plugin("envs", name).Family()


@functools.cache
def _tasks_by_id(name: str) -> dict[str, TaskInfo]:
    return {task.id: task for task in _family(name).tasks()}


def families() -> list[str]:
    """Every family: the folders here, then those that are registered, sorted."""
    found = plugins("envs")
    return [*found, *sorted({own.name for own in registered().values()} - set(found))]


def all_tasks(family: str | None = None) -> list[TaskInfo]:
    """Every task of one family, or of all: families by name, tasks in their family's order; no simulator is loaded."""
    names = families() if family is None else [choose(family, families(), what="task family")]
    return [task for name in names for task in _tasks_of(name)]


def family_of(task_id: str) -> Family:
    """The family of `family/name`, one instance per process; an unknown one is a ValueError with the near ones."""
    own = registered()
    if task_id in own:
        return own[task_id]
    name, separator, _ = task_id.partition("/")
    if not separator:
        near = [task.id for task in all_tasks() if task.id.endswith(f"/{task_id}")]
        hint = f"did you mean {near[0]!r}?" if near else f"families: {', '.join(families())}"
        raise ValueError(f"task id {task_id!r} must look like 'family/name'; {hint}")
    if choose(name, families(), what="task family") not in plugins("envs"):
        choose(task_id, [task.id for task in _tasks_of(name)], what="task")
    return _family(name)


def find_task(task_id: str) -> TaskInfo:
    """What is known of task `family/name`; an unknown one is a ValueError with the near ones."""
    own = registered()
    if task_id in own:
        return own[task_id].info
    tasks = _tasks_by_id(family_of(task_id).name)
    return tasks[choose(task_id, tasks, what="task")]


def matching(word: str) -> list[TaskInfo]:
    """The tasks of a family, of a pattern such as `babyai/GoTo*`, or the one of that name."""
    if word in families():
        return all_tasks(word)
    if "*" not in word:
        return [find_task(word)]
    found = [task for task in all_tasks() if fnmatch.fnmatchcase(task.id, word)]
    if not found:
        raise ValueError(f"no task matches {word!r}; `opengato tasks` lists them")
    return found


def _tasks_of(family: str) -> list[TaskInfo]:
    own = [one.info for one in registered().values() if one.name == family]
    return [*(_tasks_by_id(family).values() if family in plugins("envs") else ()), *own]


def make(task_id: str, seed: int = 0, render_size: int = 0) -> gymnasium.Env:
    """The Gymnasium environment of a task; its first `reset()` without a seed uses `seed`.

    `render_size` > 0 makes `env.render()` give uint8 pixels (render_size, render_size, 3).
    """
    task = find_task(task_id)
    return _FirstSeed(family_of(task_id).make(task.id.partition("/")[2], render_size), seed)


class _FirstSeed(gymnasium.Wrapper):
    """Uses `seed` for the first reset that is given none, so that a fresh environment is reproducible."""

    def __init__(self, env: gymnasium.Env, seed: int) -> None:
        super().__init__(env)
        self._seed: int | None = seed

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is None:
            seed = self._seed
        self._seed = None
        return self.env.reset(seed=seed, options=options)
