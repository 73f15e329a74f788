"""Next-token prediction: cross-entropy where something is predicted, and nowhere else.

[Reed et al. 2022, arXiv:2205.06175, eq. 2], with a weight per modality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.prediction import mean_loss, total_weight


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weights[modality]` scales that modality's share of the loss (1 where absent).

    `balance`, from 0 to 1, is how far documents count by their length and not by what is predicted of them:
    `prediction.row_weights`.
    """

    weights: dict[str, float] = field(default_factory=dict)
    balance: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.balance <= 1:
            raise ValueError(f"`balance` is {self.balance}, expected 0 to 1")

    def build(self) -> NextToken:
        return NextToken(self)


class NextToken(Objective):
    """Loss = mean over predicted rows of weight * NLL."""

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> float:
        return total_weight(batch, self.config.balance)

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        return mean_loss(agent.losses(batch), batch, self.config.weights, self.config.balance)
