"""The planner that moves bodies forward."""

from __future__ import annotations

import numpy as np

from opengato.core.environment import Expert
from opengato.envs.bodies.simulator import BodyEnv
from opengato.envs.mpc import Config, Planner

PLAN = Config(samples=48, horizon=100, knots=8, every=4, substeps=1)


def expert(env: BodyEnv) -> Expert:
    """The expert for the episode that `env` has just been reset to."""
    plan = Planner(PLAN, env.model, env.seconds, lambda futures: env.reward(futures, env.seconds), env.episode_seed)
    return lambda _: plan(env.data).astype(np.float32)
