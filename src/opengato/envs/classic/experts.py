"""Experts of the tasks that need gymnasium alone: two controllers, and value iteration on tables and grids.

Letters: S states of a table.
"""

from __future__ import annotations

import functools

import numpy as np

from opengato.core.environment import Expert
from opengato.envs.classic import models
from opengato.envs.classic.blackjack import best_to_hit
from opengato.envs.classic.simulator import SETUPS, make
from opengato.envs.classic.value_iteration import GridPlan, best_actions, table_of

GAINS = np.array([0.05, 0.1, 1.0, 0.25])  # of position, speed, angle and angular speed; hold the pole from any start


def balance(observation: np.ndarray) -> int:
    """Push to the side to which the weighted sum of the state leans."""
    return int(observation @ GAINS > 0)


def pump(observation: np.ndarray) -> int:
    """Torque along the speed of the second link, which adds energy at every step."""
    return 2 if observation[5] > 0 else 0


def play_cards(observation: np.ndarray) -> int:
    """Take a card where that is worth more than sticking."""
    total, shown, usable = (int(value) for value in observation)
    return int(best_to_hit(total, bool(usable), shown))


@functools.cache
def _mountain() -> GridPlan:
    return GridPlan.of(models.mountain_car, models.MOUNTAIN_AXES, np.arange(3.0), discount=1.0)


@functools.cache
def _gentle_mountain() -> GridPlan:
    return GridPlan.of(models.mountain_car_continuous, models.MOUNTAIN_AXES, np.linspace(-1, 1, 9), discount=0.995)


@functools.cache
def _pendulum() -> GridPlan:
    return GridPlan.of(models.pendulum, models.PENDULUM_AXES, np.linspace(-2, 2, 9), discount=0.99)


def climb(observation: np.ndarray) -> int:
    """The action of the best value one step ahead."""
    return int(_mountain().best(observation))


def climb_gently(observation: np.ndarray) -> np.ndarray:
    """The same where force costs."""
    return np.array([_gentle_mountain().best(observation)], np.float32)


def swing_up(observation: np.ndarray) -> np.ndarray:
    """The same on angle and speed."""
    cosine, sine, speed = (float(value) for value in observation)
    return np.array([_pendulum().best(np.array([np.arctan2(sine, cosine), speed]))], np.float32)


@functools.cache
def on_table(name: str) -> Expert:
    """The best action of every state, by the environment's own table of what may happen."""
    setup = SETUPS[name]
    best_S = best_actions(*table_of(make(setup, pictures=False).unwrapped.P))
    return lambda observation: int(best_S[np.ravel_multi_index(tuple(observation), setup.shape)])


WITHOUT_MEMORY: dict[str, Expert] = {
    "CartPole": balance,
    "MountainCar": climb,
    "MountainCarContinuous": climb_gently,
    "Pendulum": swing_up,
    "Acrobot": pump,
    "Blackjack": play_cards,
}
