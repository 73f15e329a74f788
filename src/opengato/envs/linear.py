"""Linear-quadratic regulators for MuJoCo models: the best linear controller around a point of rest.

Letters: A action dims, D twice the degrees of freedom (positions, then velocities).
"""

from __future__ import annotations

import copy
from typing import Any

import mujoco
import numpy as np

_mj: Any = mujoco
MOST_COST = 1e12  # to go; what grows beyond grows for ever


def linearise(model: Any, qpos: np.ndarray, substeps: int) -> tuple[np.ndarray, np.ndarray]:
    """(D, D) and (D, A) of x' = X x + U u around `qpos` at rest, for a control step of `substeps` steps of physics."""
    model = copy.copy(model)
    model.opt.integrator = _mj.mjtIntegrator.mjINT_EULER  # derivatives of Runge-Kutta steps are not offered
    data = _mj.MjData(model)
    data.qpos[:] = qpos
    step_DD, push_DA = np.zeros((2 * model.nv, 2 * model.nv)), np.zeros((2 * model.nv, model.nu))
    _mj.mjd_transitionFD(model, data, 1e-6, True, step_DD, push_DA, None, None)
    whole_DD, whole_DA = np.eye(2 * model.nv), np.zeros_like(push_DA)
    for _ in range(substeps):
        whole_DD, whole_DA = step_DD @ whole_DD, step_DD @ whole_DA + push_DA
    return whole_DD, whole_DA


def regulator(
    step_DD: np.ndarray,
    push_DA: np.ndarray,
    state_cost_DD: np.ndarray,
    control_cost_AA: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The gain (A, D) of u = -gain x, and the cost to go (D, D), from Riccati's equation.

    [Bertsekas 2005, Dynamic Programming and Optimal Control, vol. 1, sec. 4.1]. ValueError where it has no solution.
    """
    cost_DD, gain_AD = state_cost_DD.astype(float), np.zeros(push_DA.T.shape)
    for _ in range(20_000):
        pushed_AD = push_DA.T @ cost_DD
        gain_AD = np.linalg.solve(control_cost_AA + pushed_AD @ push_DA, pushed_AD @ step_DD)
        following_DD = state_cost_DD + step_DD.T @ cost_DD @ (step_DD - push_DA @ gain_AD)
        following_DD = (following_DD + following_DD.T) / 2
        if np.abs(following_DD - cost_DD).max() <= 1e-9 * np.abs(following_DD).max():
            return gain_AD, following_DD
        cost_DD = following_DD
        if np.abs(cost_DD).max() > MOST_COST:
            break
    raise ValueError("Riccati's equation did not converge: received a system that its controls cannot hold")
