"""MAML: the loss after the steps, as a function of the weights before them.

theta'_i = theta - alpha grad L_i(theta) on the first half of the rows of task i; the loss is the mean over tasks of
L_i(theta'_i) on the second half [Finn et al. 2017, arXiv:1703.03400, alg. 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.config import plugin
from opengato.nn.meta import adapted, as_function
from opengato.objectives.meta import Meta, mean_of, tasks_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`steps` of gradient descent at `rate`, each on all rows of the first half; `rows` of a batch are one task.

    With 0 steps it is plain training, on the second halves. Without `second_order` the gradient is that at the weights
    reached (first-order MAML, sec. 5.2): less memory, a third faster in the paper.
    """

    steps: int = 1
    rate: float = 0.01
    rows: int = 4
    second_order: bool = True
    inner: Any = field(default_factory=lambda: plugin("objectives", "next_token").Config())

    def __post_init__(self) -> None:
        if self.steps < 0 or self.rows < 2 or not self.rate > 0:
            raise ValueError(
                f"received steps={self.steps}, rows={self.rows}, rate={self.rate}; expected 0 or more steps, at least "
                "2 rows (one to learn from, one to ask), and a rate above 0"
            )

    def build(self) -> Maml:
        return Maml(self)


class Maml(Meta):
    """Loss = mean over tasks of the loss on rows that the steps have not seen."""

    config: Config

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        config = self.config
        loss, weights = as_function(agent, self.inner, second_order=config.second_order and config.steps > 0)
        before, after = [], []
        for part in tasks_of(batch, config.rows):
            learnt, asked = part.split(2)
            reached = adapted(loss, weights, [learnt] * config.steps, config.rate, second_order=config.second_order)
            after.append(loss(reached, asked))
            with torch.no_grad():
                before.append(loss(weights, asked))
        return torch.stack(after).mean(), {"loss/adapted": mean_of(after), "loss/before": mean_of(before)}
