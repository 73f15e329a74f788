"""The reward of bodies that run, for many plans at once: way, staying well, controls.

Letters: K plans, H control steps ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opengato.envs.mpc import Futures

BatchReward = Callable[[Futures, float], np.ndarray]
"""Rewards (K, H) of futures; the number is the length of a control step in s."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A body that is paid for its way forward, for each step that it is well, and pays for its controls.

    It is well while its height, the position `height_at`, lies in `heights` and its pitch, the next one, below `pitch`.
    After the first step in which it is not, it gets nothing. `upright` is no part of a task's reward: it pays for
    little pitch and little turning, so that plans see a fall before it comes.
    """

    control_cost: float
    forward: float = 1.0
    well: float = 0.0
    height_at: int = 1
    heights: tuple[float, float] = (-np.inf, np.inf)
    pitch: float = np.inf
    upright: float = 0.0

    def __call__(self, futures: Futures, seconds: float) -> np.ndarray:
        place_KH = futures.qpos_KHF[..., 0]
        before_K1 = np.full((len(place_KH), 1), futures.start_F[0])
        speed_KH = np.diff(place_KH, axis=1, prepend=before_K1) / seconds
        reward_KH = self.forward * speed_KH + self.well - self.control_cost * np.square(futures.ctrl_KHA).sum(axis=-1)
        if not self.well:
            return reward_KH
        height_KH = futures.qpos_KHF[..., self.height_at]
        well_KH = (self.heights[0] < height_KH) & (height_KH < self.heights[1])
        if np.isfinite(self.pitch):
            well_KH &= np.abs(futures.qpos_KHF[..., self.height_at + 1]) < self.pitch
        if self.upright:
            leaning_KH, falling_KH = (
                futures.qpos_KHF[..., self.height_at + 1],
                futures.qvel_KHF[..., self.height_at + 1],
            )
            reward_KH = reward_KH + self.upright / (1 + 20 * leaning_KH**2 + 0.5 * falling_KH**2)
        # The step that ends an episode still pays for the way, but not for being well.
        alive_KH = np.logical_and.accumulate(well_KH, axis=1)
        before_KH = np.concatenate([np.ones((len(alive_KH), 1), bool), alive_KH[:, :-1]], axis=1)
        return before_KH * (reward_KH - self.well * ~well_KH)
