"""Square pictures of gymnasium's environments: the part of the family that needs pygame."""

from __future__ import annotations

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # it draws into memory, and finds no screen on a server

import gymnasium
import numpy as np
import pygame  # noqa: F401 - gymnasium draws with it

from opengato.envs.pixels import square


class Pictures(gymnasium.Wrapper):
    """`render()` gives uint8 (render_size, render_size, 3)."""

    def __init__(self, env: gymnasium.Env, render_size: int) -> None:
        super().__init__(env)
        self.render_size = render_size

    def render(self) -> np.ndarray:
        return square(np.asarray(self.env.render()), self.render_size)
