"""MiniWorld as a family of tasks, and how its drawing is prepared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.envs.gl import APT_PACKAGES
from opengato.envs.loading import load_simulator
from opengato.envs.maze3d.tasks import TASKS
from opengato.envs.table import Row, TableFamily


class Family(TableFamily):
    """MiniWorld's worlds as tasks `maze3d/<name>`, with its rewards and limits; the view is 64 x 64 and not 80 x 60.

    * Where something is to be found or put, the reward is 1 - 0.2 * steps / limit at the end, and success; it is 0
      else. `sign`: 1 or -1. `pickup-objects`: 1 for each thing. `collect-health`: 2 for each step alive, -100 for
      death, and no success.
    * Steps a second of one CPU core: 1,240 in the hallway, 490 in the maze of 64 cells; 1,000 and 80 where two worlds
      take turns and the walls are drawn again for each.
    * MiniWorld's `RoomObjects` and `ThreeRooms` reward nothing and are no tasks; `sign` is that of the word BLUE.
    """

    name = "maze3d"
    packages = ("miniworld", "pyglet", "gymnasium", "numpy")

    def table(self) -> Mapping[str, Row]:
        return {name: row for name, (_, row) in TASKS.items()}

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """A world; `render()` shows it from above. ImportError says what is missing: the package, or a way to draw."""
        kind, _ = TASKS[choose(name, TASKS, what="maze3d task")]
        return _simulator().World(kind, render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """A planner that knows the map; ExpertFailed where it sees no way."""
        return _simulator().planner(env)

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        """`{"state": pixels}`; `sign` has a picture and a constant."""
        return super().observation(observation["obs"] if isinstance(observation, dict) else observation)


def _simulator() -> ModuleType:
    """The half of this family that needs MiniWorld and a way to draw without a screen.

    pyglet loads OpenGL when it is imported, and has to be told before that there is no screen.
    """
    os.environ.setdefault("PYGLET_HEADLESS", "true")
    try:
        return load_simulator("opengato.envs.maze3d.simulator", extra="maze3d")
    except Exception as error:
        no_library = type(error) is ImportError and error.__cause__ is None
        if not no_library and not type(error).__module__.startswith("pyglet"):
            raise
        raise ImportError(
            f"maze3d draws by OpenGL through EGL, which does not work here: {error}\n"
            f"On Debian or Ubuntu: sudo apt-get install {' '.join(APT_PACKAGES)} libglu1-mesa"
        ) from error
