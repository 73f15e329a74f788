"""Closed-form experts: regulators, energy, geometry. They cost next to nothing and read the simulator's state.

A controller is made for an episode that has just been reset, and called before each step for the control.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from opengato.envs.linear import linearise, regulator

_mj: Any = mujoco
Controller = Callable[[], np.ndarray]


def lqr(env: Any) -> Controller:
    """The optimum of the task's own cost: half of |position|^2 and a twentieth of |control|^2."""
    step, push = linearise(env.model, np.zeros(env.model.nq), env.simulation._n_sub_steps)
    positions = np.diag(np.repeat([0.5, 0.0], env.model.nv))
    gain, _ = regulator(step, push, positions, 0.05 * np.eye(env.model.nu))
    return lambda: -gain @ np.concatenate([env.data.qpos, env.data.qvel])


def pendulum(env: Any) -> Controller:
    """Swing until the energy is that of standing upright, then hold."""
    model, data = env.model, env.data
    inertia = _inertia(model)
    weight = float(model.body_mass[1] * 9.81 * model.body_ipos[1, 2])
    gear = float(model.actuator_gear[0, 0])

    def act() -> np.ndarray:
        angle, speed = _wrapped(data.qpos[0]), float(data.qvel[0])
        lacking = weight * (1 - np.cos(angle)) - inertia * speed**2 / 2
        hold = -(3 * weight) * angle - 2 * np.sqrt(weight * inertia) * speed
        if abs(angle) < 0.3 and abs(hold) < 2 * gear:
            torque = hold
        else:
            torque = gear * np.sign(lacking) * (np.sign(speed) or 1.0)
        return np.clip(np.array([torque / gear]), -1, 1)

    return act


def cartpole(env: Any) -> Controller:
    """Swing the pole until its energy is that of standing upright [Astrom and Furuta 2000], then regulate."""
    model, data = env.model, env.data
    step, push = linearise(model, np.zeros(2), env.simulation._n_sub_steps)
    gain, _ = regulator(step, push, np.diag([1.0, 1.0, 0.1, 0.1]), np.array([[0.3]]))
    cart, pole, gear = float(model.body_mass[1]), float(model.body_mass[2]), float(model.actuator_gear[0, 0])
    length = float(model.body_ipos[2, 2])
    inertia = float(model.body_inertia[2, 0]) + pole * length**2

    def act() -> np.ndarray:
        angle = _wrapped(data.qpos[1])
        place, (speed, turning) = float(data.qpos[0]), data.qvel
        if abs(angle) < 0.4 and abs(turning) < 4:
            return np.clip(-gain @ np.array([place, angle, speed, turning]), -1, 1)
        energy = inertia * turning**2 / 2 + pole * 9.81 * length * (np.cos(angle) - 1)
        pumping = np.clip(200 * energy * turning * np.cos(angle), -8, 8)
        if abs(turning * np.cos(angle)) < 1e-2:
            pumping = 8.0
        wanted = pumping - 2 * place - speed
        swing = pole * length * (9.81 * np.sin(angle) - np.cos(angle) * wanted) / inertia
        force = (cart + pole) * wanted + pole * length * (np.cos(angle) * swing - np.sin(angle) * turning**2)
        return np.clip(np.array([force / gear]), -1, 1)

    return act


def acrobot(env: Any) -> Controller:
    """Put energy in by the elbow until it is that of standing upright, and regulate where that can succeed."""
    model, data = env.model, env.data
    step, push = linearise(model, np.zeros(2), env.simulation._n_sub_steps)
    gain, _ = regulator(step, push, np.diag([10.0, 10.0, 1.0, 1.0]), np.array([[1.0]]))
    upright = _mj.MjData(model)
    _mj.mj_forward(model, upright)
    goal = float(upright.energy.sum())

    def act() -> np.ndarray:
        state = np.concatenate([[_wrapped(angle) for angle in data.qpos], data.qvel])
        control = -gain @ state
        if abs(control[0]) < 4.0:
            return np.clip(control, -1, 1)
        lacking = goal - float(data.energy.sum())
        return np.array([np.sign(lacking * state[3])])

    return act


def point_mass(env: Any) -> Controller:
    """Push towards the target, braking in time; where controls are mixed, through the inverse of the mixture."""
    model, data = env.model, env.data
    mixture = model.wrap_prm[:4].reshape(2, 2).T  # column i: where control i pushes

    def act() -> np.ndarray:
        control = np.linalg.solve(mixture, -60.0 * data.qpos - 20.0 * data.qvel)
        return control / max(1.0, np.abs(control).max())

    return act


def reacher(env: Any) -> Controller:
    """The angles that put the finger on the target, by the law of cosines, and computed torque to get there."""
    model, data = env.model, env.data
    names = env.simulation.physics.named.model
    first, second = float(names.body_pos["hand", "x"]), float(names.body_pos["finger", "x"])
    target = np.array(names.geom_pos["target"][:2])
    goal = nearest_angles(target, first, second, np.array(data.qpos))
    inertia = np.zeros((2, 2))

    def act() -> np.ndarray:
        _mj.mj_fullM(model, inertia, data.qM)
        error = np.array([_wrapped(goal[0] - data.qpos[0]), goal[1] - data.qpos[1]])
        torque = inertia @ (60.0 * error - 13.0 * data.qvel) + model.dof_damping * data.qvel
        return np.clip(torque / model.actuator_gear[:, 0], -1, 1)

    return act


def nearest_angles(target: np.ndarray, first: float, second: float, now: np.ndarray) -> np.ndarray:
    """Shoulder and elbow (2,) that bring a planar arm of two links to `target`, of both solutions the nearer."""
    cosine = (target @ target - first**2 - second**2) / (2 * first * second)
    solutions = []
    for elbow in np.arccos(np.clip(cosine, -1, 1)) * np.array([1, -1]):
        shoulder = np.arctan2(target[1], target[0]) - np.arctan2(second * np.sin(elbow), first + second * np.cos(elbow))
        solutions.append(np.array([shoulder, elbow]))
    return min(solutions, key=lambda angles: max(abs(_wrapped(angles[0] - now[0])), abs(angles[1] - now[1])))


def _inertia(model: Any) -> float:
    """Of the only joint of a model."""
    data, inertia = _mj.MjData(model), np.zeros((1, 1))
    _mj.mj_forward(model, data)
    _mj.mj_fullM(model, inertia, data.qM)
    return float(inertia[0, 0])


def _wrapped(angle: float) -> float:
    """In [-pi, pi)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
