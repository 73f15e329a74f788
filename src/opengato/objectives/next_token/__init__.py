"""Next-token prediction: cross-entropy where something is predicted, and nowhere else.

[Reed et al. 2022, arXiv:2205.06175, eq. 2], with a weight per modality. Letters: B rows, T slots, D width, N predicted
rows of one modality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.prediction import log_partitions, mean_loss, row_weights, total_weight, with_costs


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weights[modality]` scales that modality's share of the loss (1 where absent).

    `balance`, from 0 to 1, is how far documents count by their length and not by what is predicted of them:
    `prediction.row_weights`. `z` weighs (log Z)^2, which keeps the sum Z of a softmax near 1
    [Chowdhery et al. 2022, arXiv:2204.02311, sec. 5, where it is 1e-4]. `beside[name]` are further losses of the same
    pass: `spelling`, `pairing`.
    """

    weights: dict[str, float] = field(default_factory=dict)
    balance: float = 0.0
    z: float = 0.0
    beside: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.balance <= 1:
            raise ValueError(f"`balance` is {self.balance}, expected 0 to 1")
        if self.z < 0:
            raise ValueError(f"`z` is {self.z}, expected a weight of 0 or more")

    def build(self) -> NextToken:
        return NextToken(self)


class NextToken(Objective):
    """Loss = mean over predicted rows of weight * (NLL + z (log Z)^2), plus what stands beside it.

    That is what the config names, and what the trunk asks to be kept small.
    """

    causal: ClassVar[bool | None] = True

    def __init__(self, config: Config):
        self.config = config
        self.beside = [config.build() for config in config.beside.values()]

    def terms(self, batch: PackedBatch) -> float:
        return total_weight(batch, self.config.balance)

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        config, counts = self.config, row_weights(batch, self.config.balance)
        x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
        h_BTD, costs = agent.backbone.with_costs(x_BTD, *agent.places(batch))
        losses = agent.losses_of(h_BTD, batch)
        total, figures = mean_loss(losses, config.weights, counts)
        if config.z:
            log_z = log_partitions(agent, h_BTD, batch, losses)
            squares = {name: log_z.get(name, torch.zeros_like(loss_N)).square() for name, loss_N in losses.items()}
            total = total + config.z * mean_loss(squares, config.weights, counts)[0]
            figures |= {f"log_z/{name}": float(found.detach().mean()) for name, found in log_z.items() if len(found)}
        for beside in self.beside:
            loss, found = beside(agent, batch, x_BTD, h_BTD)
            total, figures = total if loss is None else total + loss, figures | found
        return with_costs(total, figures, costs)
