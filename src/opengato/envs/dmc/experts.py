"""Who plays which task of the suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from opengato.core.environment import Expert
from opengato.envs.dmc import controllers
from opengato.envs.dmc.controllers import Controller

EXPERTS: dict[tuple[str, str], Callable[[Any], Controller]] = {
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
