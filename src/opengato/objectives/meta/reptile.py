"""Reptile: towards the weights that a few steps on a task lead to.

phi <- phi + epsilon * mean over tasks of (U(phi) - phi), U being `steps` steps of gradient descent on minibatches of
one task [Nichol et al. 2018, arXiv:1803.02999, alg. 2].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.config import plugin
from opengato.nn.meta import adapted, as_function, fresh, towards
from opengato.objectives.meta import Meta, mean_of, tasks_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`steps` of gradient descent at `rate`, each on another part of the `rows` of a task, over and over.

    With 1 step it is plain training. What the optimiser is given is (phi - U(phi)) / rate, as large as a gradient:
    plain descent on it at a rate of r is Reptile with epsilon = r / rate.
    """

    steps: int = 4
    rate: float = 0.01
    rows: int = 4
    inner: Any = field(default_factory=lambda: plugin("objectives", "next_token").Config())

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rows < 1 or not self.rate > 0:
            raise ValueError(
                f"received steps={self.steps}, rows={self.rows}, rate={self.rate}; expected at least 1 step and 1 row, "
                "and a rate above 0: without steps there is nowhere to go"
            )

    def build(self) -> Reptile:
        return Reptile(self)


class Reptile(Meta):
    """Loss = mean over tasks of the inner loss before the steps, with Reptile's direction for its gradient."""

    config: Config

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        config = self.config
        loss, weights = as_function(agent, self.inner)
        before, after, reached = [], [], []
        for part in tasks_of(batch, config.rows):
            pieces = part.split(min(config.steps, config.rows))
            data = islice(cycle(pieces), config.steps)
            reached.append(adapted(loss, fresh(weights), data, config.rate, second_order=False))
            with torch.no_grad():
                before.append(loss(weights, part))
                after.append(loss(reached[-1], part))
        step = towards(weights, reached) / config.rate
        value = torch.stack(before).mean()
        return value + step - step.detach(), {"loss/adapted": mean_of(after), "loss/before": float(value)}
