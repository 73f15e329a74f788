"""Bodies as rows of a table.

One step of `bodies/walker-5-main`: 13 numbers in, 4 numbers out, every 1/125 s.

    [1.25 -0.01 0.02 ... | 0.90 0.10 ...]      height, pitch and four joint angles; forward speed and the other six
        -> [0.30 -0.80 0.10 0.50]              torque at each joint, as a share of the motors' own
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.core.episode import ArraySpec
from opengato.envs.bodies.shapes import PLANNED, SHAPES, Shape
from opengato.envs.loading import load_simulator
from opengato.envs.table import Row, TableFamily

PLANE = "height in m, pitch and joint angles in rad, then the speeds of all, forward first, cut at 10"
SPACE = "height in m, orientation as a quaternion, joint angles in rad, then the speeds of all, cut at 10"


class Family(TableFamily):
    """Moving forward with what limbs there are, as `bodies/<body>-<...>`: one body a task, each with its own spec.

    The reward is the speed in m/s, 1 for each step without a fall (the torso at 0.6 of its height, or leaning by 1 rad
    where it moves in a plane), less a thousandth of the squared controls; a fall ends the episode, as 1000 steps do.
    """

    name = "bodies"
    packages = ("mujoco", "gymnasium", "numpy")

    def table(self) -> Mapping[str, Row]:
        return {name: _row(name, shape) for name, shape in SHAPES.items()}

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of body `name`: observation Box float64, action Box float32 in its motors' limits."""
        return _half("simulator").BodyEnv(SHAPES[choose(name, SHAPES, what="body")], render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A planner for the episode just reset; it reads the simulator's state."""
        return _half("experts").expert(env.unwrapped)


def _row(name: str, shape: Shape) -> Row:
    limit = 1.0 if shape.planar else 0.4
    planned = name in PLANNED
    return Row(
        instruction=shape.words,
        observation=ArraySpec(
            name=f"bodies/{name}",
            kind="continuous",
            shape=(shape.observed,),
            meaning=PLANE if shape.planar else SPACE,
        ),
        action=ArraySpec(
            name=f"bodies/{name}-action",
            kind="continuous",
            shape=(shape.joints,),
            low=-limit,
            high=limit,
            meaning="torque at each joint, as a share of the motors' own",
        ),
        max_steps=1000,
        expert="model-predictive control: plans sampled in the simulator's own physics" if planned else None,
        privileged="the simulator's state and model" if planned else "",
    )


def _half(module: str) -> ModuleType:
    """A module of this family that needs MuJoCo."""
    return load_simulator(f"opengato.envs.bodies.{module}", extra="dmc")
