"""Gymnasium-Robotics' environments: success by step, no files left behind, nothing carried from episode to episode."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np

with contextlib.redirect_stderr(io.StringIO()):  # a notice that rewards of its older versions differ
    import gymnasium_robotics

from opengato.envs.gl import ensure_gl
from opengato.envs.robotics.tasks import GYMNASIUM, kitchen_things

_mj: Any = mujoco  # the names of a compiled module, which a type checker cannot see
gymnasium.register_envs(gymnasium_robotics)


class Robot(gymnasium.Wrapper):
    """One task; `name` is ours, `unwrapped` is Gymnasium-Robotics' own environment."""

    def __init__(self, name: str, render_size: int = 0) -> None:
        settings: dict[str, Any] = {}
        if name.startswith("kitchen-"):
            settings["tasks_to_complete"] = kitchen_things(name)
        if render_size > 0:
            ensure_gl()
            settings |= {"render_mode": "rgb_array", "width": render_size, "height": render_size}
        super().__init__(gymnasium.make(GYMNASIUM[name], disable_env_checker=True, **settings))
        self.name, self.render_size = name, render_size
        inner: Any = self.env.unwrapped
        if "maze-" in name:  # a maze is written to a file in /tmp, read, and forgotten there
            Path(inner.tmp_xml_file_path).unlink()
        # On a CPU a picture costs a fraction without samples and with a small map of shadows; read at the first one.
        inner.model.vis.quality.offsamples = 0
        inner.model.vis.quality.shadowsize = 64

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; `seed` fixes it, whatever was played before."""
        inner: Any = self.env.unwrapped
        if self.name.startswith("hand-"):  # it leaves the solver's warm start, and an episode would depend on the last
            _mj.mj_resetData(inner.model, inner.data)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """A step of the task with `info["success"]`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), bool(terminated), truncated, {**info, "success": self._success(info)}

    def _success(self, info: dict[str, Any]) -> bool:
        if self.name.startswith("kitchen-"):
            return len(info["episode_task_completions"]) == len(kitchen_things(self.name))
        return bool(info["success"] if "success" in info else info["is_success"])

    def render(self) -> Any:
        """Pixels (render_size, render_size, 3) uint8."""
        if self.render_size <= 0:
            raise ValueError(f"robotics/{self.name} was made without pictures; give make(...) a `render_size` above 0")
        return self.env.render()


def find_robot(env: gymnasium.Env) -> Robot:
    """The layer that knows the task's name, below any wrappers."""
    layer = env
    while not isinstance(layer, Robot):
        if not isinstance(layer, gymnasium.Wrapper):
            raise ValueError(f"received the environment {env}, expected one made by the family 'robotics'")
        layer = layer.env
    return layer
