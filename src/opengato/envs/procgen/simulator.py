"""Procgen's environments and the model that look-ahead plans in: the half of the family that needs Procgen's library.

Letters: N plans, H steps of a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from PIL import Image

from opengato.core.environment import Expert
from opengato.envs import lookahead
from opengato.envs.procgen.library import NUM_ACTIONS, Levels

MAX_LEVELS = 2**31 - 1


class ProcgenEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One game, a level of it in each episode. `levels` is the simulator, `level` the number of the episode's level."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - Gymnasium's own way
    observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(NUM_ACTIONS)

    def __init__(self, name: str, max_steps: int, render_size: int = 0) -> None:
        self.name = name
        self.level = 0
        self.levels = Levels(name, self.level)
        self.render_mode = "rgb_array" if render_size > 0 else None
        self._render_size, self._max_steps, self._steps = render_size, max_steps, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start level `seed`, or a level drawn if None."""
        super().reset(seed=seed)
        self.level = int(self.np_random.integers(MAX_LEVELS)) if seed is None else seed % MAX_LEVELS
        self.levels.close()
        self.levels = Levels(self.name, self.level)
        self._steps = 0
        return self.levels.rgb[0].copy(), {"success": False}

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step; the last observation of an episode is the first of the same level begun anew."""
        if not self.action_space.contains(action):
            raise ValueError(f"action for 'procgen/{self.name}': received {action!r}, expected an integer from 0 to 14")
        self.levels.step(np.array([action]))
        self._steps += 1
        over = bool(self.levels.first_N[0])
        success = over and bool(self.levels.info["prev_level_complete"][0])
        truncated = self._steps >= self._max_steps and not success
        observation = self.levels.rgb[0].copy()
        return observation, float(self.levels.reward_N[0]), over and not truncated, truncated, {"success": success}

    def render(self) -> np.ndarray:
        """What the agent sees, as pixels (render_size, render_size, 3) uint8."""
        size = self._render_size
        if size <= 0:
            raise ValueError(f"procgen/{self.name} was made without pictures; give make(...) a `render_size` above 0")
        return np.asarray(Image.fromarray(self.levels.rgb[0]).resize((size, size), Image.Resampling.BOX))

    def close(self) -> None:
        self.levels.close()


class LevelModel(lookahead.Model):
    """Plans played side by side in copies of the level, from the episode's state. `actions` may hold one repeatedly."""

    def __init__(self, env: ProcgenEnv, actions: Sequence[int], plans: int) -> None:
        self.env, self.actions = env, np.array(actions)
        self.copies = Levels(env.name, env.level, plans)
        self.num_actions = len(actions)

    def outcomes(self, plans_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reward_NH, lost_NH = np.zeros(plans_NH.shape), np.zeros(plans_NH.shape, bool)
        copies, running_N = self.copies, np.ones(len(plans_NH), bool)
        copies.restore([self.env.levels.state()] * len(plans_NH))
        for step, action_N in enumerate(self.actions[plans_NH].T):
            copies.step(action_N)
            reward_NH[:, step] = copies.reward_N * running_N
            lost_NH[:, step] = running_N & copies.first_N & (copies.info["prev_level_complete"] == 0)
            running_N &= ~copies.first_N
            if not running_N.any():
                break
        return reward_NH, lost_NH


def look_ahead(env: gymnasium.Env, actions: Sequence[int], config: lookahead.Config) -> Expert:
    """The expert of the episode that `env` is in: called with an observation, it answers with an action 0 to 14."""
    episode = env.unwrapped
    if not isinstance(episode, ProcgenEnv):
        raise ValueError(f"received the environment {env}, expected one made by the family 'procgen'")
    model = LevelModel(episode, actions, config.plans)
    plan = config.build(model, np.random.default_rng(episode.level))
    return lambda observation: int(model.actions[plan(observation)])
