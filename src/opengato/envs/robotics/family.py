"""The robots of Gymnasium-Robotics as one family: what an observation is, and which expert belongs to which task."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.envs.loading import load_simulator
from opengato.envs.robotics.tasks import GYMNASIUM, rows
from opengato.envs.table import OBSERVATION, Row, TableFamily


class Family(TableFamily):
    """Gymnasium-Robotics as tasks `robotics/<name>`, with its own rewards, limits and observations.

    * Where an episode has a goal, `state` is the achieved goal, the desired goal and the robot's own numbers in a row.
      In the kitchen the goals are constants of the task and the instruction names them, so they are left out.
    * Rewards are sparse. `fetch-*` and `hand-*`: -1 at each step away from the goal and 0 at it, so that a return is
      minus the number of steps spent away from it. `pointmaze-*` and `antmaze-*`: 1 at each step at the goal, where one
      can stay. `kitchen-*`: 1 for each thing done. `adroit-*` alone are dense.
    * `info["success"]` is Gymnasium-Robotics' own verdict on a step: at the goal, or (kitchen) all asked for is done.

    Left out as the same bodies and goals again: dense rewards of goals, sparse ones of `adroit-*`, older versions;
    and `Open_Diverse_GR`, which draws start and goal exactly as `Open` does.
    """

    name = "robotics"
    packages = ("gymnasium-robotics", "mujoco", "gymnasium", "numpy")

    def table(self) -> Mapping[str, Row]:
        return rows()

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment as its users know it: goals and state in a dict, actions Box in [-1, 1].

        ValueError names the tasks near an unknown one; ImportError says how to get the simulator.
        """
        return _module("simulator").Robot(choose(name, GYMNASIUM, what="robotics task"), render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A controller of the task that `env` plays; see `experts` and `planning`."""
        robot = _module("simulator").find_robot(env)
        kind = robot.name.partition("-")[0]
        if kind == "pointmaze":
            return _module("experts").MazeRunner(robot.unwrapped.maze)
        if kind == "hand":
            return _module("planning").Fingers(robot.unwrapped)
        if robot.name == "fetch-slide":
            return _module("planning").planned_strike(robot.unwrapped)
        return _module("experts").FETCH[robot.name]

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        """`{"state": float32}`: the goals, where they are arrays, and then the robot's own numbers."""
        if not isinstance(observation, dict):
            return super().observation(observation)
        goals = [observation[name] for name in ("achieved_goal", "desired_goal")]
        parts = [goal for goal in goals if isinstance(goal, np.ndarray)]
        return {OBSERVATION: np.concatenate([*parts, observation["observation"]]).astype(np.float32)}


def _module(name: str) -> ModuleType:
    """A part of this family that needs gymnasium-robotics and MuJoCo."""
    return load_simulator(f"opengato.envs.robotics.{name}", extra="robotics")
