"""The tasks of Meta-World, described without the simulator.

One step of `metaworld/drawer-open`: 39 numbers in, 4 numbers out, every 1/80 s.

    [0.00 0.60 0.19 1.00 | -0.02 0.74 0.09 0.71 0.00 0.00 0.71 | 0 ... 0 | the same 18 a step ago | -0.02 0.54 0.09]
     hand         gripper  first object     its quaternion       second                             goal
        -> [0.10 0.55 -0.40 -1.00]    hand velocity along x, y, z, and gripper: -1 opens, 1 closes
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert, TaskInfo
from opengato.core.environment import Family as FamilyContract
from opengato.core.episode import ArraySpec
from opengato.envs.loading import load_simulator
from opengato.envs.metaworld.instructions import INSTRUCTIONS, MT10
from opengato.envs.scores import read_scores

MAX_STEPS = 500
STATE = ArraySpec(
    name="metaworld/state",
    kind="continuous",
    shape=(39,),
    meaning="hand x, y, z in m, gripper opening from 0 to 1, position in m and quaternion of two objects (zeros for "
    "none); the same 18 numbers a step ago; goal x, y, z in m",
)
ACTION = ArraySpec(
    name="metaworld/action",
    kind="continuous",
    shape=(4,),
    low=-1.0,
    high=1.0,
    meaning="displacement of the hand along x, y, z in cm, gripper force (-1 opens, 1 closes)",
)


class Family(FamilyContract):
    """Meta-World v3 as tasks `metaworld/<name>`: `metaworld/drawer-open` is Meta-World's `drawer-open-v3`.

    Three choices differ from Meta-World, so that evaluation is quick and a score means one thing:

    * an episode terminates 5 steps after the first success (else it is truncated after 500 steps, as there);
    * the reward is 1 at the step of the first success and 0 at all others, so that the mean return of a task is its
      success rate. A sum of Meta-World's own reward (0 to 10 at each step, in `info["dense_reward"]`) would be the
      higher the later an episode ends;
    * `reset(seed=s)` alone fixes where objects and goal are, drawn from the whole of Meta-World's ranges and not from a
      set of 50; the goal is always visible.
    """

    name = "metaworld"
    packages = ("metaworld", "mujoco", "gymnasium", "numpy")

    def tasks(self) -> list[TaskInfo]:
        """All 50 tasks in Meta-World's order; the ten of MT10 have the tag `mt10`."""
        return list(_tasks())

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of task `name` (`drawer-open`): observation Box(39,) float64, action Box(4,) float32.

        `info["success"]` says whether the task is solved in this very step. ValueError names the tasks near an unknown
        one; ImportError says how to get the simulator.
        """
        return _simulator().MetaWorldEnv(choose(name, INSTRUCTIONS, what="Meta-World task"), render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """Meta-World's scripted policy, clipped to [-1, 1]: a few lines of geometry on the observation, no memory."""
        return _simulator().scripted_policy(env.get_wrapper_attr("name"))

    def observation(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        """`{"state": (39,) float32}`."""
        return {"state": observation.astype(np.float32)}

    def action(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """`{"action": (4,)}` as the array that the environment takes, which clips it to [-1, 1]."""
        return values["action"]

    def action_values(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """Inverse of `action`, float32."""
        return {"action": np.asarray(action, np.float32)}

    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        """The same for all episodes of a task: "open the drawer"."""
        return task.instruction


@functools.cache
def _tasks() -> tuple[TaskInfo, ...]:
    scores = read_scores(Path(__file__).parent)
    return tuple(
        TaskInfo(
            id=f"{Family.name}/{name}",
            family=Family.name,
            instruction=instruction,
            observation_specs={"state": STATE},
            action_specs={"action": ACTION},
            max_steps=MAX_STEPS,
            expert="Meta-World's scripted policy",
            tags=("mt10",) if name in MT10 else (),
            **scores.get(name, {}),
        )
        for name, instruction in INSTRUCTIONS.items()
    )


def _simulator() -> ModuleType:
    """The half of this family that needs metaworld and MuJoCo."""
    return load_simulator("opengato.envs.metaworld.simulator", extra="metaworld")
