"""Meta-World's environments as episodes that a seed fixes and that end soon after success."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP

from opengato.core.environment import Expert
from opengato.envs.camera import Camera, View

STEPS_AFTER_SUCCESS = 5
# Over the robot's right shoulder; Meta-World's own corner cameras hang upside down.
VIEW = View(look_at=(0.0, 0.68, 0.12), distance=1.15, azimuth=150.0, elevation=-35.0)


class MetaWorldEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One task. `simulation` is Meta-World's own environment, for those who want more than this one shows."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012 - Gymnasium's own way

    def __init__(self, name: str, render_size: int = 0) -> None:
        self.name = name
        self.simulation = ALL_V3_ENVIRONMENTS[f"{name}-v3"]()
        self.simulation._partially_observable = False
        # The space was computed and cached while the goal was hidden; step() clips to it, and the goal would stay 0.
        del self.simulation.__dict__["sawyer_observation_space"]
        self.simulation.observation_space = self.observation_space = self.simulation.sawyer_observation_space
        self.simulation._set_task_called = self.simulation.seeded_rand_vec = True
        self.action_space = self.simulation.action_space
        self.render_mode = "rgb_array" if render_size > 0 else None
        self._render_size = render_size
        self._camera: Camera | None = None
        self._remaining: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start the episode of `seed`, or of the next draw if None; observation (39,) float64."""
        super().reset(seed=seed)
        self.simulation.np_random = self.np_random
        self._remaining = None
        # Meta-World places the objects after it has computed their positions, so that a first observation shows the
        # places of the episode before. Its benchmarks freeze what was drawn and reset once more; so do we.
        self.simulation._freeze_rand_vec = False
        self.simulation.reset_model()
        self.simulation._freeze_rand_vec = True
        observation, _ = self.simulation.reset()
        return observation, {"success": False, "dense_reward": 0.0}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """1/80 s. `info` has `success` (bool, in this step), `dense_reward` (0 to 10) and Meta-World's own measures."""
        if np.shape(action) != (4,):
            raise ValueError(f"action for 'metaworld/{self.name}': received shape {np.shape(action)}, expected (4,)")
        observation, dense_reward, _, truncated, info = self.simulation.step(action)
        success = bool(info["success"])
        reward = 0.0
        if self._remaining is not None:
            self._remaining -= 1
        elif success:
            reward, self._remaining = 1.0, STEPS_AFTER_SUCCESS
        info = {**info, "success": success, "dense_reward": float(dense_reward)}
        return observation, reward, self._remaining == 0, bool(truncated), info

    def render(self) -> np.ndarray:
        """Pixels (render_size, render_size, 3) uint8, seen over the robot's right shoulder."""
        if self.render_mode is None:
            raise ValueError(f"metaworld/{self.name} was made without pictures; give make(...) a `render_size` above 0")
        if self._camera is None:
            self._camera = Camera(self.simulation.model, self._render_size, VIEW)
        return self._camera.picture(self.simulation.data)

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self.simulation.close()


def scripted_policy(name: str) -> Expert:
    """Meta-World's policy of task `name`: observation (39,) to action (4,) float32 in [-1, 1]."""
    policy = ENV_POLICY_MAP[f"{name}-v3"]()

    def act(observation: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Constant(s) may be too high", at most steps: that is why we clip
            return np.clip(policy.get_action(observation), -1.0, 1.0).astype(np.float32)

    return act
