"""Experts that ask the simulator: strikes of a puck tried in a copy of it, and a hand's fingers by its kinematics."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np

from opengato.envs.robotics.experts import UNIT, Observed, command, toward

_mj: Any = mujoco  # the names of a compiled module, which a type checker cannot see
STEPS = 50
SPEEDS, RUN_UPS = np.linspace(0.3, 1.0, 8), (0.08, 0.12, 0.16)  # of the first strikes: share of the fastest, m
REFINEMENTS, GOOD = 6, 0.02  # rounds around the best strike, m from the goal that end the search
TIPS = tuple(f"robot0:S_{finger}tip" for finger in ("ff", "mf", "rf", "lf", "th"))
GAIN, REGULARISATION = 0.5, 3e-3  # of the way to the goal per step; in m^2/rad^2


@dataclass(frozen=True, slots=True)
class Strike:
    """A hit: turned by `angle` rad from the line to the goal, at `speed` of the fastest, from `run_up` m behind."""

    angle: float
    speed: float
    run_up: float


class Striker:
    """Carries out one strike: to its start from above, down, along its line through the puck, and up."""

    THROUGH = 0.25  # m that a strike is long

    def __init__(self, strike: Strike, puck: np.ndarray, goal: np.ndarray) -> None:
        cosine, sine = np.cos(strike.angle), np.sin(strike.angle)
        x, y = (goal - puck)[:2] / np.linalg.norm((goal - puck)[:2])
        self.direction = np.array([cosine * x - sine * y, sine * x + cosine * y])
        self.start = puck[:2] - strike.run_up * self.direction
        self.speed = strike.speed / np.abs(self.direction).max()  # each axis moves up to 1 of its own
        self.height = float(puck[2])
        self.stage = 0

    def __call__(self, observed: Observed) -> np.ndarray:
        tip = observed["observation"][:3]
        if self.stage == 0:
            target = np.append(self.start, self.height + 0.06)
            if np.linalg.norm(tip[:2] - self.start) >= 0.012:
                if tip[2] < target[2] - 0.03:
                    target[:2] = tip[:2]
                return command(toward(tip, target))
            self.stage = 1
        if self.stage == 1:
            if tip[2] - self.height >= 0.012:
                return command(toward(tip, np.append(self.start, self.height)))
            self.stage = 2
        along = float((tip[:2] - self.start) @ self.direction)
        if self.stage == 2 and along <= self.THROUGH:
            off_line = self.start + along * self.direction - tip[:2]
            return command(np.append(self.speed * self.direction + off_line / UNIT, (self.height - tip[2]) / UNIT))
        self.stage = 3
        return command(np.array([0.0, 0.0, 0.5]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a strike ended: m from the goal, m too far along its line, rad to the left of it."""

    miss: float
    beyond: float
    turned: float
    strike: Strike


def planned_strike(env: Any) -> Striker:
    """The striker whose strike ends nearest to the goal, for a FetchSlide environment that has just been reset."""
    best = min((outcome(env, Strike(0.0, speed, run_up)) for run_up in RUN_UPS for speed in SPEEDS), key=_miss)
    step = float(SPEEDS[1] - SPEEDS[0]) / 2
    for _ in range(REFINEMENTS):
        if best.miss < GOOD:
            break
        best = min(best, outcome(env, replace(best.strike, angle=best.strike.angle - best.turned)), key=_miss)
        for change in (step, step / 2):
            speed = best.strike.speed - change * float(np.sign(best.beyond))
            best = min(best, outcome(env, replace(best.strike, speed=min(1.0, speed))), key=_miss)
        step /= 2
    observed = env._get_obs()
    return Striker(best.strike, observed["achieved_goal"], observed["desired_goal"])


def _miss(outcome: Outcome) -> float:
    return outcome.miss


def outcome(env: Any, strike: Strike) -> Outcome:
    """Play a strike to the end of the episode in a copy of the simulation; the simulation itself is not touched."""
    simulation = env.data
    env.data = copy.copy(simulation)
    try:
        observed = env._get_obs()
        puck, goal = observed["achieved_goal"], observed["desired_goal"]
        striker = Striker(strike, puck, goal)
        for _ in range(STEPS):
            observed, *_ = env.step(striker(observed))
    finally:
        env.data = simulation
    end, wanted = (observed["achieved_goal"] - puck)[:2], (goal - puck)[:2]
    turned = np.arctan2(end[1], end[0]) - np.arctan2(wanted[1], wanted[0])
    return Outcome(
        miss=float(np.linalg.norm(observed["achieved_goal"] - goal)),
        beyond=float(np.linalg.norm(end) - np.linalg.norm(wanted)),
        turned=float((turned + np.pi) % (2 * np.pi) - np.pi),
        strike=strike,
    )


class Fingers:
    """Moves the hand's motors so that its fingertips come nearer to their places, at every step.

    Damped least squares [Wampler 1986]: dq = J' (J J' + r I)^-1 g (goal - tips), where J is how the five fingertips
    move with each motor. The farthest joint of a finger has no motor and is counted as following the one before it.
    """

    def __init__(self, env: Any) -> None:
        self.model, self.data = env.model, env.data
        self.low, self.high = self.model.actuator_ctrlrange.T
        self.moves = np.zeros((self.model.nv, self.model.nu))  # joints by motors
        for motor in range(self.model.nu):
            name = self.model.actuator(motor).name.replace("A_", "")
            for joint in (name, name.replace("FJ1", "FJ0")):
                self.moves[self.model.joint(joint).dofadr[0], motor] = 1.0
        joints = self.model.actuator_trnid[:, 0]
        self.wanted = np.clip(self.data.qpos[self.model.jnt_qposadr[joints]], self.low, self.high)

    def __call__(self, observed: Observed) -> np.ndarray:
        jacobian = self._fingertips() @ self.moves
        error = GAIN * (observed["desired_goal"] - observed["achieved_goal"])
        damped = jacobian @ jacobian.T + REGULARISATION * np.eye(len(error))
        self.wanted = np.clip(self.wanted + jacobian.T @ np.linalg.solve(damped, error), self.low, self.high)
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        return np.clip((self.wanted - middle) / half, -1.0, 1.0).astype(np.float32)

    def _fingertips(self) -> np.ndarray:
        """How the tips move with the joints: (3 x 5, joints), in m/rad."""
        rows = np.zeros((len(TIPS), 3, self.model.nv))
        for row, tip in zip(rows, TIPS, strict=True):
            _mj.mj_jacSite(self.model, self.data, row, None, self.model.site(tip).id)
        return rows.reshape(3 * len(TIPS), self.model.nv)
