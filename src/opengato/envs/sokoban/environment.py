"""Sokoban as an environment: levels by seed, rewards, pictures."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from opengato.envs.pixels import square
from opengato.envs.sokoban.board import (
    BOX,
    BOX_ON_TARGET,
    MAX_STEPS,
    PLAYER,
    PLAYER_ON_TARGET,
    SIDE,
    TARGET,
    Board,
    reward,
)
from opengato.envs.sokoban.levels import make_level

TILE = 8  # pixels, before the picture is brought to its size
BACKGROUND = np.array([[70, 60, 60]] + [[225, 215, 190]] * 6, np.uint8)  # by kind: walls are dark
SHAPES = {  # by kind: the colour of the shape inside the tile, its margin in pixels
    TARGET: ((200, 40, 40), 3),
    BOX: ((150, 100, 40), 1),
    BOX_ON_TARGET: ((40, 150, 60), 1),
    PLAYER: ((40, 80, 200), 2),
    PLAYER_ON_TARGET: ((140, 60, 190), 2),
}


class SokobanEnv(gymnasium.Env[np.ndarray, np.integer]):
    """One size of board. `board` is the state as it is."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012 - Gymnasium's own way

    def __init__(self, side: int, num_boxes: int, render_size: int = 0) -> None:
        self.side, self.num_boxes, self.render_size = side, num_boxes, render_size
        self.observation_space = spaces.MultiDiscrete(np.full(SIDE * SIDE, 7), dtype=np.uint8)
        self.action_space = spaces.Discrete(4)
        self.render_mode = "rgb_array" if render_size > 0 else None
        self.board: Board
        self.num_steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """A new level, that of `seed` if one is given."""
        super().reset(seed=seed)
        self.board = make_level(self.np_random, self.side, self.num_boxes)
        self.num_steps = 0
        return self.board.seen(), {"success": False}

    def step(self, action: int | np.integer) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        before, self.board = self.board, self.board.moved(int(action))
        self.num_steps += 1
        solved = self.board.solved
        truncated = self.num_steps >= MAX_STEPS and not solved
        return self.board.seen(), reward(before, self.board), solved, truncated, {"success": solved}

    def render(self) -> np.ndarray:
        """The board without what surrounds it: uint8 (render_size, render_size, 3)."""
        if self.render_mode is None:
            raise ValueError("this level was made without pictures; give make(...) a `render_size` above 0")
        kinds = self.board.kinds()
        frame = BACKGROUND[kinds].repeat(TILE, axis=0).repeat(TILE, axis=1)
        for row, column in np.argwhere(np.isin(kinds, list(SHAPES))):
            colour, margin = SHAPES[int(kinds[row, column])]
            top, left = row * TILE, column * TILE
            frame[top + margin : top + TILE - margin, left + margin : left + TILE - margin] = colour
        return square(frame, self.render_size)
