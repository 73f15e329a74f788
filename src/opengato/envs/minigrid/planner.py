"""A planner for worlds of rooms, doors, keys and things in the way, that sees the whole map.

Walks are shortest paths over (cell, direction). What bars a walk is cleared first, nearest first: a closed door is
opened, a locked one after its key was fetched (out of its box), a thing is carried to where it bars nothing. Each of
these is a walk of its own, so that plans nest:

    hold(ball)  ->  walk; open(locked door)  ->  clear(ball before it), hold(key)  ->  toggle(box), pick up; ...

Plans are made on a copy of the world, all at once, before the first action.
"""

from __future__ import annotations

import functools
import heapq
from collections import deque
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from opengato.core.environment import ExpertFailed

LEFT, RIGHT, FORWARD, PICK_UP, DROP, TOGGLE, DONE = range(7)
VECTORS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # east, south, west, north
OPEN, CLOSED, LOCKED = range(3)  # states of doors
MOVABLE = {"ball", "box", "key"}
# Costs of what stands on a way, in steps, from what clearing it took in plans: a guess that only orders the ways.
COSTS = {CLOSED: 2, LOCKED: 20}
COST_OF_THING = 12
MAX_ACTIONS, MAX_DEPTH = 5000, 40  # beyond these it plans in circles; the longest plan seen had 400 actions

Cell = tuple[int, int]
State = tuple[Cell, int]


@dataclass(slots=True)
class Thing:
    """What stands in a cell or in the hand; `origin` is minigrid's own object, `inside` what a box holds."""

    kind: str
    color: str
    origin: Any
    state: int = OPEN
    inside: Thing | None = None

    @classmethod
    def of(cls, origin: Any) -> Thing:
        """A copy of minigrid's object."""
        state = OPEN
        if origin.type == "door":
            state = OPEN if origin.is_open else LOCKED if origin.is_locked else CLOSED
        inside = cls.of(origin.contains) if origin.contains is not None else None
        return cls(origin.type, origin.color, origin, state, inside)


class Planner:
    """A copy of a world, and the actions that were planned in it so far.

    `touch` allows things to be moved out of the way; some missions end when a wrong one is picked up.
    """

    def __init__(self, level: Any, touch: bool = True) -> None:
        self.width, self.height = level.width, level.height
        grid = level.grid
        self.things: dict[Cell, Thing] = {
            (i % self.width, i // self.width): Thing.of(thing) for i, thing in enumerate(grid.grid) if thing is not None
        }
        self.place: Cell = (int(level.agent_pos[0]), int(level.agent_pos[1]))
        self.facing = int(level.agent_dir)
        self.carrying = None if level.carrying is None else Thing.of(level.carrying)
        self.touch = touch
        self.actions: list[int] = []
        self._opening: list[Cell] = []
        self._depth = 0

    def enter(self, target: Cell) -> None:
        """Walk into `target`."""
        self._walk_clearing(target, lambda cell, _: cell == target)

    def reach(self, target: Cell) -> None:
        """Walk until `target` is the cell ahead."""
        self._walk_clearing(target, lambda cell, facing: ahead(cell, facing) == target)

    def stand_beside(self, target: Cell) -> None:
        """Walk into a cell next to `target`."""
        self._walk_clearing(target, lambda cell, _: distance(cell, target) == 1)

    def hold(self, wanted: Callable[[Thing], bool]) -> None:
        """Pick up the nearest thing that is `wanted`, out of a box if it lies in one."""
        while self.carrying is None or not wanted(self.carrying):
            cell = self.find(wanted)
            self.reach(cell)
            if cell not in self.things:
                continue  # it was moved out of the way to itself
            if not wanted(self.things[cell]):
                self._act(TOGGLE)
            elif self.carrying is not None:
                self._put_away({cell})
            else:
                self._act(PICK_UP)

    def open(self, door: Cell) -> None:
        """Open a door, for which a locked one needs its key."""
        if door in self._opening:
            raise ExpertFailed(f"the way to the key of the door at {door} leads through that door")
        self._opening.append(door)
        while self.things[door].state != OPEN:
            way = self._way(door)
            barring = next((cell for cell in way[:-1] if not self.is_free(cell)), None)
            if barring is not None:
                self._clear(barring, set(way))
            elif self.things[door].state == CLOSED or self._is_key_of(door, self.carrying):
                self.reach(door)
                self._act(TOGGLE)
            else:
                self.hold(lambda thing: self._is_key_of(door, thing))
        self._opening.pop()

    def drop_near(self, target: Cell) -> None:
        """Put down what is carried in one of the eight cells around `target`."""

        def near(cell: Cell, facing: int) -> bool:
            front = ahead(cell, facing)
            return front not in self.things and max(abs(front[0] - target[0]), abs(front[1] - target[1])) == 1

        if not self.walk(near):
            raise ExpertFailed(f"no free cell near {target} can be reached")
        self._act(DROP)

    def done(self) -> None:
        """Say that the mission is done."""
        self._act(DONE)

    def find(self, wanted: Callable[[Thing], bool]) -> Cell:
        """The cell, nearest by the cost of the way, of a wanted thing or of the box that holds it."""
        found = [
            cell
            for cell, thing in self.things.items()
            if wanted(thing) or (thing.inside is not None and wanted(thing.inside))
        ]
        costs = {cell: self._search(cell) for cell in found}
        within = [(cost, cell) for cell, (cost, way) in costs.items() if way]
        if not within:
            raise ExpertFailed("a thing that the plan needs is nowhere, or behind walls")
        return min(within)[1]

    def walk(self, accept: Callable[[Cell, int], bool]) -> bool:
        """Go by free cells to the nearest state that is accepted; False if there is none."""
        start: State = (self.place, self.facing)
        came: dict[State, tuple[State, int] | None] = {start: None}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            cell, facing = state
            if accept(cell, facing):
                self._follow(state, came)
                return True
            front = ahead(cell, facing)
            moves: list[tuple[State, int]] = [((cell, (facing - 1) % 4), LEFT), ((cell, (facing + 1) % 4), RIGHT)]
            if self.is_free(front):
                moves.append(((front, facing), FORWARD))
            for following, action in moves:
                if following not in came:
                    came[following] = state, action
                    waiting.append(following)
        return False

    def kind_at(self, cell: Cell) -> str | None:
        """The kind of what stands in a cell, if anything does."""
        return self.things[cell].kind if cell in self.things else None

    def is_free(self, cell: Cell) -> bool:
        """Whether one can walk into a cell and live."""
        thing = self.things.get(cell)
        if thing is None:
            return 0 <= cell[0] < self.width and 0 <= cell[1] < self.height
        return thing.kind in ("goal", "floor") or (thing.kind == "door" and thing.state == OPEN)

    def _follow(self, end: State, came: dict[State, tuple[State, int] | None]) -> None:
        actions, state = [], end
        while (step := came[state]) is not None:
            state, action = step
            actions.append(action)
        self.actions += reversed(actions)
        self.place, self.facing = end

    def _walk_clearing(self, target: Cell, accept: Callable[[Cell, int], bool]) -> None:
        while not self.walk(accept):
            way = self._way(target)
            barring = next((cell for cell in way if not self.is_free(cell)), target)
            if barring == target:
                raise ExpertFailed(f"no way leads to {target}")
            self._clear(barring, set(way))

    def _clear(self, cell: Cell, keep: Set[Cell]) -> None:
        """Open what is a door; carry anything else to where it bars nothing, outside of `keep`."""
        self._depth += 1
        if self._depth > MAX_DEPTH or len(self.actions) > MAX_ACTIONS:
            raise ExpertFailed(f"it plans in circles: {len(self.actions)} actions, {self._depth} deep")
        if self.things[cell].kind == "door":
            self.open(cell)
        else:
            if self.carrying is not None:
                self._put_away(keep)
            self.reach(cell)
            self._act(PICK_UP)
            self._put_away(keep)
        self._depth -= 1

    def _put_away(self, keep: Set[Cell]) -> None:
        """Drop what is carried in the nearest cell that parts nothing, best one that is not next to a door either."""

        @functools.cache
        def parts_nothing(cell: Cell) -> bool:
            return not self._parts(cell)

        def fits(rule: Callable[[Cell], bool]) -> Callable[[Cell, int], bool]:
            def accept(cell: Cell, facing: int) -> bool:
                front = ahead(cell, facing)
                return front not in self.things and front not in keep and self.is_free(front) and rule(front)

            return accept

        rules: list[Callable[[Cell], bool]] = [
            lambda cell: not self._is_beside_door(cell) and parts_nothing(cell),
            parts_nothing,
            lambda _: True,
        ]
        if not any(self.walk(fits(rule)) for rule in rules):
            raise ExpertFailed("there is no room to put a thing down")
        self._act(DROP)

    def _is_beside_door(self, cell: Cell) -> bool:
        return any(self.kind_at(near) == "door" for near in neighbours(cell))

    def _parts(self, cell: Cell) -> bool:
        """Whether the cells around `cell` lose their ways to each other when it is barred."""
        around = [near for near in neighbours(cell) if self._can_be_passed(near)]
        seen, waiting = set(around[:1]), around[:1]
        while waiting:
            for near in neighbours(waiting.pop()):
                if near != cell and near not in seen and self._can_be_passed(near):
                    seen.add(near)
                    waiting.append(near)
        return not seen.issuperset(around)

    def _can_be_passed(self, cell: Cell) -> bool:
        """Whether a cell is free or can be made so."""
        return self.is_free(cell) or self.kind_at(cell) in {"door", *MOVABLE}

    def _way(self, target: Cell) -> list[Cell]:
        way = self._search(target)[1]
        if not way:
            raise ExpertFailed(f"no way leads to {target}")
        return way

    def _search(self, target: Cell) -> tuple[float, list[Cell]]:
        """The cost and the cells of the cheapest way to `target`, through what can be cleared; no cells: no way."""
        came: dict[Cell, Cell] = {}
        costs: dict[Cell, float] = {self.place: 0.0}
        waiting = [(0.0, self.place)]
        while waiting:
            cost, cell = heapq.heappop(waiting)
            if cell == target:
                way = [cell]
                while way[-1] != self.place:
                    way.append(came[way[-1]])
                return cost, way[-2::-1] or [cell]
            if cost > costs[cell]:
                continue
            for near in neighbours(cell):
                following = cost + (1.0 if near == target else self._cost(near))
                if following < costs.get(near, float("inf")):
                    costs[near], came[near] = following, cell
                    heapq.heappush(waiting, (following, near))
        return float("inf"), []

    def _cost(self, cell: Cell) -> float:
        if self.is_free(cell):
            return 1.0
        thing = self.things.get(cell)
        if thing is not None and thing.kind == "door" and cell not in self._opening:
            return 1.0 + COSTS[CLOSED if self._is_key_of(cell, self.carrying) else thing.state]
        if thing is not None and thing.kind in MOVABLE and self.touch:
            return 1.0 + COST_OF_THING
        return float("inf")

    def _is_key_of(self, door: Cell, thing: Thing | None) -> bool:
        return thing is not None and thing.kind == "key" and thing.color == self.things[door].color

    def _act(self, action: int) -> None:
        """Plan an action on the cell ahead, whose conditions hold."""
        front = ahead(self.place, self.facing)
        if action == PICK_UP:
            self.carrying = self.things.pop(front)
        elif action == DROP:
            assert self.carrying is not None
            self.things[front], self.carrying = self.carrying, None
        elif action == TOGGLE:
            thing = self.things[front]
            if thing.kind == "door":
                thing.state = OPEN
            elif thing.inside is not None:
                self.things[front] = thing.inside
        self.actions.append(action)


def ahead(cell: Cell, facing: int) -> Cell:
    """The cell in front of one who stands in `cell`."""
    return cell[0] + VECTORS[facing][0], cell[1] + VECTORS[facing][1]


def neighbours(cell: Cell) -> list[Cell]:
    """The four cells around a cell."""
    return [ahead(cell, facing) for facing in range(4)]


def distance(first: Cell, second: Cell) -> int:
    """Steps between two cells of an empty world."""
    return abs(first[0] - second[0]) + abs(first[1] - second[1])
