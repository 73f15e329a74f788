"""Who plays which task of the suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from opengato.core.environment import Expert
from opengato.envs.dmc import controllers, planning
from opengato.envs.dmc.controllers import Controller
from opengato.envs.dmc.planning import planner
from opengato.envs.mpc import Config

STAND = Config(samples=32, horizon=30, every=2, substeps=3, enough=0.97)
WALK = Config(samples=32, horizon=30, every=2, substeps=3, enough=1.25)
TURN = Config(samples=32, horizon=40, every=3, substeps=2, enough=0.85)
CATCH = Config(samples=32, horizon=40, knots=8, every=4, substeps=4, enough=0.95)
RUN = Config(samples=32, iterations=2, horizon=40, knots=8, every=2, noise=0.5)
RIGHT = Config(samples=32, horizon=40, every=4, substeps=4, enough=0.98)
FISH = Config(samples=32, horizon=40, knots=12, every=4, substeps=4, noise=1.2)
EXPERTS: dict[tuple[str, str], Callable[[Any], Controller]] = {
    ("acrobot", "swingup"): controllers.acrobot,
    ("ball_in_cup", "catch"): planner(CATCH, planning.ball_in_cup),
    ("cheetah", "run"): planner(RUN, planning.cheetah),
    ("finger", "turn_easy"): planner(TURN, planning.turn),
    ("finger", "turn_hard"): planner(TURN, planning.turn),
    ("fish", "upright"): planner(RIGHT, planning.fish_upright),
    ("fish", "swim"): planner(FISH, planning.fish_swim),
    ("walker", "stand"): planner(STAND, planning.walker(0)),
    ("walker", "walk"): planner(WALK, planning.walker(1)),
    ("walker", "run"): planner(WALK, planning.walker(8)),
    ("cartpole", "balance"): controllers.cartpole,
    ("cartpole", "balance_sparse"): controllers.cartpole,
    ("cartpole", "swingup"): controllers.cartpole,
    ("cartpole", "swingup_sparse"): controllers.cartpole,
    ("lqr", "lqr_2_1"): controllers.lqr,
    ("lqr", "lqr_6_2"): controllers.lqr,
    ("pendulum", "swingup"): controllers.pendulum,
    ("point_mass", "easy"): controllers.point_mass,
    ("point_mass", "hard"): controllers.point_mass,
    ("reacher", "easy"): controllers.reacher,
    ("reacher", "hard"): controllers.reacher,
}


def expert(env: Any) -> Expert:
    """The expert for the episode that a `ControlEnv` has just been reset to; what it is shown it does not need."""
    control = EXPERTS[env.domain, env.task_name](env)

    def act(_: np.ndarray) -> np.ndarray:
        return env.action_of(control())

    return act
