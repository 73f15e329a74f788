"""Regulators for the pendulums, and for the rest a planner with each task's reward written for many plans at once.

Letters: K plans, H control steps ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from opengato.core.environment import Expert
from opengato.envs.linear import linearise, regulator
from opengato.envs.mpc import Config, Futures, Planner

_mj: Any = mujoco
BatchReward = Callable[[Futures, float], np.ndarray]
"""Rewards (K, H) of futures; the number is the length of a control step in s."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A body that is paid for its way forward, for each step that it is well, and pays for its controls.

    It is well while its height lies in `heights` and its pitch is less than `pitch`; where `ends`, it gets nothing after.
    """

    control_cost: float
    well: float = 0.0
    height_at: int = 1
    heights: tuple[float, float] = (-np.inf, np.inf)
    pitch: float = np.inf

    def __call__(self, futures: Futures, seconds: float) -> np.ndarray:
        place_KH = futures.qpos_KHF[..., 0]
        before_K1 = np.full((len(place_KH), 1), futures.start_F[0])
        speed_KH = np.diff(place_KH, axis=1, prepend=before_K1) / seconds
        reward_KH = speed_KH + self.well - self.control_cost * np.square(futures.ctrl_KHA).sum(axis=-1)
        if not self.well:
            return reward_KH
        height_KH = futures.qpos_KHF[..., self.height_at]
        well_KH = (self.heights[0] < height_KH) & (height_KH < self.heights[1])
        if np.isfinite(self.pitch):
            well_KH &= np.abs(futures.qpos_KHF[..., self.height_at + 1]) < self.pitch
        # The step that ends an episode still pays for the way, but not for being well.
        alive_KH = np.logical_and.accumulate(well_KH, axis=1)
        before_KH = np.concatenate([np.ones((len(alive_KH), 1), bool), alive_KH[:, :-1]], axis=1)
        return before_KH * (reward_KH - self.well * ~well_KH)


def reacher(futures: Futures, seconds: float) -> np.ndarray:
    """Distance of the finger to the target, and controls."""
    first_KH = futures.qpos_KHF[..., 0]
    both_KH = first_KH + futures.qpos_KHF[..., 1]
    aside_KH = 0.1 * np.cos(first_KH) + 0.11 * np.cos(both_KH) - futures.qpos_KHF[..., 2]
    ahead_KH = 0.1 * np.sin(first_KH) + 0.11 * np.sin(both_KH) - futures.qpos_KHF[..., 3]
    return -np.hypot(aside_KH, ahead_KH) - np.square(futures.ctrl_KHA).sum(axis=-1)


PUSHER_BODIES = ("tips_arm", "object", "goal")


def pusher(futures: Futures, seconds: float) -> np.ndarray:
    """Distances of arm to object and of object to goal, and controls; sensors give the three places."""
    arm, thing, goal = (futures.sensors_KHF[..., start : start + 3] for start in (0, 3, 6))
    near_KH, far_KH = np.linalg.norm(thing - arm, axis=-1), np.linalg.norm(thing - goal, axis=-1)
    return -0.5 * near_KH - far_KH - 0.1 * np.square(futures.ctrl_KHA).sum(axis=-1)


REWARDS: dict[str, BatchReward] = {
    "Reacher": reacher,
    "Pusher": pusher,
    "Swimmer": Runner(1e-4),
    "Hopper": Runner(1e-3, 1.0, 1, (0.7, np.inf), 0.2),
    "Walker2d": Runner(1e-3, 1.0, 1, (0.8, 2.0), 1.0),
    "HalfCheetah": Runner(0.1),
    "Ant": Runner(0.5, 1.0, 2, (0.2, 1.0)),
}
PLANS = {
    "Reacher": Config(samples=32, iterations=2, horizon=20, knots=5, every=2, substeps=2, noise=0.3),
    "Pusher": Config(samples=32, iterations=1, horizon=25, knots=4, every=3, substeps=3, noise=0.4),
    "Swimmer": Config(samples=32, iterations=1, horizon=50, knots=8, every=4, substeps=2),
    "Hopper": Config(samples=48, iterations=1, horizon=60, knots=8, every=4, substeps=2),
    "Walker2d": Config(samples=48, iterations=1, horizon=60, knots=8, every=4, substeps=2),
    "HalfCheetah": Config(samples=32, iterations=1, horizon=16, knots=6, every=1, substeps=4),
    "Ant": Config(samples=32, iterations=1, horizon=16, knots=5, every=2, substeps=3),
}
GOALS = {  # states at rest and the costs of leaving them, by diagonal
    "InvertedPendulum": ([1.0, 10.0, 0.1, 0.1], 0.1),
    "InvertedDoublePendulum": ([0.1, 10.0, 10.0, 0.1, 1.0, 1.0], 1.0),
}


def expert(env: Any) -> Expert:
    """The expert for the episode that one of Gymnasium's environments has just been reset to."""
    name = env.spec.id.partition("-")[0]
    if name in GOALS:
        costs, price = GOALS[name]
        gain, _ = regulator(*linearise(env.model, np.zeros(env.model.nq), env.frame_skip), np.diag(costs), np.eye(1) * price)
        control: Callable[[], np.ndarray] = lambda: -gain @ np.concatenate([env.data.qpos, env.data.qvel])
    else:
        plan = planner(env, name)
        control = lambda: plan(env.data)
    low, high = env.action_space.low, env.action_space.high
    return lambda _: np.clip(control(), low, high).astype(np.float32)


def planner(env: Any, name: str) -> Planner:
    """A planner by the task's own reward, on its model, with sensors where the reward needs places of bodies."""
    model, reward = env.model, REWARDS[name]
    if name == "Pusher":
        model = sensing(env.fullpath, PUSHER_BODIES)
        model.body_pos[:], model.body_quat[:] = env.model.body_pos, env.model.body_quat
    return Planner(PLANS[name], model, env.dt, lambda futures: reward(futures, env.dt), env.np_random_seed or 0)


def sensing(path: str, bodies: tuple[str, ...]) -> Any:
    """The model of a file, with a sensor for the place of each of `bodies`, in their order."""
    spec = _mj.MjSpec.from_file(path)
    for body in bodies:
        spec.add_sensor(
            name=body, type=_mj.mjtSensor.mjSENS_FRAMEPOS, objtype=_mj.mjtObj.mjOBJ_XBODY, objname=body
        )
    return spec.compile()
