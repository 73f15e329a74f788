"""The tasks of MiniGrid, described without the simulator; a step is that of BabyAI, see `envs/gridworld.py`."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert, TaskInfo
from opengato.core.episode import ArraySpec
from opengato.envs.gridworld import GridFamily, action_spec, view_spec
from opengato.envs.loading import load_simulator
from opengato.envs.scores import read_scores

HERE = Path(__file__).parent
VIEW, ACTION = view_spec("minigrid"), action_spec("minigrid")
MOVE = ArraySpec(
    name="minigrid/move",
    kind="discrete",
    dtype="int64",
    num_values=3,
    meaning="0 turn left, 1 turn right, 2 forward",
)
PLANNER = "a planner of walks, keys, doors and things in the way"
EXPERTS = {  # by the kind of world, else the planner
    "DynamicObstaclesEnv": "the shortest way around the obstacles of the moment",
    "MemoryEnv": "looks at the object in the first room, then takes the right turn",
}
WITHOUT_TASK = {"PlaygroundEnv": "look around; there is nothing to achieve"}


class Family(GridFamily):
    """The worlds of MiniGrid as tasks `minigrid/<name>`: `minigrid/DoorKey-8x8` is `MiniGrid-DoorKey-8x8-v0`.

    Later versions keep their number: `minigrid/ObstructedMaze-Full-v1`. Rewards are minigrid's own: 0 until the mission
    is done, then 1 - 0.9 * steps / max_steps; running into an obstacle of Dynamic-Obstacles is -1.
    """

    name = "minigrid"
    packages = ("minigrid", "gymnasium", "numpy")

    def tasks(self) -> list[TaskInfo]:
        """76 of minigrid's 82 worlds, small ones first; the tag is the kind of world.

        The six of its WFC mazes are missing: the package lacks the patterns that they are made from.
        """
        return list(_tasks())

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of world `name` (`DoorKey-8x8`); observation and actions are those of minigrid.

        `info["success"]` is True at the step that does the mission. ValueError names the worlds near an unknown one;
        ImportError says how to get the simulator.
        """
        worlds = _worlds()
        return _simulator().make(worlds[choose(name, worlds, what="MiniGrid world")]["gym_id"], render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A planner for the episode just reset, that plans anew when another action is executed than it said.

        It raises ExpertFailed where it finds no way: in a world that cannot be solved, or no more.
        """
        return _simulator().expert(env)


@functools.cache
def _worlds() -> dict[str, dict[str, Any]]:
    """Facts of every world by name, as `facts.py` wrote them: gym_id, kind, size, max_steps, instruction."""
    return json.loads((HERE / "worlds.json").read_text(encoding="utf-8"))


@functools.cache
def _tasks() -> tuple[TaskInfo, ...]:
    scores = read_scores(HERE)
    return tuple(_task(name, world, scores.get(name, {})) for name, world in _worlds().items())


def _task(name: str, world: dict[str, Any], scores: dict[str, Any]) -> TaskInfo:
    kind = world["kind"]
    return TaskInfo(
        id=f"{Family.name}/{name}",
        family=Family.name,
        instruction=WITHOUT_TASK.get(kind, world["instruction"]),
        observation_specs={"view": VIEW},
        action_specs={"action": MOVE if kind == "DynamicObstaclesEnv" else ACTION},
        max_steps=world["max_steps"],
        expert=None if kind in WITHOUT_TASK else EXPERTS.get(kind, PLANNER),
        privileged="" if kind in WITHOUT_TASK else "the whole map",
        tags=(kind,),
        **scores,
    )


def _simulator() -> ModuleType:
    """The half of this family that needs minigrid."""
    return load_simulator("opengato.envs.minigrid.simulator", extra="babyai")
