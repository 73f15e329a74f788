"""The family: gymnasium's own environments as a table of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.envs.classic import experts, simulator
from opengato.envs.classic.table import TABLE
from opengato.envs.loading import load_simulator
from opengato.envs.table import Row, TableFamily


class Family(TableFamily):
    """Gymnasium's environments as tasks `classic/<name>`: `classic/CartPole` is `CartPole-v1`.

    Rewards are gymnasium's own. What differs from its environments:

    * toy text shows arrays of integers with a meaning each (row and column) instead of the number of a state;
    * CliffWalking ends after 200 steps, as all else ends at some time;
    * CarRacing takes gas and brake in [-1, 1], where below 0 is 0, so that one range fits all its actions.

    Success: the pole held for 500 steps, the goal, landing, end of the ground or lap reached, the passenger delivered,
    the game won. Pendulum has none.
    """

    name = "classic"
    packages = ("gymnasium", "numpy")

    def table(self) -> Mapping[str, Row]:
        return TABLE

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of task `name` (`CartPole`); ImportError says how to get what Box2D and pictures need."""
        setup = simulator.SETUPS[choose(name, TABLE, what="classic task")]
        if setup.box2d:
            _extra("opengato.envs.classic.box2d")
        env = simulator.make(setup, pictures=render_size > 0)
        return _extra("opengato.envs.classic.pictures").Pictures(env, render_size) if render_size > 0 else env

    def expert(self, env: gymnasium.Env) -> Expert:
        """The controller or solver of the task of `env`, for the episode just reset; the table names it."""
        setup = env.get_wrapper_attr("setup")
        if TABLE[setup.name].expert is None:
            raise ValueError(f"task 'classic/{setup.name}' has no expert; use policy 'random' or your own function")
        if setup.box2d:
            return _extra("opengato.envs.classic.box2d").expert(env, setup.name)
        return experts.on_table(setup.name) if setup.shape else experts.WITHOUT_MEMORY[setup.name]


def _extra(module: str) -> ModuleType:
    """A part of this family that needs packages."""
    return load_simulator(module, extra="classic")
