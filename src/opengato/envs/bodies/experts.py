"""The planner that moves bodies forward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opengato.core.environment import Expert
from opengato.envs.bodies.simulator import BodyEnv
from opengato.envs.mpc import Config, Planner

PLAN = Config(samples=32, horizon=80, knots=8, every=4, substeps=1)
UPRIGHT = 2.0  # see `Runner`


def expert(env: BodyEnv) -> Expert:
    """The expert for the episode that `env` has just been reset to."""
    reward = replace(env.reward, upright=UPRIGHT if env.shape.planar else 0.0)
    plan = Planner(PLAN, env.model, env.seconds, lambda futures: reward(futures, env.seconds), env.episode_seed)
    return lambda _: plan(env.data).astype(np.float32)
