"""Next-token prediction: cross-entropy where something is predicted, and nowhere else.

[Reed et al. 2022, arXiv:2205.06175, eq. 2], with a weight per modality. Letters: N predicted rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weights[modality]` scales that modality's share of the loss (1 where absent)."""

    weights: dict[str, float] = field(default_factory=dict)

    def build(self) -> NextToken:
        return NextToken(self)


class NextToken(Objective):
    """Loss = sum over predicted rows of weight * NLL / number of predicted rows."""

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> int:
        return sum(int(target_N.sum()) for target_N in batch.predict_N.values())

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        losses = agent.losses(batch)
        count = sum(len(loss_N) for loss_N in losses.values())
        if not count:
            raise ValueError("this batch predicts nothing: every position is an observation or an instruction")
        total = sum(self.config.weights.get(name, 1.0) * loss_N.sum() for name, loss_N in losses.items()) / count
        figures = {f"loss/{name}": float(loss_N.detach().mean()) for name, loss_N in losses.items() if len(loss_N)}
        return total, figures
