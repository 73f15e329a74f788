"""The tasks of DeepMind's Control Suite as rows of a table.

One step of `dmc/cartpole-swingup`: 5 numbers in, 1 number out, every 1/100 s.

    [0.01 -1.00 -0.02 | 0.00 0.01]        cart position, cosine and sine of the pole's angle, their speeds
        -> [0.80]                         force on the cart: 8 N to the right
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert, TaskInfo
from opengato.core.episode import ArraySpec
from opengato.envs.dmc.tasks import (
    BENCHMARK,
    ENDINGS,
    PIXELS,
    SEES_STATE,
    TASKS,
    VARIANTS,
    Layout,
    Variant,
    expert_of,
)
from opengato.envs.loading import load_simulator
from opengato.envs.scores import family_folder, read_scores
from opengato.envs.table import Row, TableFamily

MAX_STEPS = 1000
PICTURE = ArraySpec(
    name="dmc/pixels", kind="image", shape=(64, 64, 3), dtype="uint8", meaning="the scene from the suite's first camera"
)


class Family(TableFamily):
    """The Control Suite as `dmc/<domain>-<task>` [Tassa et al. 2018, arXiv:1801.00690], and variants of its tasks.

    * `-pixels` shows a picture of 64 x 64 instead of the state; the episodes, and so the scores, are the same.
    * `-random-small` and `-random-large` change the body at each reset, by the seed (`perturbation.py`).

    Observations are the suite's own, one after the other; actions lie in [-1, 1] whatever a control's limits are.
    Rewards are the suite's, from 0 to 1 in each of 1000 steps, but for lqr: there the suite gives 1 - cost and ends the
    episode at rest, so that a good controller would lose. Here the reward is -cost.
    """

    name = "dmc"
    packages = ("dm-control", "mujoco", "gymnasium", "numpy")

    def table(self) -> Mapping[str, Row]:
        """The suite's 51 tasks in its order, its 28 benchmarks from pixels, and 25 with small, then large, changes."""
        return {name: _row(variant) for name, variant in VARIANTS.items()}

    def _task(self, name: str, row: Row, scores: dict[str, Any]) -> TaskInfo:
        """A task from pixels has the scores of its state: the same episodes, which no picture changes."""
        return super()._task(name, row, scores or self._scores.get(name.removesuffix(PIXELS), {}))

    @functools.cached_property
    def _scores(self) -> dict[str, dict[str, Any]]:
        return read_scores(family_folder(self.name))

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of task `name`: observation Box float64, or uint8 pixels; action Box(-1, 1) float32."""
        return _half("simulator").make(VARIANTS[choose(name, VARIANTS, what="dmc task")], render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A controller in closed form, or a planner, for the episode just reset; it reads the simulator's state."""
        return _half("experts").expert(env.unwrapped)


def _row(variant: Variant) -> Row:
    key = variant.domain, variant.task
    layout, instruction = TASKS[key]
    expert = expert_of(variant)
    return Row(
        instruction=instruction + (ENDINGS[variant.ending][1] if variant.ending else ""),
        observation=PICTURE if variant.ending == PIXELS else _state(layout),
        action=_action(layout),
        max_steps=MAX_STEPS,
        expert=expert,
        privileged=SEES_STATE if expert else "",
        tags=("benchmark",) if key in BENCHMARK and not variant.ending else (),
    )


def _state(layout: Layout) -> ArraySpec:
    return ArraySpec(name=f"dmc/{layout.name}", kind="continuous", shape=(layout.size,), meaning=layout.meaning)


def _action(layout: Layout) -> ArraySpec:
    return ArraySpec(
        name=f"dmc/{layout.name}-action",
        kind="continuous",
        shape=(layout.actions,),
        low=-1.0,
        high=1.0,
        meaning=layout.acts_on,
    )


def _half(module: str) -> ModuleType:
    """A module of this family that needs dm_control and MuJoCo."""
    return load_simulator(f"opengato.envs.dmc.{module}", extra="dmc")
