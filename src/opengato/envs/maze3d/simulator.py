"""MiniWorld's worlds: one window for all of them, success by step, pictures from above."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Generator
from typing import Any

import gymnasium
import miniworld.envs
import miniworld.miniworld
import numpy as np
import pyglet
from miniworld.opengl import FrameBuffer

from opengato.core.environment import Expert
from opengato.envs.maze3d import planning
from opengato.envs.maze3d.tasks import SIZE

_miniworld: Any = miniworld.miniworld
_windows: Any = pyglet.window
_Window = _windows.Window
SHOWN: list[World] = []  # the world whose walls are drawn into the window's list, at most one


@functools.cache
def _window() -> Any:
    return _Window(width=1, height=1, visible=False)


@functools.cache
def _buffer(width: int, height: int, samples: int) -> FrameBuffer:
    return FrameBuffer(width, height, min(samples, 4))


@contextlib.contextmanager
def _one_screen() -> Generator[None]:
    """Worlds made inside share a window and a buffer for each size: MiniWorld makes new ones and never frees them."""
    _windows.Window, _miniworld.FrameBuffer = (lambda **_: _window()), _buffer
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        _windows.Window, _miniworld.FrameBuffer = _Window, FrameBuffer


class World(gymnasium.Wrapper):
    """One of MiniWorld's environments; `kind` is the name of its class."""

    def __init__(self, kind: str, render_size: int = 0) -> None:
        size = render_size or SIZE
        mode = "rgb_array" if render_size else None
        with _one_screen():
            _window().switch_to()
            world = getattr(miniworld.envs, kind)(
                obs_width=SIZE, obs_height=SIZE, window_width=size, window_height=size, render_mode=mode, view="top"
            )
        super().__init__(world)
        self.kind, self.render_size, self.world = kind, render_size, world
        SHOWN[:] = [self]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new world; `seed` fixes it."""
        _window().switch_to()
        SHOWN[:] = [self]
        return self.env.reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """A step, with `info["success"]` where the task has one."""
        self._take_the_window()
        observation, gained, terminated, truncated, info = self.env.step(action)
        reward = float(gained)
        if self.kind == "PickupObjects":
            info["success"] = bool(terminated)
        elif self.kind != "CollectHealth":
            info["success"] = bool(terminated and reward > 0)
        return observation, reward, bool(terminated), bool(truncated), info

    def render(self) -> Any:
        """Pixels (render_size, render_size, 3) uint8: the world from above, the agent a red triangle."""
        if self.render_size <= 0:
            raise ValueError(f"{self.kind} of maze3d was made without pictures; give make(...) a `render_size` above 0")
        self._take_the_window()
        return self.env.render()

    def close(self) -> None:
        if self in SHOWN:
            SHOWN.clear()

    def _take_the_window(self) -> None:
        """Draw the walls again where another world was drawn last: they are kept in one list by MiniWorld."""
        _window().switch_to()
        if self not in SHOWN:
            self.world._render_static()
            SHOWN[:] = [self]


def planner(env: gymnasium.Env) -> Expert:
    """The expert for the world that `env` has just been reset to."""
    layer = env
    while not isinstance(layer, World):
        if not isinstance(layer, gymnasium.Wrapper):
            raise ValueError(f"received the environment {env}, expected one made by the family 'maze3d'")
        layer = layer.env
    act = planning.planner(layer.kind, layer.world)
    return lambda _observation: np.int64(act())
