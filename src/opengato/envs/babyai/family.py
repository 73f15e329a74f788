"""The tasks of BabyAI, described without the simulator; `envs/gridworld.py` shows what a step looks like."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert, TaskInfo
from opengato.envs.gridworld import GridFamily, action_spec, view_spec
from opengato.envs.loading import load_simulator
from opengato.envs.scores import read_scores

HERE = Path(__file__).parent
VIEW, ACTION = view_spec("babyai"), action_spec("babyai")
# The bot fails on most episodes of these (KeyInBox: it never opens boxes; Carrying: it seeks the thing in its hands;
# Debug: opening a wrong door on the way ends the episode) or plans in circles (UnlockToUnlock: 91 of 200 episodes).
UNSOLVED = frozenset(
    {
        "KeyInBox",
        "PutNextS5N2Carrying",
        "PutNextS6N3Carrying",
        "PutNextS7N4Carrying",
        "OpenDoorsOrderN2Debug",
        "OpenDoorsOrderN4Debug",
        "UnlockToUnlock",
    }
)


class Family(GridFamily):
    """BabyAI levels as tasks `babyai/<level>`: `babyai/GoToLocal` is Gymnasium's `BabyAI-GoToLocal-v0`."""

    name = "babyai"
    packages = ("minigrid", "gymnasium", "numpy")

    def tasks(self) -> list[TaskInfo]:
        """All 96 levels, those of one room and small ones first; tags are `one-room` or `maze`."""
        return list(_tasks())

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of level `name` (`GoToLocal`); observation and actions are those of minigrid.

        `info["success"]` is True at the step that solves the mission. ValueError names the levels near an unknown one;
        ImportError says how to get the simulator.
        """
        levels = _levels()
        return _simulator().make(levels[choose(name, levels, what="BabyAI level")]["gym_id"], render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """BabyAIBot on the episode just reset: a planner that reads the map behind the view.

        It takes each observation in turn and follows the actions executed, whoever chose them. It raises ExpertFailed
        where it cannot go on (also on the levels of `UNSOLVED`, for the episodes that it cannot solve).
        """
        return _simulator().BotExpert(env)


@functools.cache
def _levels() -> dict[str, dict[str, Any]]:
    """Facts of every level by name, as `facts.py` wrote them: gym_id, rows, columns, room_size, max_steps, ..."""
    return json.loads((HERE / "levels.json").read_text())


@functools.cache
def _tasks() -> tuple[TaskInfo, ...]:
    scores = read_scores(HERE)
    return tuple(_task(name, level, scores.get(name, {})) for name, level in _levels().items())


def _task(name: str, level: dict[str, Any], scores: dict[str, Any]) -> TaskInfo:
    solved = name not in UNSOLVED
    return TaskInfo(
        id=f"{Family.name}/{name}",
        family=Family.name,
        instruction=level["instruction"],
        observation_specs={"view": VIEW},
        action_specs={"action": ACTION},
        max_steps=level["max_steps"],
        expert="BabyAIBot" if solved else None,
        privileged="the whole map",
        random_score=scores.get("random_score"),
        expert_score=scores.get("expert_score") if solved else None,
        tags=("one-room" if level["rows"] * level["columns"] == 1 else "maze",),
    )


def _simulator() -> ModuleType:
    """The half of this family that needs minigrid."""
    return load_simulator("opengato.envs.babyai.simulator", extra="babyai")
