"""Gymnasium's MuJoCo environments with fast square pictures: the half of the family that loads MuJoCo."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from opengato.envs.camera import Camera, View

TRACK = 0  # the camera that follows a body, where a model has one
VIEWS = {
    "InvertedPendulum": View(look_at=(0.0, 0.0, 0.2), distance=2.5, azimuth=90.0, elevation=-5.0),
    "InvertedDoublePendulum": View(look_at=(0.0, 0.0, 0.5), distance=3.5, azimuth=90.0, elevation=-5.0),
    "Reacher": View(look_at=(0.0, 0.0, 0.0), distance=0.7, azimuth=90.0, elevation=-89.0),
    "Pusher": View(look_at=(0.3, -0.3, -0.3), distance=2.2, azimuth=160.0, elevation=-35.0),
}


def make(name: str, render_size: int) -> gymnasium.Env:
    """Gymnasium's `name` of version 5, without the layers that check every step."""
    return PicturedEnv(gymnasium.make(f"{name}-v5", disable_env_checker=True), name, render_size)


class PicturedEnv(gymnasium.Wrapper):
    """Draws pictures (render_size, render_size, 3) uint8."""

    def __init__(self, env: gymnasium.Env, name: str, render_size: int) -> None:
        super().__init__(env)
        self._view, self._render_size = VIEWS.get(name, TRACK), render_size
        self._camera: Camera | None = None

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), terminated, truncated, info

    def render(self) -> Any:
        if self._render_size <= 0:
            raise ValueError("received no render_size at make, expected > 0 for pictures; make the task again so")
        if self._camera is None:
            self._camera = Camera(self.unwrapped.model, self._render_size, self._view)
        return self._camera.picture(self.unwrapped.data)

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self.env.close()
