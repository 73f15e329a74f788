"""Look-ahead: an expert for simulators that can be asked what would happen. It tries random plans and follows the best.

Every few steps it draws plans, one of which is the rest of the plan that it follows, lets the simulator play them from
where the episode stands, and follows the plan with the largest

    sum over h of discount^h (reward_h / largest reward met - penalty * lost_h).

This is random shooting with a warm start: mediocre where rewards lie further away than the plans reach, and good where
a quick reaction earns something. It plans in a simulator of its own, so that the episode is not disturbed.

Letters: N plans, H steps of a plan.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np


class Model(ABC):
    """What would happen in an episode; the actions it knows are 0 .. `num_actions` - 1."""

    num_actions: int

    @abstractmethod
    def outcomes(self, plans_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Play plans from where the episode stands: rewards (N, H), and (N, H) True where a life is lost.

        After the end of an episode both are 0. The episode itself stays where it is.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How far and how often to look ahead; `plans` * `horizon` / `follow` simulated steps for each one taken."""

    plans: int = 10
    horizon: int = 20  # steps of the simulator
    follow: int = 4  # steps of the best plan before the next ones are drawn
    switch: float = 0.25  # the chance that a step of a plan has another action than the one before
    discount: float = 0.98
    penalty: float = 3.0  # for a lost life, in units of the largest reward met so far

    def build(self, model: Model, generator: np.random.Generator) -> LookAhead:
        return LookAhead(self, model, generator)


class LookAhead:
    """The expert of one episode: asked at each step, it answers with an action of its model, whatever is observed."""

    def __init__(self, config: Config, model: Model, generator: np.random.Generator) -> None:
        self.config, self.model, self.generator = config, model, generator
        self.largest_reward = 1.0
        self.plan_H = np.zeros(0, np.int64)
        self.followed = 0

    def __call__(self, observation: Any) -> int:
        if self.followed % self.config.follow == 0:
            self.plan_H = self._best()
        action, self.plan_H = self.plan_H[0], self.plan_H[1:]
        self.followed += 1
        return int(action)

    def _best(self) -> np.ndarray:
        """The best plan (H,) of those drawn; among equals the one that goes on as before."""
        plans_NH = self._draw()
        reward_NH, lost_NH = self.model.outcomes(plans_NH)
        self.largest_reward = max(self.largest_reward, float(np.abs(reward_NH).max()))
        discount_H = self.config.discount ** np.arange(self.config.horizon)
        gain_NH = reward_NH / self.largest_reward - self.config.penalty * lost_NH
        return plans_NH[int((gain_NH @ discount_H).argmax())]

    def _draw(self) -> np.ndarray:
        """Random plans (N, H): the first keeps all that is left of the current plan, every other one its beginning."""
        config, generator = self.config, self.generator
        plans_NH = generator.integers(self.model.num_actions, size=(config.plans, config.horizon))
        switch_NH = generator.random(plans_NH.shape) < config.switch
        kept_N = np.where(np.arange(config.plans) % 2, 0, generator.integers(config.horizon, size=config.plans))
        kept_N[0] = config.horizon
        for plan_H, switch_H, kept in zip(plans_NH, switch_NH, kept_N, strict=True):
            kept = min(kept, len(self.plan_H))
            plan_H[:kept] = self.plan_H[:kept]
            for step in range(max(kept, 1), config.horizon):
                if not switch_H[step]:
                    plan_H[step] = plan_H[step - 1]
        return plans_NH
