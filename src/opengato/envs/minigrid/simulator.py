"""MiniGrid's environments and their experts: the half of the family that loads minigrid."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gymnasium
from minigrid import envs
from minigrid.envs.obstructedmaze import ObstructedMazeEnv
from minigrid.minigrid_env import MiniGridEnv

from opengato.core.environment import Expert, ExpertFailed
from opengato.envs.gridworld import GridEnv
from opengato.envs.minigrid.planner import LEFT, Planner

WEST = 2


def make(gym_id: str, render_size: int) -> GridEnv:
    """A world by its Gymnasium id, without the layers that check every step."""
    mode = "rgb_array" if render_size else None
    spec = gymnasium.registry[gym_id]  # and not the id, which warns of a later version
    level = gymnasium.make(spec, render_mode=mode, disable_env_checker=True).unwrapped
    assert isinstance(level, MiniGridEnv)
    return GridEnv(level, render_size)


def expert(env: gymnasium.Env) -> Expert:
    """The expert of the episode that `env` has just been reset to."""
    layer = GridEnv.below(env, family="minigrid")
    if isinstance(layer.level, envs.DynamicObstaclesEnv):
        return lambda _: dodge(layer.level)
    return Recall(layer.level) if isinstance(layer.level, envs.MemoryEnv) else Planned(layer)


def dodge(level: Any) -> int:
    """One step on the shortest way to the goal around the obstacles where they are; a turn where there is no way.

    Walking into a cell that is free before the step never hits: an obstacle that comes there first bars the step.
    """
    planner = Planner(level, touch=False)
    return planner.actions[0] if planner.walk(lambda cell, _: planner.kind_at(cell) == "goal") else LEFT


class Planned:
    """A plan for the mission, followed as long as the actions executed are those of the plan, and made anew else."""

    def __init__(self, layer: GridEnv) -> None:
        self.layer = layer
        self.level: Any = layer.level
        self._plan()

    def __call__(self, observation: dict[str, Any]) -> int:
        """The next action. ExpertFailed: the mission cannot be done from here."""
        steps = self.level.step_count
        if self.said is not None and steps == self.due - 1:
            return self.said  # asked again
        followed = self.said is None or self.layer.last_action == self.said
        if steps != self.due or not followed or not self.actions:
            self._plan()
        self.said, self.due = self.actions.popleft(), steps + 1
        return self.said

    def _plan(self) -> None:
        self.said: int | None = None
        self.due = self.level.step_count
        self.actions = deque(plan(self.level))
        if not self.actions:
            raise ExpertFailed(f"nothing is left to do for {self.level.mission!r} at step {self.due}")


def plan(level: Any) -> list[int]:
    """The actions that do the mission from here on."""
    planner = Planner(level, touch=not isinstance(level, TOUCH_NOTHING))
    for kinds, aim in AIMS:
        if isinstance(level, kinds):
            aim(planner, level)
            return planner.actions
    planner.enter(planner.find(lambda thing: thing.kind == "goal"))
    return planner.actions


def _object(planner: Planner, level: Any) -> None:
    planner.hold(lambda thing: thing.origin is level.obj)


def _fetch(planner: Planner, level: Any) -> None:
    planner.hold(lambda thing: (thing.kind, thing.color) == (level.targetType, level.targetColor))


def _unlock(planner: Planner, level: Any) -> None:
    planner.open(planner.find(lambda thing: thing.origin is level.door))


def _stand_beside(planner: Planner, level: Any) -> None:
    planner.stand_beside(tuple(level.target_pos))
    planner.done()


def _put_near(planner: Planner, level: Any) -> None:
    planner.hold(lambda thing: (thing.kind, thing.color) == (level.move_type, level.moveColor))
    planner.drop_near(tuple(level.target_pos))


def _red_then_blue(planner: Planner, level: Any) -> None:
    for door in (level.red_door, level.blue_door):
        planner.open(planner.find(lambda thing, door=door: thing.origin is door))


AIMS: tuple[tuple[tuple[type, ...], Callable[[Planner, Any], None]], ...] = (
    ((envs.KeyCorridorEnv, envs.UnlockPickupEnv, envs.BlockedUnlockPickupEnv, ObstructedMazeEnv), _object),
    ((envs.FetchEnv,), _fetch),
    ((envs.UnlockEnv,), _unlock),
    ((envs.GoToDoorEnv, envs.GoToObjectEnv), _stand_beside),
    ((envs.PutNearEnv,), _put_near),
    ((envs.RedBlueDoorEnv,), _red_then_blue),
)
TOUCH_NOTHING = (envs.FetchEnv, envs.GoToDoorEnv, envs.GoToObjectEnv, envs.PutNearEnv)  # or the episode ends


class Recall:
    """Memory: looks at the object in the first room, then goes to the one like it.

    It knows where that is from the map, but does not go before a policy with nothing but the view could know it.
    """

    def __init__(self, level: Any) -> None:
        self.level = level
        self.middle = level.height // 2
        self.seen = False

    def __call__(self, observation: dict[str, Any]) -> int:
        """One step to where the object in the first room is seen, or to the end of the hallway."""
        level, planner = self.level, Planner(self.level, touch=False)
        self.seen = self.seen or bool(level.agent_sees(1, self.middle - 1))
        if self.seen:
            planner.enter(tuple(level.success_pos))
        else:
            planner.walk(lambda cell, facing: (cell, facing) == ((2, self.middle), WEST))
        if not planner.actions:
            raise ExpertFailed("the object in the first room cannot be seen from its middle")
        return planner.actions[0]
