"""Gymnasium's MuJoCo tasks as rows of a table.

One step of `mujoco/HalfCheetah`: 17 numbers in, 6 numbers out, every 1/20 s.

    [-0.06 0.02 ... | 1.21 -0.30 ...]     height, pitch and six joint angles; forward speed and the other eight
        -> [0.80 -0.20 ...]               torque at each joint, as a share of the motors' own
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.core.episode import ArraySpec
from opengato.envs.loading import load_simulator
from opengato.envs.table import Row, TableFamily

REGULATOR = "a linear-quadratic regulator"
PLANNER = "model-predictive control: plans sampled in the simulator's own physics"
BODY = "height in m, pitch and joint angles in rad, then the speeds of all, forward first"
PERSON = (
    "height, orientation and joint angles, their speeds; inertia and velocity of each limb, joint torques, contact "
    "forces on each limb"
)
TORQUES = "torque at each joint, as a share of the motors' own"


def _row(name: str, instruction: str, size: int, meaning: str, actions: int, expert: str | None = None) -> Row:
    limit = {"InvertedPendulum": 3.0, "Pusher": 2.0, "Humanoid": 0.4, "HumanoidStandup": 0.4}.get(name, 1.0)
    return Row(
        instruction=instruction,
        observation=ArraySpec(name=f"mujoco/{name}", kind="continuous", shape=(size,), meaning=meaning),
        action=ArraySpec(
            name=f"mujoco/{name}-action",
            kind="continuous",
            shape=(actions,),
            low=-limit,
            high=limit,
            meaning="force on the cart" if "Pendulum" in name else TORQUES,
        ),
        max_steps={"Reacher": 50, "Pusher": 100}.get(name, 1000),
        expert=expert,
        privileged="the simulator's state and model" if expert else "",
    )


_CART = "cart position in m, pole angle in rad, their speeds"
_CARTS = "cart position, sines, then cosines of both poles' angles, three speeds, force of the rail's ends"
_REACH = "cosines, then sines of two joint angles, target x, y in m, joint speeds, finger to target x, y in m"
_PUSH = "seven joint angles, their speeds, positions of fingertip, object and goal in m"
_ANT = "height, orientation as a quaternion, eight joint angles, all speeds, contact forces on each limb"
ROWS = (
    ("InvertedPendulum", "hold the pole on the cart upright", 4, _CART, 1, REGULATOR),
    ("InvertedDoublePendulum", "hold both poles on the cart upright", 9, _CARTS, 1, REGULATOR),
    ("Reacher", "bring the finger of the two-link arm to the target, gently", 10, _REACH, 2, PLANNER),
    ("Pusher", "push the object to the goal with the robot arm", 23, _PUSH, 7, PLANNER),
    ("Swimmer", "swim forward as fast as you can with three links", 8, "angles in rad, then speeds", 2, PLANNER),
    ("Hopper", "hop forward on one leg as fast as you can without falling", 11, BODY, 3, PLANNER),
    ("Walker2d", "walk forward on two legs as fast as you can without falling", 17, BODY, 6, PLANNER),
    ("HalfCheetah", "run forward on two legs as fast as you can, with little force", 17, BODY, 6, PLANNER),
    ("Ant", "walk forward on four legs as fast as you can without falling", 105, _ANT, 8, PLANNER),
    ("Humanoid", "walk forward like a human as fast as you can without falling", 348, PERSON, 17, PLANNER),
    ("HumanoidStandup", "stand up from lying on your back", 348, PERSON, 17, None),
)
TABLE = {row[0]: _row(*row) for row in ROWS}


class Family(TableFamily):
    """Gymnasium's tasks `mujoco/<name>`: `mujoco/Ant` is its `Ant-v5`, with its rewards, ends and 1000 steps at most.

    Observations and actions are Gymnasium's own, bounds included. No task defines success.
    """

    name = "mujoco"
    packages = ("mujoco", "gymnasium", "numpy")

    def table(self) -> Mapping[str, Row]:
        return TABLE

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """Gymnasium's environment of version 5, with pictures drawn the fast way."""
        return _half("simulator").make(choose(name, TABLE, what="MuJoCo task"), render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A regulator or a planner for the episode just reset; it reads the simulator's state."""
        return _half("experts").expert(env.unwrapped)


def _half(module: str) -> ModuleType:
    """A module of this family that needs MuJoCo."""
    return load_simulator(f"opengato.envs.mujoco.{module}", extra="dmc")
