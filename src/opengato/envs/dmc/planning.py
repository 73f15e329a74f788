"""Batch rewards of the suite's tasks for the planner, and how hard to plan for each.

A reward follows the task's own, with a slope added where that is flat; a score is always counted in the task's own.

Letters: K plans, H control steps ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dm_control.utils.rewards import tolerance

from opengato.envs.dmc.controllers import Controller
from opengato.envs.mpc import Config, Futures, Planner, Reward

RewardOf = Callable[[Any], Reward]


def planner(config: Config, reward_of: RewardOf) -> Callable[[Any], Controller]:
    """An expert that plans by the reward that an environment's model defines."""

    def begin(env: Any) -> Controller:
        plan = Planner(config, env.model, env.simulation.control_timestep(), reward_of(env), env.episode_seed)
        return lambda: plan(env.data)

    return begin


def sensor(env: Any, name: str) -> slice:
    """Where a sensor's figures lie."""
    found = env.model.sensor(name)
    return slice(int(found.adr[0]), int(found.adr[0] + found.dim[0]))


def speed_of(env: Any) -> Callable[[Futures], np.ndarray]:
    """Forward speed (K, H) of the centre of mass, in m/s."""
    where = sensor(env, "torso_subtreelinvel").start
    return lambda futures: futures.sensors_KHF[..., where]


def cheetah(env: Any) -> Reward:
    """Forward speed, up to 10 m/s."""
    speed = speed_of(env)
    return lambda futures: np.minimum(speed(futures) / 10, 1.0)


def walker(target: float) -> RewardOf:
    """Stand, and move at `target` m/s if above 0."""

    def reward_of(env: Any) -> Reward:
        speed, start = speed_of(env), float(env.model.body_pos[1, 2])

        def reward(futures: Futures) -> np.ndarray:
            height_KH, upright_KH = futures.qpos_KHF[..., 0] + start, (1 + np.cos(futures.qpos_KHF[..., 2])) / 2
            stand_KH = (3 * tolerance(height_KH, (1.2, np.inf), margin=0.6) + upright_KH) / 4
            if target == 0:
                return stand_KH
            move_KH = tolerance(speed(futures), (target, np.inf), target / 2, "linear", 0.5)
            slope_KH = np.minimum(speed(futures) / target, 1.0)
            return stand_KH * (5 * move_KH + 1) / 6 + 0.3 * stand_KH * slope_KH

        return reward

    return reward_of


def ball_in_cup(env: Any) -> Reward:
    """The ball in the cup, and until then above it and near."""
    names = env.simulation.physics.named.model
    room = names.site_size["target", ["x", "z"]] - names.geom_size["ball", 0]
    target = float(names.body_pos["cup", "z"] + names.site_pos["target", "z"])
    start = float(names.body_pos["ball", "z"])

    def reward(futures: Futures) -> np.ndarray:
        cup_x, cup_z, ball_x, ball_z = np.moveaxis(futures.qpos_KHF, -1, 0)
        aside_KH, above_KH = ball_x - cup_x, start + ball_z - target - cup_z
        caught_KH = (np.abs(aside_KH) < room[0]) & (np.abs(above_KH) < room[1])
        below_KH = (above_KH < -0.03) & (np.abs(aside_KH) < 0.05)
        return caught_KH - np.hypot(aside_KH, above_KH) - 0.3 * below_KH

    return reward


def turn(env: Any) -> Reward:
    """The spinner's tip on the target, and until then nearer to it."""
    tip, target, spinner = (sensor(env, name).start for name in ("tip", "target", "spinner"))
    touch = sensor(env, "touchtop_pos").start
    size = float(env.simulation.physics.named.model.site_size["target", 0])

    def reward(futures: Futures) -> np.ndarray:
        seen = futures.sensors_KHF
        apart_KH = np.hypot(seen[..., tip] - seen[..., target], seen[..., tip + 2] - seen[..., target + 2])
        reach_KH = np.hypot(seen[..., touch] - seen[..., spinner], seen[..., touch + 2] - seen[..., spinner + 2])
        return (apart_KH < size) - 2 * apart_KH - 0.3 * (apart_KH > size) * np.maximum(reach_KH - 0.1, 0)

    return reward


def fish_upright(_: Any) -> Reward:
    """The body upright."""
    return lambda futures: tolerance(_uprightness(futures), (1, 1), margin=1)


def fish_swim(env: Any) -> Reward:
    """The mouth at the target."""
    names = env.simulation.physics.named.model
    mouth, target = np.array(names.geom_pos["mouth"]), np.array(names.geom_pos["target"])
    radii = float(names.geom_size["mouth", 0] + names.geom_size["target", 0])

    def reward(futures: Futures) -> np.ndarray:
        place, quaternion = futures.qpos_KHF[..., :3], futures.qpos_KHF[..., 3:7]
        apart_KH = np.linalg.norm(place + _rotated(quaternion, mouth) - target, axis=-1)
        near_KH = tolerance(apart_KH, (0, radii), margin=2 * radii)
        return (7 * near_KH + 0.5 * (_uprightness(futures) + 1)) / 8 - apart_KH

    return reward


def _uprightness(futures: Futures) -> np.ndarray:
    """(K, H): the z part of the body's own z axis."""
    return 1 - 2 * np.square(futures.qpos_KHF[..., 4:6]).sum(axis=-1)


def _rotated(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`vector` (3,) turned by unit quaternions (..., 4)."""
    scalar, axis = quaternion[..., :1], quaternion[..., 1:]
    twice = 2 * np.cross(axis, vector)
    return vector + scalar * twice + np.cross(axis, twice)
