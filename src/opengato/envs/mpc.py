"""Model-predictive control by sampling: try plans in MuJoCo's own physics, follow the best, plan again.

A plan is a piecewise linear curve of controls through a few knots [Howell et al. 2022, arXiv:2212.00541, sec. 3.3]. The
last plan, shifted, is varied; the best variations (elites) are averaged and varied less, and the best of the last
round is followed for some steps [Pinneri et al. 2020, arXiv:2008.06389, sec. 3]. Rollouts run on a model and data of
the planner's own, so an episode is never disturbed; all chance comes from the seed.

Letters: K plans, H control steps ahead, A action dims, N knots, F figures of MuJoCo's state or of one of its parts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

_mj: Any = mujoco  # the names of a compiled module, which a type checker cannot see
_STATE = _mj.mjtState.mjSTATE_FULLPHYSICS
_NARROW = 0.3  # share of the noise for every other plan: some look far, some near
_HOPELESS = -1e9  # the return of a plan whose physics broke down


@dataclass(frozen=True, slots=True)
class Futures:
    """What K plans lead to from a state with `start_F` as positions, after each of H control steps."""

    start_F: np.ndarray
    qpos_KHF: np.ndarray
    qvel_KHF: np.ndarray
    ctrl_KHA: np.ndarray
    sensors_KHF: np.ndarray


Reward = Callable[[Futures], np.ndarray]
"""The rewards (K, H) of futures; a task's own, or one with a slope where that has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How hard to plan: an episode step costs samples * iterations * horizon * substeps / every steps of physics."""

    samples: int = 32
    iterations: int = 1
    horizon: int = 25  # control steps
    knots: int = 6
    every: int = 4  # control steps followed before the next plan
    substeps: int = 1  # steps of physics in a control step; fewer than the task's are cheaper and less exact
    noise: float = 0.8  # standard deviation of a knot, in half ranges of a control
    elites: int = 4
    enough: float = np.inf  # mean reward above which a plan is followed without looking for a better one


def interpolation(at: np.ndarray, knots: int, horizon: int) -> np.ndarray:
    """Weights (len(at), knots) of a piecewise linear curve at the steps `at`, its knots even over [0, horizon - 1]."""
    places_N = np.linspace(0.0, horizon - 1.0, knots)
    return np.stack([np.interp(at, places_N, unit) for unit in np.eye(knots)], axis=-1)


class Planner:
    """Controls for one episode. `model` is copied, with all that the episode's reset has changed in it."""

    def __init__(self, config: Config, model: Any, timestep: float, reward: Reward, seed: int) -> None:
        """`timestep`: seconds of a control step."""
        self.config, self.reward = config, reward
        self.model = copy.copy(model)
        self.model.opt.timestep = timestep / config.substeps
        if self.model.opt.integrator == _mj.mjtIntegrator.mjINT_RK4:  # four times the cost of a step
            self.model.opt.integrator = _mj.mjtIntegrator.mjINT_IMPLICITFAST
        self._data = _mj.MjData(self.model)
        self._rng = np.random.default_rng(seed)
        limited, (low, high) = model.actuator_ctrllimited, model.actuator_ctrlrange.T
        self.low_A, self.high_A = np.where(limited, low, -1.0), np.where(limited, high, 1.0)
        steps = np.arange(config.horizon)
        self._curve_HN = interpolation(steps, config.knots, config.horizon)
        places = np.linspace(0.0, config.horizon - 1.0, config.knots)
        self._shift_NN = interpolation(np.minimum(places + config.every, steps[-1]), config.knots, config.horizon)
        self._state_F = np.zeros(_mj.mj_stateSize(self.model, _STATE))
        self._plan_NA = np.broadcast_to((self.low_A + self.high_A) / 2, (config.knots, model.nu)).copy()
        self._controls_HA = self._curve_HN @ self._plan_NA
        self._followed = config.every

    def __call__(self, data: Any) -> np.ndarray:
        """The control (A,) for the present state of the episode's MjData, which is only read."""
        if self._followed >= self.config.every:
            self._replan(data)
            self._followed = 0
        control = self._controls_HA[self._followed]
        self._followed += 1
        return control.copy()

    def _replan(self, data: Any) -> None:
        config = self.config
        _mj.mj_getState(self.model, data, self._state_F, _STATE)
        self._plan_NA = self._shift_NN @ self._plan_NA
        if np.isinf(config.enough) or self._returns(self._plan_NA[None])[0] < config.enough * config.horizon:
            spread_A = config.noise * (self.high_A - self.low_A) / 2
            for iteration in range(config.iterations):
                self._improve(spread_A * 0.6**iteration, last=iteration == config.iterations - 1)
        self._controls_HA = self._curve_HN @ self._plan_NA

    def _improve(self, spread_A: np.ndarray, last: bool) -> None:
        config = self.config
        noise_KNA = self._rng.standard_normal((config.samples, *self._plan_NA.shape)) * spread_A
        noise_KNA[0] = 0.0
        noise_KNA[1::2] *= _NARROW
        plans_KNA = np.clip(self._plan_NA + noise_KNA, self.low_A, self.high_A)
        returns_K = self._returns(plans_KNA)
        best = np.argsort(-returns_K, kind="stable")[: config.elites]
        if last:
            self._plan_NA = plans_KNA[best[0]]
        else:
            gap_K = returns_K[best] - returns_K[best[0]]
            weights_K = np.exp(3.0 * gap_K / max(-gap_K[-1], 1e-9))
            self._plan_NA = np.tensordot(weights_K / weights_K.sum(), plans_KNA[best], axes=1)

    def _returns(self, plans_KNA: np.ndarray) -> np.ndarray:
        """The sum of rewards over the horizon, by plan."""
        returns_K = self.reward(self.futures(self._curve_HN @ plans_KNA)).sum(axis=1)
        return np.where(np.isfinite(returns_K), returns_K, _HOPELESS)

    def futures(self, controls_KHA: np.ndarray) -> Futures:
        """Where controls lead from the state that was planned from last."""
        config, nq, nv = self.config, self.model.nq, self.model.nv
        start_KF = np.tile(self._state_F, (len(controls_KHA), 1))
        controls = np.repeat(controls_KHA, config.substeps, axis=1)
        states, sensors = rollout.rollout(self.model, self._data, start_KF, controls)
        states = states[:, config.substeps - 1 :: config.substeps]
        return Futures(
            start_F=self._state_F[1 : 1 + nq],
            qpos_KHF=states[..., 1 : 1 + nq],
            qvel_KHF=states[..., 1 + nq : 1 + nq + nv],
            ctrl_KHA=controls_KHA,
            sensors_KHF=sensors[:, config.substeps - 1 :: config.substeps],
        )
