"""The rules of Sokoban on a board of at most 10 x 10 cells.

######        cells are numbered row by row: the player (@) in cell 8 may push the box ($) in cell 9 to the right,
# @$.#        onto the target (.) in cell 10; a box on a target is shown as *, the player on one as +
######
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

SIDE = 10  # of what the agent sees; smaller boards stand in the middle, walls around them
WALL, FLOOR, TARGET, BOX, BOX_ON_TARGET, PLAYER, PLAYER_ON_TARGET = range(7)
SIGNS = "# .$*@+"
UP, DOWN, LEFT, RIGHT = range(4)
MAX_STEPS = 120
STEP_REWARD, BOX_REWARD, SOLVED_REWARD = -0.1, 1.0, 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One state of a level. `floor` are all cells but walls; a board has walls all around."""

    width: int
    height: int
    floor: frozenset[int]
    targets: frozenset[int]
    boxes: frozenset[int]
    player: int

    @classmethod
    def parse(cls, text: str) -> Board:
        """The board of a picture in `SIGNS`, all lines of the same length."""
        lines = [line for line in text.splitlines() if line]
        kinds = {i: SIGNS.index(sign) for i, sign in enumerate("".join(lines))}
        return cls(
            width=len(lines[0]),
            height=len(lines),
            floor=frozenset(cell for cell, kind in kinds.items() if kind != WALL),
            targets=frozenset(c for c, kind in kinds.items() if kind in (TARGET, BOX_ON_TARGET, PLAYER_ON_TARGET)),
            boxes=frozenset(cell for cell, kind in kinds.items() if kind in (BOX, BOX_ON_TARGET)),
            player=next(cell for cell, kind in kinds.items() if kind in (PLAYER, PLAYER_ON_TARGET)),
        )

    @property
    def steps(self) -> tuple[int, int, int, int]:
        """What up, down, left and right add to the number of a cell."""
        return (-self.width, self.width, -1, 1)

    @property
    def solved(self) -> bool:
        """Every box stands on a target."""
        return self.boxes == self.targets

    @property
    def reachable(self) -> frozenset[int]:
        """The cells that the player can walk to without a push."""
        return frozenset(self.walks())

    def walks(self) -> dict[int, int | None]:
        """Each reachable cell, with the last move of a shortest walk there (None where the player stands)."""
        came: dict[int, int | None] = {self.player: None}
        waiting = deque([self.player])
        while waiting:
            cell = waiting.popleft()
            for action, step in enumerate(self.steps):
                near = cell + step
                if near not in came and near in self.floor and near not in self.boxes:
                    came[near] = action
                    waiting.append(near)
        return came

    def moved(self, action: int) -> Board:
        """The board after a move; itself where a wall, or a box that cannot be pushed, is in the way."""
        step = self.steps[action]
        cell, behind = self.player + step, self.player + 2 * step
        if cell in self.boxes:
            if behind not in self.floor or behind in self.boxes:
                return self
            return replace(self, player=cell, boxes=self.boxes - {cell} | {behind})
        return replace(self, player=cell) if cell in self.floor else self

    def kinds(self) -> np.ndarray:
        """What stands in each cell, as one of the seven kinds: (height, width) uint8."""
        kinds = np.full(self.width * self.height, WALL, np.uint8)
        kinds[list(self.floor)] = FLOOR
        kinds[list(self.targets)] = TARGET
        for box in self.boxes:
            kinds[box] = BOX_ON_TARGET if box in self.targets else BOX
        kinds[self.player] = PLAYER_ON_TARGET if self.player in self.targets else PLAYER
        return kinds.reshape(self.height, self.width)

    def seen(self) -> np.ndarray:
        """The same in the middle of SIDE x SIDE cells, row by row: (SIDE * SIDE,) uint8."""
        seen = np.full((SIDE, SIDE), WALL, np.uint8)
        top, left = (SIDE - self.height) // 2, (SIDE - self.width) // 2
        seen[top : top + self.height, left : left + self.width] = self.kinds()
        return seen.reshape(-1)

    def __str__(self) -> str:
        return "\n".join("".join(SIGNS[kind] for kind in row) for row in self.kinds())


def reward(before: Board, after: Board) -> float:
    """-0.1 a step, 1 for each box that came onto a target, -1 for one that left it, 10 for the last."""
    gained = len(after.boxes & after.targets) - len(before.boxes & before.targets)
    return STEP_REWARD + BOX_REWARD * gained + SOLVED_REWARD * after.solved
