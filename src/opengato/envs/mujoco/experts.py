"""Regulators for the pendulums, and for the rest a planner with each task's reward written for many plans at once.

Letters: K plans, H control steps ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from opengato.core.environment import Expert
from opengato.envs.linear import linearise, regulator
from opengato.envs.mpc import Config, Futures, Planner
from opengato.envs.running import BatchReward, Runner

_mj: Any = mujoco


def reacher(futures: Futures, _: float) -> np.ndarray:
    """Distance of the finger to the target, and controls."""
    first_KH = futures.qpos_KHF[..., 0]
    both_KH = first_KH + futures.qpos_KHF[..., 1]
    aside_KH = 0.1 * np.cos(first_KH) + 0.11 * np.cos(both_KH) - futures.qpos_KHF[..., 2]
    ahead_KH = 0.1 * np.sin(first_KH) + 0.11 * np.sin(both_KH) - futures.qpos_KHF[..., 3]
    return -np.hypot(aside_KH, ahead_KH) - np.square(futures.ctrl_KHA).sum(axis=-1)


PUSHER_BODIES = ("tips_arm", "object", "goal")


def pusher(futures: Futures, _: float) -> np.ndarray:
    """Distances of arm to object and of object to goal, and controls; sensors give the three places."""
    arm, thing, goal = (futures.sensors_KHF[..., start : start + 3] for start in (0, 3, 6))
    near_KH, far_KH = np.linalg.norm(thing - arm, axis=-1), np.linalg.norm(thing - goal, axis=-1)
    return -0.5 * near_KH - far_KH - 0.1 * np.square(futures.ctrl_KHA).sum(axis=-1)


REWARDS: dict[str, BatchReward] = {
    "Reacher": reacher,
    "Pusher": pusher,
    "Swimmer": Runner(1e-4),
    "Hopper": Runner(1e-3, well=1.0, heights=(0.7, np.inf), pitch=0.2),
    "Walker2d": Runner(1e-3, well=1.0, heights=(0.8, 2.0), pitch=1.0),
    "HalfCheetah": Runner(0.1),
    "Ant": Runner(0.5, well=1.0, height_at=2, heights=(0.2, 1.0)),
    # Of the torso, where Gymnasium takes the centre of mass.
    "Humanoid": Runner(0.1, forward=1.25, well=5.0, height_at=2, heights=(1.0, 2.0)),
}
UPRIGHT = {"Hopper": 5.0, "Walker2d": 2.0}  # see `Runner`
PLANS = {
    "Reacher": Config(samples=32, iterations=2, horizon=20, knots=5, every=2, substeps=2, noise=0.3),
    "Pusher": Config(samples=48, iterations=2, horizon=30, knots=4, every=2, substeps=2, noise=0.4),
    "Swimmer": Config(samples=32, horizon=80, knots=10, every=4, substeps=2, noise=1.0),
    "Hopper": Config(samples=48, horizon=100, knots=8, every=4, substeps=1),
    "Walker2d": Config(samples=40, horizon=100, knots=8, every=4, substeps=1),
    "HalfCheetah": Config(samples=32, horizon=16, knots=6, every=1, substeps=4),
    "Ant": Config(samples=48, horizon=20, knots=6, every=2, substeps=3, noise=0.6),
    "Humanoid": Config(samples=32, horizon=40, knots=6, every=3, substeps=2),
}
GOALS = {  # states at rest and the costs of leaving them, by diagonal
    "InvertedPendulum": ([1.0, 10.0, 0.1, 0.1], 0.1),
    "InvertedDoublePendulum": ([0.1, 10.0, 10.0, 0.1, 1.0, 1.0], 1.0),
}


def expert(env: Any) -> Expert:
    """The expert for the episode that one of Gymnasium's environments has just been reset to."""
    name = env.spec.id.partition("-")[0]
    control = hold(env, *GOALS[name]) if name in GOALS else planner(env, name)
    low, high = env.action_space.low, env.action_space.high
    return lambda _: np.clip(control(env.data), low, high).astype(np.float32)


def hold(env: Any, costs: list[float], price: float) -> Callable[[Any], np.ndarray]:
    """A regulator around all positions at 0."""
    step, push = linearise(env.model, np.zeros(env.model.nq), env.frame_skip)
    gain, _ = regulator(step, push, np.diag(costs), np.eye(env.model.nu) * price)
    return lambda data: -gain @ np.concatenate([data.qpos, data.qvel])


def planner(env: Any, name: str) -> Planner:
    """A planner by the task's own reward, on its model, with sensors where the reward needs places of bodies."""
    model, reward = env.model, REWARDS[name]
    if isinstance(reward, Runner):
        reward = replace(reward, upright=UPRIGHT.get(name, 0.0))
    if name == "Pusher":
        model = sensing(env.fullpath, PUSHER_BODIES)
        model.body_pos[:], model.body_quat[:] = env.model.body_pos, env.model.body_quat
    return Planner(PLANS[name], model, env.dt, lambda futures: reward(futures, env.dt), env.np_random_seed or 0)


def sensing(path: str, bodies: tuple[str, ...]) -> Any:
    """The model of a file, with a sensor for the place of each of `bodies`, in their order."""
    spec = _mj.MjSpec.from_file(path)
    for body in bodies:
        spec.add_sensor(name=body, type=_mj.mjtSensor.mjSENS_FRAMEPOS, objtype=_mj.mjtObj.mjOBJ_XBODY, objname=body)
    return spec.compile()
