"""Two worlds with two numbers of state each, as functions of arrays, to plan in; a test compares them with gymnasium.

A model takes states (N, 2) and an action and gives next states (N, 2), rewards (N,) and whether the episode is over
(N,). Letters: N states.
"""

from __future__ import annotations

import numpy as np

Outcome = tuple[np.ndarray, np.ndarray, np.ndarray]

MOUNTAIN_AXES = (np.linspace(-1.2, 0.6, 121), np.linspace(-0.07, 0.07, 81))
PENDULUM_AXES = (np.linspace(-np.pi, np.pi, 121), np.linspace(-8, 8, 97))


def mountain_car(state_N2: np.ndarray, action: float) -> Outcome:
    """-1 a step until the car is at 0.5 [Moore 1990, Efficient Memory-based Learning for Robot Control]."""
    next_N2, over_N = _roll(state_N2, (action - 1) * 0.001, goal=0.5)
    return next_N2, np.full(len(state_N2), -1.0), over_N


def mountain_car_continuous(state_N2: np.ndarray, action: float) -> Outcome:
    """100 at 0.45, and every step costs a tenth of the squared force."""
    next_N2, over_N = _roll(state_N2, action * 0.0015, goal=0.45)
    return next_N2, 100.0 * over_N - 0.1 * action**2, over_N


def _roll(state_N2: np.ndarray, push: float, goal: float) -> tuple[np.ndarray, np.ndarray]:
    speed_N = np.clip(state_N2[:, 1] + push - 0.0025 * np.cos(3 * state_N2[:, 0]), -0.07, 0.07)
    place_N = np.clip(state_N2[:, 0] + speed_N, -1.2, 0.6)
    speed_N = np.where((place_N == -1.2) & (speed_N < 0), 0.0, speed_N)
    return np.stack([place_N, speed_N], axis=1), (place_N >= goal) & (speed_N >= 0)


def pendulum(state_N2: np.ndarray, action: float) -> Outcome:
    """Costs of angle, speed and torque, 1/20 s a step; the angle in [-pi, pi), 0 upright."""
    angle_N, speed_N = state_N2.T
    reward_N = -(angle_N**2 + 0.1 * speed_N**2 + 0.001 * action**2)
    speed_N = np.clip(speed_N + (15.0 * np.sin(angle_N) + 3.0 * action) * 0.05, -8, 8)
    angle_N = (angle_N + speed_N * 0.05 + np.pi) % (2 * np.pi) - np.pi
    return np.stack([angle_N, speed_N], axis=1), reward_N, np.zeros(len(angle_N), bool)
