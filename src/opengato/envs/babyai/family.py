"""The tasks of BabyAI, described without the simulator.

One step of `babyai/GoToLocal`: the agent sees 7 x 7 cells ahead of it, each a triple of small integers, and its own
direction; it answers with one of 7 actions.

    {"image": (7, 7, 3), "direction": 2, "mission": "go to the red ball"}
        -> {"view": [[2 5 0] [2 5 0] ... [1 0 0] | [2 0 0]]}     49 cells, then (direction, 0, 0): shape (50, 3)
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert, TaskInfo
from opengato.core.environment import Family as FamilyContract
from opengato.core.episode import ArraySpec
from opengato.envs.loading import load_simulator
from opengato.envs.scores import read_scores

HERE = Path(__file__).parent
NUM_CELLS = 49
VIEW = ArraySpec(
    name="babyai/view",
    kind="discrete",
    shape=(NUM_CELLS + 1, 3),
    dtype="uint8",
    num_values=11,
    meaning="(object, colour, state) of the 7 x 7 cells ahead, column by column from the far left; the agent stands in "
    "cell 27 and faces cell 26; the last row is (direction, 0, 0) with direction 0 east, 1 south, 2 west, 3 north",
)
ACTION = ArraySpec(
    name="babyai/action",
    kind="discrete",
    shape=(),
    dtype="int64",
    num_values=7,
    meaning="0 turn left, 1 turn right, 2 forward, 3 pick up, 4 drop, 5 toggle (open, close), 6 done",
)
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


class Family(FamilyContract):
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

    def observation(self, observation: dict[str, Any]) -> dict[str, np.ndarray]:
        """`{"view": (50, 3) uint8}`; the mission is the episode's instruction and not part of it."""
        view = np.zeros(VIEW.shape, np.uint8)
        view[:NUM_CELLS] = observation["image"].reshape(NUM_CELLS, 3)
        view[NUM_CELLS, 0] = observation["direction"]
        return {"view": view}

    def action(self, values: dict[str, np.ndarray]) -> int:
        """`{"action": array of shape ()}` as the integer that minigrid takes."""
        return int(values["action"])

    def action_values(self, action: int) -> dict[str, np.ndarray]:
        """Inverse of `action`: an int64 array of shape ()."""
        return {"action": np.asarray(action, np.int64)}

    def told(self, observation: dict[str, Any]) -> str:
        """The mission, which every observation repeats."""
        return observation["mission"]

    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        """The mission of this episode: "put the red ball next to a box"."""
        return env.get_wrapper_attr("mission")


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
