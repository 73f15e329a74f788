"""An environment as a user might write it, with an expert that looks into it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

LENGTH = 8


class Line(gymnasium.Env):
    """Walk to a goal on a line of eight places; rewards -1 a step that does not reach it."""

    observation_space = spaces.Dict(
        place=spaces.Box(0, LENGTH - 1, (1,), np.float32), goal=spaces.Discrete(LENGTH), dark=spaces.MultiBinary(2)
    )
    action_space = spaces.Dict(direction=spaces.Discrete(2, start=-1), speed=spaces.Box(0, 2, (1,), np.float32))

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.goal = int(self.np_random.integers(LENGTH))
        self.place = float((self.goal + self.np_random.integers(2, LENGTH - 1)) % LENGTH)
        return self._look(), {}

    def step(self, action: dict[str, Any]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        step = (2 * int(action["direction"]) + 1) * float(action["speed"][0])
        self.place = min(max(self.place + step, 0.0), LENGTH - 1.0)
        there = abs(self.place - self.goal) < 0.5
        return self._look(), 0.0 if there else -1.0, there, False, {"is_success": np.float64(there)}

    def render(self) -> np.ndarray | None:
        if self.render_mode != "rgb_array":
            return None
        picture = np.zeros((4, LENGTH, 3), np.uint8)
        picture[:, round(self.place)] = 255
        return picture

    def _look(self) -> dict[str, Any]:
        return {
            "place": np.array([self.place], np.float32),
            "goal": np.int64(self.goal),
            "dark": np.zeros(2, np.int8),
        }


class Guide:
    """Looks into the simulator, and counts its steps."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env
        self.steps = 0

    def __call__(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.steps += 1
        assert self.steps <= LENGTH, "made anew for each episode"
        way = self.env.get_wrapper_attr("goal") - float(observation["place"][0])
        return {"direction": np.int64(0 if way > 0 else -1), "speed": np.array([min(abs(way), 2.0)], np.float32)}


def goal_of(env: gymnasium.Env) -> str:
    return f"go to place {env.get_wrapper_attr('goal')}"
