"""Experts of the Box2D tasks, and the packages that those need.

Landing and walking are gymnasium's own controllers. CarRacing is driven by pure pursuit: steer towards a point on the
road ahead [Coulter 1992, Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01], as fast as the
bends before the car allow. Letters: S tiles of the road.
"""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import gymnasium
import numpy as np
import pygame  # noqa: F401 - CarRacing draws what the agent sees

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # swig's types in Python 3.11; as an error it crashes the interpreter
    import Box2D  # noqa: F401
    from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics
    from gymnasium.envs.box2d.lunar_lander import heuristic

from opengato.core.environment import Expert

# Of the driver, the best of 40 draws on the seeds from 1,000,000 on.
AHEAD = 4  # tiles of the road to the point steered at, about 3.5 m each
STEERING = 1.0  # per rad of the angle to it
MOST_GAS, STRAIGHT = 0.5, 0.2  # gas, given only where that angle is below 0.2 rad: the wheels at the back slip
BRAKING = range(4, 26)  # tiles ahead whose bends limit the speed
FASTEST, SLOWEST, GRIP = 70.0, 40.0, 5.0  # m/s, and the fall of the limit per rad of the sharpest bend of ten tiles


class _Walk(BipedalWalkerHeuristics):
    """Gymnasium's gait at a speed at which it does not fall: 0.22 and not 0.29, chosen on seeds from 1,000,000 on."""

    SPEED = 0.22


def walk() -> Expert:
    """A gait of three phases, on the observation alone."""
    gait = _Walk()
    return lambda observation: gait.step_heuristic(observation).astype(np.float32)


def land(env: gymnasium.Env) -> Expert:
    """Proportional and derivative control of angle and height, on the observation alone."""

    def act(observation: np.ndarray) -> int | np.ndarray:
        action = heuristic(env, observation)
        return np.asarray(action, np.float32) if isinstance(action, np.ndarray) else int(action)

    return act


def drive(env: gymnasium.Env) -> Expert:
    """Pure pursuit of the middle of the road of the episode just reset."""
    race = env.unwrapped
    road_S2 = np.array([(x, y) for _, _, x, y in race.track])
    heading_S = np.unwrap(np.array([beta for _, beta, _, _ in race.track]))
    tiles = len(road_S2)

    def act(_observation: np.ndarray) -> np.ndarray:
        hull = race.car.hull
        here = np.array(hull.position)
        nearest = int(np.argmin(((road_S2 - here) ** 2).sum(axis=1)))
        forward = np.array(hull.GetWorldVector((0, 1)))
        to_point = road_S2[(nearest + AHEAD) % tiles] - here
        angle = np.arctan2(forward @ (-to_point[1], to_point[0]), forward @ to_point)  # clockwise
        bends = [_turn(heading_S, nearest + ahead, 10) for ahead in BRAKING]
        fastest = max(FASTEST - GRIP * max(bends), SLOWEST)
        speed = float(np.linalg.norm(hull.linearVelocity))
        gas = np.clip((fastest - speed) * 0.05, 0.0, MOST_GAS) * (abs(angle) < STRAIGHT)
        brake = np.clip((speed - fastest) * 0.05, 0.0, 0.5)
        return np.array([np.clip(STEERING * angle, -1, 1), gas, brake], np.float32)

    return act


def _turn(heading_S: np.ndarray, tile: int, over: int) -> float:
    """Radians that the road turns within `over` tiles; the closing of the lap is taken modulo a turn."""
    change = heading_S[(tile + over) % len(heading_S)] - heading_S[tile % len(heading_S)]
    return abs(float((change + np.pi) % (2 * np.pi) - np.pi))


def expert(env: gymnasium.Env, name: str) -> Expert:
    """The expert of task `name`, for the episode that `env` was just reset to."""
    if name.startswith("LunarLander"):
        return land(env)
    return drive(env) if name == "CarRacing" else walk()
