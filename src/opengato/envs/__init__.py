"""Task families: one folder each, found by name. Here are the ways to reach their tasks.

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


@functools.cache
def _family(name: str) -> Family:
    return plugin("envs", name).Family()


@functools.cache
def _tasks_by_id(name: str) -> dict[str, TaskInfo]:
    return {task.id: task for task in _family(name).tasks()}


def all_tasks(family: str | None = None) -> list[TaskInfo]:
    """Every task of one family, or of all: families by name, tasks in their family's order; no simulator is loaded."""
    names = plugins("envs") if family is None else [choose(family, plugins("envs"), what="task family")]
    return [task for name in names for task in _tasks_by_id(name).values()]


def family_of(task_id: str) -> Family:
    """The family of `family/name`, one instance per process; an unknown one is a ValueError with the near ones."""
    name, separator, _ = task_id.partition("/")
    if not separator:
        near = [task.id for task in all_tasks() if task.id.endswith(f"/{task_id}")]
        hint = f"did you mean {near[0]!r}?" if near else f"families: {', '.join(plugins('envs'))}"
        raise ValueError(f"task id {task_id!r} must look like 'family/name'; {hint}")
    return _family(choose(name, plugins("envs"), what="task family"))


def find_task(task_id: str) -> TaskInfo:
    """What is known of task `family/name`; an unknown one is a ValueError with the near ones."""
    tasks = _tasks_by_id(family_of(task_id).name)
    return tasks[choose(task_id, tasks, what="task")]


def matching(word: str) -> list[TaskInfo]:
    """The tasks of a family, of a pattern such as `babyai/GoTo*`, or the one of that name."""
    if word in plugins("envs"):
        return all_tasks(word)
    if "*" not in word:
        return [find_task(word)]
    found = [task for task in all_tasks() if fnmatch.fnmatchcase(task.id, word)]
    if not found:
        raise ValueError(f"no task matches {word!r}; `opengato tasks` lists them")
    return found


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
