"""The tasks of Sokoban: a size of the board, and how many boxes.

One step of `sokoban/9x9-1`: what stands in each of 10 x 10 cells, and a move.

    [0 0 0 0 0 0 0 0 0 0 | ... 0 1 1 3 2 0 ... | ... ]  ->  3      wall 0, floor 1, target 2, box 3, ...; go right
"""

from __future__ import annotations

from collections.abc import Mapping

import gymnasium
import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert, ExpertFailed
from opengato.core.episode import ArraySpec
from opengato.envs.sokoban.board import MAX_STEPS, SIDE
from opengato.envs.sokoban.environment import SokobanEnv
from opengato.envs.sokoban.solver import Solver
from opengato.envs.table import Row, TableFamily

BOARD = ArraySpec(
    name="sokoban/board",
    kind="discrete",
    shape=(SIDE * SIDE,),
    dtype="uint8",
    num_values=7,
    meaning="what stands in each cell, row by row: 0 wall, 1 floor, 2 target, 3 box, 4 box on a target, 5 player, "
    "6 player on a target; boards smaller than 10 x 10 stand in the middle",
)
MOVE = ArraySpec(
    name="sokoban/move", kind="discrete", dtype="int64", num_values=4, meaning="0 up, 1 down, 2 left, 3 right"
)
# (cells of a side, walls around included; boxes). On smaller boards levels of training come again in evaluation.
SIZES = ((9, 1), (10, 1), (8, 2), (8, 3), (9, 2), (9, 3), (10, 2), (10, 3), (10, 4))
LEVELS = {f"{side}x{side}-{boxes}": (side, boxes) for side, boxes in SIZES}


class Family(TableFamily):
    """Sokoban as tasks `sokoban/<side>x<side>-<boxes>`; `sokoban/10x10-4` is the size of Gym-Sokoban's `Sokoban-v1`.

    As there: -0.1 a step, +1 for a box that comes onto a target, -1 for one that leaves it, +10 for the last, 120
    steps. In place of nine actions (to push, to walk, each in four directions, and to wait) there are four moves, which
    push what stands in the way. Success is every box on a target.
    """

    name = "sokoban"
    packages = ("numpy", "gymnasium")

    def table(self) -> Mapping[str, Row]:
        return {name: _row(side, boxes) for name, (side, boxes) in LEVELS.items()}

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of `8x8-2`; `reset(seed=s)` makes the level of seed s."""
        side, boxes = LEVELS[choose(name, LEVELS, what="size of Sokoban")]
        return SokobanEnv(side, boxes, render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A shortest solution of the level, and of the board as it is where other moves were made.

        It raises ExpertFailed for a board that cannot be solved any more.
        """
        return _Solution(env)


def _row(side: int, boxes: int) -> Row:
    goal = "push the box onto the target" if boxes == 1 else f"push the {boxes} boxes onto the targets"
    return Row(
        instruction=f"{goal} on a board of {side} by {side} cells",
        observation=BOARD,
        action=MOVE,
        max_steps=MAX_STEPS,
        expert="A*",
    )


class _Solution:
    """Moves of a shortest solution, found anew when the board is not the one that they lead to."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env
        self.board = env.get_wrapper_attr("board")
        self.solver = Solver(self.board)
        self._solve()

    def __call__(self, observation: np.ndarray) -> int:
        board = self.env.get_wrapper_attr("board")
        if board != self.board or not self.moves:
            self.board = board
            self._solve()
        move = self.moves.pop()
        self.board = board.moved(move)
        return move

    def _solve(self) -> None:
        moves = self.solver.solve(self.board)
        if not moves:
            raise ExpertFailed(f"no solution was found of the board\n{self.board}")
        self.moves = moves[::-1]
