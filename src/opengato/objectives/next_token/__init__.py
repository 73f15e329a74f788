"""Next-token prediction: cross-entropy where something is predicted, and nowhere else.

[Reed et al. 2022, arXiv:2205.06175, eq. 2], with a weight per modality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.prediction import mean_loss, num_predicted


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weights[modality]` scales that modality's share of the loss (1 where absent)."""

    weights: dict[str, float] = field(default_factory=dict)

    def build(self) -> NextToken:
        return NextToken(self)


class NextToken(Objective):
    """Loss = sum over predicted rows of weight * NLL / number of predicted rows."""

    causal: ClassVar[bool | None] = True

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> int:
        return num_predicted(batch)

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        return mean_loss(agent.losses(batch), self.config.weights)
