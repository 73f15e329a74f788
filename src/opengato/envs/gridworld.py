"""What the families played in `minigrid` share: how a step looks, and the layer that tells success and draws.

{"image": (7, 7, 3), "direction": 2, "mission": "go to the red ball"}
    -> {"view": [[2 5 0] [2 5 0] ... [1 0 0] | [2 0 0]]}     49 cells, then (direction, 0, 0): shape (50, 3)
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from opengato.core.environment import Family, TaskInfo
from opengato.core.episode import ArraySpec
from opengato.envs.pixels import square

NUM_CELLS = 49


def view_spec(family: str) -> ArraySpec:
    """What the agent sees."""
    return ArraySpec(
        name=f"{family}/view",
        kind="discrete",
        shape=(NUM_CELLS + 1, 3),
        dtype="uint8",
        num_values=11,
        meaning="(object, colour, state) of the 7 x 7 cells ahead, column by column from the far left; the agent "
        "stands in cell 27 and faces cell 26; the last row is (direction, 0, 0) with direction 0 east, 1 south, "
        "2 west, 3 north",
    )


def action_spec(family: str) -> ArraySpec:
    """What the agent may do."""
    return ArraySpec(
        name=f"{family}/action",
        kind="discrete",
        shape=(),
        dtype="int64",
        num_values=7,
        meaning="0 turn left, 1 turn right, 2 forward, 3 pick up, 4 drop, 5 toggle (open, close), 6 done",
    )


class GridFamily(Family):
    """Observations and actions of minigrid as arrays; the mission is the instruction."""

    def observation(self, observation: dict[str, Any]) -> dict[str, np.ndarray]:
        """`{"view": (50, 3) uint8}`; the mission is the episode's instruction and not part of it."""
        view = np.zeros((NUM_CELLS + 1, 3), np.uint8)
        view[:NUM_CELLS] = observation["image"].reshape(NUM_CELLS, 3)
        view[NUM_CELLS, 0] = observation["direction"]
        return {"view": view}

    def action(self, values: dict[str, np.ndarray]) -> int:
        """`{"action": array of shape ()}` as the integer that minigrid takes."""
        return int(values["action"])

    def action_values(self, action: int) -> dict[str, np.ndarray]:
        """Inverse of `action`: an int64 array of shape ()."""
        return {"action": np.asarray(action, np.int64)}

    def told(self, observation: dict[str, Any]) -> str | None:
        """The mission, which every observation repeats; None where there is none."""
        return observation["mission"] or None

    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        """The mission of this episode, "put the red ball next to a box"; the task's own where there is none."""
        return env.get_wrapper_attr("mission") or task.instruction


class GridEnv(gymnasium.Wrapper):
    """A world of minigrid (`level`) that tells success, remembers the executed action and draws small pictures."""

    def __init__(self, level: Any, render_size: int) -> None:
        super().__init__(level)
        self.level = level
        self.render_size = render_size
        self.last_action: int | None = None

    @classmethod
    def below(cls, env: gymnasium.Env, family: str) -> GridEnv:
        """The layer of this class below any wrappers; ValueError if there is none."""
        layer = env
        while not isinstance(layer, cls):
            if not isinstance(layer, gymnasium.Wrapper):
                raise ValueError(f"received the environment {env}, expected one made by the family {family!r}")
            layer = layer.env
        return layer

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; `seed` fixes its map and mission."""
        self.last_action = None
        return self.level.reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """A step of minigrid with `info["success"]`: only a solved mission is rewarded."""
        observation, reward, terminated, truncated, info = self.level.step(action)
        self.last_action = int(action)
        return observation, float(reward), terminated, truncated, {**info, "success": reward > 0}

    def render(self) -> np.ndarray:
        """The whole map, the seen part brighter: uint8 (render_size, render_size, 3), black where it is not square."""
        size = self.render_size
        if size <= 0:
            raise ValueError(f"received render_size={size} at make, expected > 0 for pictures; make the task again so")
        tiles = max(self.level.width, self.level.height)
        return square(self.level.get_frame(highlight=True, tile_size=-(-size // tiles)), size)
