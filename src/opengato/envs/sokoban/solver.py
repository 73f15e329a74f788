"""A* over pushes.

[Hart, Nilsson and Raphael 1968, A Formal Basis for the Heuristic Determination of Minimum Cost Paths]. A state is where
the boxes are and where the last push left the player. Its cost are the moves so far, and at least the pushes of the
cheapest pairing of boxes and targets are to come, so that the solution found is a shortest one. Boards that cannot be
solved any more are left out: a box from where no push leads to a target, or one in a square of four cells that hold
boxes and walls only.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import replace

from opengato.envs.sokoban.board import Board

MAX_EXPANSIONS = 30_000
HOPELESS = 1_000_000

State = tuple[frozenset[int], int]


class Solver:
    """What one level's walls and targets say; `solve` takes any board of that level."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.distances = {target: self._pushes_to(target) for target in board.targets}
        self._bounds: dict[frozenset[int], int] = {}

    def solve(self, board: Board) -> list[int] | None:
        """The fewest moves that solve the board; None where none do, or more than MAX_EXPANSIONS states were met."""
        start: State = (board.boxes, board.player)
        costs: dict[State, int] = {start: 0}
        came: dict[State, tuple[State, list[int]]] = {}
        waiting = [(self._bound(board.boxes), 0, start)]
        order = itertools.count(1)
        for _ in range(MAX_EXPANSIONS):
            if not waiting or waiting[0][0] >= HOPELESS:
                return None
            _, _, state = heapq.heappop(waiting)
            cost = costs[state]
            if state[0] == board.targets:
                return self._moves(state, came)
            for following, moves in self._pushes(state):
                total = cost + len(moves)
                if total < costs.get(following, HOPELESS):
                    costs[following], came[following] = total, (state, moves)
                    heapq.heappush(waiting, (total + self._bound(following[0]), next(order), following))
        return None

    def _pushes(self, state: State) -> list[tuple[State, list[int]]]:
        """Every push that is not hopeless, with the moves that make it."""
        boxes, player = state
        came = replace(self.board, boxes=boxes, player=player).walks()
        found = []
        for box in boxes:
            for action, step in enumerate(self.board.steps):
                beside, to = box - step, box + step
                if beside not in came or to not in self.board.floor or to in boxes:
                    continue
                pushed = boxes - {box} | {to}
                if self._bound(pushed) >= HOPELESS or self._is_frozen(pushed, to):
                    continue
                moves, cell = [action], beside
                while (move := came[cell]) is not None:
                    moves.append(move)
                    cell -= self.board.steps[move]
                found.append(((pushed, box), moves[::-1]))
        return found

    def _bound(self, boxes: frozenset[int]) -> int:
        """The fewest pushes that a pairing of boxes and targets needs, each box alone on the board."""
        if boxes not in self._bounds:
            places = tuple(boxes)
            self._bounds[boxes] = min(
                sum(self.distances[target].get(box, HOPELESS) for box, target in zip(places, targets, strict=True))
                for targets in itertools.permutations(self.board.targets)
            )
        return self._bounds[boxes]

    def _pushes_to(self, target: int) -> dict[int, int]:
        """The pushes that a single box needs from each cell to `target`, found by pulling it from there."""
        floor, distances, waiting = self.board.floor, {target: 0}, deque([target])
        while waiting:
            cell = waiting.popleft()
            for step in self.board.steps:
                if cell - step in floor and cell - 2 * step in floor and cell - step not in distances:
                    distances[cell - step] = distances[cell] + 1
                    waiting.append(cell - step)
        return distances

    def _is_frozen(self, boxes: frozenset[int], pushed: int) -> bool:
        """Whether the box just pushed is part of a full square of four cells, not all of whose boxes are on targets."""
        width = self.board.width
        for corner in (pushed, pushed - 1, pushed - width, pushed - width - 1):
            square = (corner, corner + 1, corner + width, corner + width + 1)
            barred = [cell for cell in square if cell in boxes or cell not in self.board.floor]
            if len(barred) == 4 and not boxes.intersection(square) <= self.board.targets:
                return True
        return False

    @staticmethod
    def _moves(state: State, came: dict[State, tuple[State, list[int]]]) -> list[int]:
        pieces = []
        while state in came:
            state, moves = came[state]
            pieces.append(moves)
        return [move for moves in reversed(pieces) for move in moves]
