"""Levels by reverse play: boxes start on the targets and are pulled away, so that every level can be solved.

A room is carved by a random walk, targets are drawn in it, and a player who pulls at random plays back from the end.
Of the boards met on the way with no box on a target, the one whose boxes went farthest is the level.
[Racaniere et al. 2017, arXiv:1707.06203, app. E], with a random player in place of their search.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opengato.envs.sokoban.board import Board

CARVED = 0.6  # of the cells inside the outer walls; the rest stays wall
TURN = 0.35  # chance that the carving walk turns
GO_ON = 0.5  # chance that the player goes on pulling the same way
PULLS_PER_BOX = 30
LEAST_FAR = 2  # cells between the boxes and the targets where they started, on average
ROOM_FOR_BOX = 3  # cells of a room for each box, at least


def make_level(rng: np.random.Generator, side: int, num_boxes: int) -> Board:
    """A level of `side` x `side` cells, walls around included; the same for the same state of `rng`."""
    while True:
        room = _carve(rng, side)
        cells = sorted(room)
        if len(cells) < ROOM_FOR_BOX * num_boxes + 1:
            continue
        places = [cells[i] for i in rng.permutation(len(cells))[: num_boxes + 1]]
        targets = frozenset(places[:-1])
        end = Board(width=side, height=side, floor=room, targets=targets, boxes=targets, player=places[-1])
        level = _pull_apart(rng, end, pulls=PULLS_PER_BOX * num_boxes)
        if level is not None:
            return level


def _carve(rng: np.random.Generator, side: int) -> frozenset[int]:
    """The floor that a random walk leaves behind, two cells wide where it turned."""
    inside = range(1, side - 1)
    row, column = (int(rng.integers(1, side - 1)) for _ in range(2))
    down, right = _direction(rng)
    floor = {row * side + column}
    wanted = int(CARVED * len(inside) ** 2)
    while len(floor) < wanted:
        if rng.random() < TURN or row + down not in inside or column + right not in inside:
            down, right = _direction(rng)
            floor.update(
                r * side + c for r in (row, row + down) for c in (column, column + right) if {r, c} <= {*inside}
            )
            continue
        row, column = row + down, column + right
        floor.add(row * side + column)
    return frozenset(floor)


def _direction(rng: np.random.Generator) -> tuple[int, int]:
    return ((-1, 0), (1, 0), (0, -1), (0, 1))[rng.integers(4)]


def _pull_apart(rng: np.random.Generator, end: Board, pulls: int) -> Board | None:
    """The board of the farthest boxes, all off their targets, in a play backwards from `end`; None if there is none."""
    board, came_from = end, {box: box for box in end.boxes}
    best, farthest, last = None, LEAST_FAR * len(end.boxes) - 1, (-1, 0)
    for _ in range(pulls):
        reachable = board.reachable
        options = [
            (box, step)
            for box in sorted(board.boxes)
            for step in board.steps
            if box + step in reachable and box + 2 * step in board.floor - board.boxes
        ]
        if not options:
            break
        box, step = last if last in options and rng.random() < GO_ON else options[rng.integers(len(options))]
        board = replace(board, boxes=board.boxes - {box} | {box + step}, player=box + 2 * step)
        came_from[box + step] = came_from.pop(box)
        last = (box + step, step)
        far = sum(_distance(box, target, board.width) for box, target in came_from.items())
        if far > farthest and not board.boxes & board.targets:
            best, farthest = board, far
    return best


def _distance(first: int, second: int, width: int) -> int:
    (row, column), (other_row, other_column) = divmod(first, width), divmod(second, width)
    return abs(row - other_row) + abs(column - other_column)
