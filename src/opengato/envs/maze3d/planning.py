"""A planner of walks that knows the map: distances around walls and things, then turns and steps down them.

Letters: E segments of walls or things, N nodes of a grid on the floor (x and z in m). No place is given but by (x, z).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from opengato.core.environment import ExpertFailed

Places = Callable[[np.ndarray], np.ndarray]
"""Which of the nodes (N, 2) are meant: (N,) of bool."""
LEFT, RIGHT, AHEAD, BACK, TAKE, DROP = range(6)
SPACING = 0.2  # m between nodes
MARGIN = 0.03  # m kept from walls and things beyond what is needed
WINDOW = 2  # nodes around a place that tell its distance
STRAIGHT = 0.02  # share of a step that a turn has to gain
AGAIN = 0.02  # m that a place costs for each time it was stepped on before


def flat(position: np.ndarray) -> np.ndarray:
    """(x, z) of (x, y, z)."""
    return np.array([position[0], position[2]])


def heading(angle: float) -> np.ndarray:
    """Where an agent turned by `angle` goes."""
    return np.array([np.cos(angle), -np.sin(angle)])


def distances_to_walls(nodes_N2: np.ndarray, segments_E3: np.ndarray) -> np.ndarray:
    """From each node to the nearest wall, (N,) in m; `segments_E3` (E, 2, 3) are ends of walls."""
    nearest = np.full(len(nodes_N2), np.inf)
    for start, end in zip(segments_E3[:, 0, [0, 2]], segments_E3[:, 1, [0, 2]], strict=True):
        along = end - start
        share = np.clip((nodes_N2 - start) @ along / (along @ along), 0.0, 1.0)
        nearest = np.minimum(nearest, np.linalg.norm(nodes_N2 - start - share[:, None] * along, axis=1))
    return nearest


class Floor:
    """Distances in m from everywhere to a goal, on paths that a walker of some radius can take."""

    def __init__(self, world: Any, goal: Any, ends: Places, barred: Places | None = None) -> None:
        """`goal`: a thing; `ends` tells at which nodes it is reached, `barred` which are not to be stepped on.

        The street of a sidewalk is longer than any walk, so the grid covers the rooms around the agent and the goal.
        """
        here, there = flat(world.agent.pos), flat(goal.pos)
        low = np.maximum([world.min_x, world.min_z], np.minimum(here, there) - 30)
        high = np.minimum([world.max_x, world.max_z], np.maximum(here, there) + 30)
        self.low = low
        self.shape = tuple(int(n) for n in np.ceil((high - low) / SPACING).astype(int) + 1)
        nodes_N2 = low + SPACING * np.indices(self.shape).reshape(2, -1).T
        need = world.agent.radius + MARGIN
        free = distances_to_walls(nodes_N2, world.wall_segs) >= need
        for thing in world.entities:
            if thing not in (goal, world.agent, world.agent.carrying):
                free &= np.linalg.norm(nodes_N2 - flat(thing.pos), axis=1) >= need + thing.radius
        if barred is not None:
            free &= ~barred(nodes_N2)
        self.nodes = nodes_N2.reshape(*self.shape, 2)
        self.metres = self._spread(free.reshape(self.shape), np.argwhere((free & ends(nodes_N2)).reshape(self.shape)))

    def _spread(self, free: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Dijkstra over eight neighbours."""
        metres = np.full(self.shape, np.inf)
        queue = [(0.0, int(i), int(j)) for i, j in ends]
        metres[ends[:, 0], ends[:, 1]] = 0.0
        while queue:
            length, i, j = heapq.heappop(queue)
            if length > metres[i, j]:
                continue
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    a, b = i + di, j + dj
                    if not (0 <= a < self.shape[0] and 0 <= b < self.shape[1]) or not free[a, b]:
                        continue
                    longer = length + SPACING * math.hypot(di, dj)
                    if longer < metres[a, b]:
                        metres[a, b] = longer
                        heapq.heappush(queue, (longer, a, b))
        return metres

    def distance(self, place: np.ndarray) -> float:
        """To the goal, by the nodes around a place; inf where none of them has a way."""
        i, j = np.rint((place - self.low) / SPACING).astype(int)
        rows, columns = slice(max(0, i - WINDOW), i + WINDOW + 1), slice(max(0, j - WINDOW), j + WINDOW + 1)
        around = self.metres[rows, columns]
        if around.size == 0:
            return float("inf")
        return float((around + np.linalg.norm(self.nodes[rows, columns] - place, axis=-1)).min())


class Walker:
    """Turns and steps of an agent in a world."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.step = float(world.params.sample(None, "forward_step"))
        self.turn = float(np.radians(world.params.sample(None, "turn_step")))
        self.look = max(self.step, 0.45)
        self.visits: Counter[tuple[int, int]] = Counter()

    def toward(self, floor: Floor) -> int:
        """The action that brings the agent on towards the goal of `floor`, around what blocks the next step."""
        agent = self.world.agent
        place = flat(agent.pos)
        half = round(np.pi / self.turn)
        look = max(self.step, min(self.look, floor.distance(place)))  # not beyond the goal
        costs = []
        for number in range(-half + 1, half + 1):
            direction = heading(agent.dir + number * self.turn)
            cost = floor.distance(place + look * direction) + (STRAIGHT * look if number else 0.0)
            cost += AGAIN * self.visits[self._cell(place + self.step * direction)] + 1e-6 * abs(number)
            costs.append((cost, number, direction))
        for cost, number, direction in sorted(costs, key=lambda each: each[0]):
            if not np.isfinite(cost):
                break
            if not self._blocked(place + self.step * direction):
                if number == 0:
                    self.visits[self._cell(place + self.step * direction)] += 1
                    return AHEAD
                return LEFT if number > 0 else RIGHT
        raise ExpertFailed(f"no way from {place.round(2)} on")

    def face(self, place: np.ndarray) -> int | None:
        """The turn that faces a place better; None where no turn does."""
        x, z = place - flat(self.world.agent.pos)
        off = (np.arctan2(-z, x) - self.world.agent.dir + np.pi) % (2 * np.pi) - np.pi
        if abs(off) <= self.turn / 2 + 1e-9:
            return None
        return LEFT if off > 0 else RIGHT

    def _blocked(self, place: np.ndarray) -> bool:
        agent = self.world.agent
        return bool(self.world.intersect(agent, np.array([place[0], 0.0, place[1]]), agent.radius))

    @staticmethod
    def _cell(place: np.ndarray) -> tuple[int, int]:
        return round(place[0] / 0.15), round(place[1] / 0.15)


def within(goal: Any, reach: float) -> Places:
    """Places at most `reach` m from the middle of a thing."""
    return lambda nodes_N2: np.linalg.norm(nodes_N2 - flat(goal.pos), axis=1) <= reach


def to_take(world: Any, thing: Any) -> Places:
    """Places from which an agent that faces a thing can take it.

    MiniWorld takes what meets a circle of 1.2 radii, 1.5 radii ahead of the agent, and nothing where a wall meets it.
    """
    ahead, circle = 1.5 * world.agent.radius, 1.2 * world.agent.radius

    def places(nodes_N2: np.ndarray) -> np.ndarray:
        toward_N2 = flat(thing.pos) - nodes_N2
        distance_N = np.maximum(np.linalg.norm(toward_N2, axis=1), 1e-9)
        middle_N2 = nodes_N2 + ahead * toward_N2 / distance_N[:, None]
        meets = np.abs(distance_N - ahead) <= circle + thing.radius - 0.08  # m that half a turn may be off
        return meets & (distances_to_walls(middle_N2, world.wall_segs) >= circle + 0.08)

    return places


def planner(kind: str, world: Any) -> Callable[[], int]:
    """The planner of one of MiniWorld's worlds, which has just been reset."""
    if kind == "PutNext":
        return Putter(world)
    if kind in ("PickupObjects", "CollectHealth"):
        return Taker(world)
    goal = world._objects[world._goal][world._color_index] if kind == "Sign" else world.box
    near = within(goal, goal.radius + world.agent.radius + 1.1 * world.max_forward_step)
    walker, floor = Walker(world), Floor(world, goal, near, _street if kind == "Sidewalk" else None)
    return lambda: walker.toward(floor)


def _street(nodes_N2: np.ndarray) -> np.ndarray:
    return nodes_N2[:, 0] > -0.1  # it begins at x = 0 and ends the episode


class Errand:
    """The way to a thing and the act of taking it."""

    def __init__(self, world: Any, thing: Any) -> None:
        self.world, self.thing, self.place = world, thing, flat(thing.pos)
        self.places = to_take(world, thing)
        self.walker, self.floor = Walker(world), Floor(world, thing, self.places)

    @property
    def possible(self) -> bool:
        """Whether there is a way from here."""
        return bool(np.isfinite(self.floor.distance(flat(self.world.agent.pos))))

    @property
    def stale(self) -> bool:
        """Whether the thing is gone, or somewhere else."""
        return self.thing not in self.world.entities or bool((self.place != flat(self.thing.pos)).any())

    def __call__(self) -> int:
        agent = self.world.agent
        ahead = agent.pos + 1.5 * agent.radius * agent.dir_vec
        if self.world.intersect(agent, ahead, 1.2 * agent.radius) is self.thing:
            return TAKE
        if self.places(flat(agent.pos)[None])[0]:
            turn = self.walker.face(self.place)
            if turn is not None:
                return turn
        return self.walker.toward(self.floor)


class Taker:
    """Goes to the nearest thing that can be taken, takes it, and so on."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.errand = self._nearest()

    def __call__(self) -> int:
        if self.world.agent.carrying is not None:
            return DROP
        if self.errand.stale:
            self.errand = self._nearest()
        return self.errand()

    def _nearest(self) -> Errand:
        here = flat(self.world.agent.pos)
        things = [each for each in self.world.entities if not each.is_static and each is not self.world.agent]
        for thing in sorted(things, key=lambda each: float(np.linalg.norm(flat(each.pos) - here))):
            errand = Errand(self.world, thing)
            if errand.possible:
                return errand
        raise ExpertFailed("nothing left that can be reached")


class Putter:
    """Takes the red box, carries it before itself up to the yellow one, and drops it there."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.errand = Errand(world, world.red_box)
        self.expected: tuple[float, ...] = ()
        self.plan: list[tuple[int, Pose]] = []

    def __call__(self) -> int:
        world, agent = self.world, self.world.agent
        if agent.carrying is None:
            return self.errand()
        if agent.carrying is not world.red_box:
            return DROP
        here = (float(agent.pos[0]), float(agent.pos[2]), float(agent.dir))
        if not self.plan or not np.allclose(here, self.expected):
            self.plan = carrying(world, self.errand.walker)
        if not self.plan:  # it is there, on the floor if not in the air
            return DROP
        action, self.expected = self.plan.pop(0)
        return action


Pose = tuple[float, float, float]  # x, z, direction
MAX_POSES, GREED = 20_000, 1.5  # looked at before giving up; how much distance to go weighs against steps taken


def carrying(world: Any, walker: Walker) -> list[tuple[int, Pose]]:
    """Actions, each with the pose it leads to, that bring what is carried next to the yellow box: A* on real moves."""
    agent, red, yellow = world.agent, world.agent.carrying, world.yellow_box
    close = red.radius + yellow.radius + 1.1 * world.max_forward_step
    arms = 1.05 * (agent.radius + red.radius + world.max_forward_step)

    def gap(pose: Pose) -> float:
        return float(np.linalg.norm(np.array(pose[:2]) + arms * heading(pose[2]) - flat(yellow.pos))) - close

    def fits(pose: Pose) -> bool:
        position = np.array([pose[0], 0.0, pose[1]])
        box = position + np.array([*(arms * heading(pose[2])), 0.0])[[0, 2, 1]]
        return not (world.intersect(agent, position, agent.radius) or world.intersect(red, box, red.radius))

    def key(pose: Pose) -> tuple[int, int, int]:
        return round(pose[0] / 0.1), round(pose[1] / 0.1), round(pose[2] / walker.turn)

    start: Pose = (float(agent.pos[0]), float(agent.pos[2]), float(agent.dir))
    came: dict[Pose, tuple[int, Pose]] = {}
    queue, seen = [(0.0, 0, start)], {key(start)}
    while queue and len(seen) < MAX_POSES:
        _, steps, pose = heapq.heappop(queue)
        if gap(pose) < -0.01:
            actions = []
            while pose != start:
                action, before = came[pose]
                actions.append((action, pose))
                pose = before
            return actions[::-1]
        ahead = walker.step * heading(pose[2])
        for action, after in (
            (AHEAD, (pose[0] + ahead[0], pose[1] + ahead[1], pose[2])),
            (BACK, (pose[0] - ahead[0], pose[1] - ahead[1], pose[2])),
            (LEFT, (pose[0], pose[1], pose[2] + walker.turn)),
            (RIGHT, (pose[0], pose[1], pose[2] - walker.turn)),
        ):
            if key(after) not in seen and fits(after):
                seen.add(key(after))
                came[after] = action, pose
                heapq.heappush(queue, (steps + 1 + GREED * max(0.0, gap(after)) / walker.step, steps + 1, after))
    raise ExpertFailed("no way to carry the red box to the yellow one")
