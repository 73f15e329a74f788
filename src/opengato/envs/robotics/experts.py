"""Controllers on what a robot observes: an arm that reaches, pushes and carries, a ball that rolls through a maze.

The letters of the arm: positions are (3,) arrays x, y, z in m; one unit of an action is 5 cm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

UNIT = 0.05  # m that an action of 1 asks of the gripper
Observed = dict[str, np.ndarray]


def toward(tip: np.ndarray, target: np.ndarray, gain: float = 2.0) -> np.ndarray:
    """The displacement (3,) that brings the gripper to a place, in units, within [-1, 1]."""
    return np.clip(gain * (target - tip) / UNIT, -1.0, 1.0)


def command(displacement: np.ndarray, fingers: float = 0.0) -> np.ndarray:
    """An action (4,) float32."""
    return np.clip(np.append(displacement, fingers), -1.0, 1.0).astype(np.float32)


def reach(observed: Observed) -> np.ndarray:
    """Straight to the goal."""
    return command(toward(observed["observation"][:3], observed["desired_goal"]))


BEHIND, ABOVE = 0.08, 0.08  # m between the gripper and a block before it is pushed, and while it is passed over
ASIDE, TOUCHING = 0.025, 0.03  # m off the line of a push, m behind the block's middle


def push(observed: Observed) -> np.ndarray:
    """Over the block to the place behind it, down, and through it towards the goal; slower as it comes near."""
    tip, block, goal = observed["observation"][:3], observed["observation"][3:6], observed["desired_goal"]
    distance = float(np.linalg.norm((goal - block)[:2]))
    if distance < 0.01:
        return command(np.zeros(3))
    direction = (goal - block)[:2] / distance
    from_block = (tip - block)[:2]
    along = float(from_block @ direction)
    aside = from_block - along * direction
    place = block[:2] - BEHIND * direction
    if along < -TOUCHING and np.linalg.norm(aside) < ASIDE:
        if tip[2] - block[2] > 0.03:
            return command(toward(tip, np.append(place, block[2])))
        aim = block[:2] + direction * min(0.05, distance) - aside - tip[:2]
        speed = min(1.0, max(0.2, 6.0 * distance))
        return command(np.append(speed * aim / np.linalg.norm(aim), (block[2] - tip[2]) / UNIT))
    target = np.append(place, block[2] + ABOVE)
    if np.linalg.norm(tip[:2] - place) < ASIDE:
        target[2] = block[2]
    elif tip[2] < target[2] - 0.03 and np.linalg.norm(from_block) < 0.11:
        target[:2] = tip[:2]  # up first: on the way it would sweep the block along
    return command(toward(tip, target))


NEAR, GRASPED = 0.01, 0.052  # m between gripper and block to close it, m between the fingers that hold the block


def pick_and_place(observed: Observed) -> np.ndarray:
    """Above the block, down to it with open fingers, close, and to the goal."""
    numbers, goal = observed["observation"], observed["desired_goal"]
    tip, block, opening = numbers[:3], numbers[3:6], numbers[9] + numbers[10]
    aside, above = float(np.linalg.norm((tip - block)[:2])), float((tip - block)[2])
    if aside < NEAR and abs(above) < NEAR:
        if opening > GRASPED:
            return command(0.3 * toward(tip, block), -1.0)
        return command(toward(block, goal, 1.5), -1.0)
    if aside < 0.02 or (above < 0.03 and aside < 0.03):
        return command(toward(tip, block), 1.0)
    return command(toward(tip, block + np.array([0.0, 0.0, ABOVE])), 1.0)


FETCH: dict[str, Callable[[Observed], np.ndarray]] = {
    "fetch-reach": reach,
    "fetch-push": push,
    "fetch-pick-and-place": pick_and_place,
}

Cell = tuple[int, int]
STIFFNESS, DAMPING = 10.0, 1.0  # force per m to the next cell, and per m/s


def steps_to(maze_map: list[list[Any]], goal: Cell) -> dict[Cell, int]:
    """Steps from each cell to `goal` between neighbours that are no walls (1), by breadth-first search."""
    steps, waiting = {goal: 0}, deque([goal])
    while waiting:
        cell = waiting.popleft()
        for near in neighbours(cell):
            if near not in steps and maze_map[near[0]][near[1]] != 1:
                steps[near] = steps[cell] + 1
                waiting.append(near)
    return steps


def neighbours(cell: Cell) -> tuple[Cell, ...]:
    """The four cells beside one; a maze has walls all around, so that they exist."""
    row, column = cell
    return (row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)


class MazeRunner:
    """Rolls to the middle of the next cell on a shortest path, and in the last two cells to the goal itself."""

    def __init__(self, maze: Any) -> None:
        """`maze`: Gymnasium-Robotics' map, which turns places into cells and back."""
        self.maze = maze
        self.goal: Cell | None = None
        self.steps: dict[Cell, int] = {}

    def __call__(self, observed: Observed) -> np.ndarray:
        place, speed = observed["observation"][:2], observed["observation"][2:]
        goal = self._cell(observed["desired_goal"])
        if goal != self.goal:
            self.goal, self.steps = goal, steps_to(self.maze.maze_map, goal)
        target = observed["desired_goal"]
        here = self._cell(place)
        if here != goal:
            after = min(neighbours(here), key=lambda cell: self.steps.get(cell, np.inf))
            if after != goal:
                target = self.maze.cell_rowcol_to_xy(np.array(after))
        return np.clip(STIFFNESS * (target - place) - DAMPING * speed, -1.0, 1.0).astype(np.float32)

    def _cell(self, place: np.ndarray) -> Cell:
        row, column = self.maze.cell_xy_to_rowcol(place)
        return int(row), int(column)
