"""Decision loss: what comes next, which task this is, and what kind of position comes next.

L_dec = L_task + alpha L_modal + beta L_pred with the classifiers f_task(x) and f_modal(x) and the predictor f_pred(x,
t, m), cross-entropy each; x is the hidden state before a position that is predicted, t the task of its document, m its
modality. Letters: B rows, T slots, S all slots of a batch, N predicted rows, D width, V tasks, M modalities.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.prediction import mean_loss, row_weights, total_weight, with_costs


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`task` is the weight of L_task, 1 in the equation; `weights[modality]` and `balance` as in `next_token`.

    A loss without weight is not computed. With `task` and `alpha` 0 and `beta` 1 it is next-token prediction.
    """

    task: float = 1.0
    alpha: float = 1.0
    beta: float = 1.0
    weights: dict[str, float] = field(default_factory=dict)
    balance: float = 0.0

    def __post_init__(self) -> None:
        shares = {"task": self.task, "alpha": self.alpha, "beta": self.beta}
        if min(shares.values()) < 0 or not any(shares.values()):
            raise ValueError(f"received {shares}, expected weights of 0 or more that are not all 0")

    def build(self) -> Decision:
        return Decision(self)


class Decision(Objective):
    """Loss = mean over predicted rows of task * NLL(t) + alpha * NLL(m) + beta * weight * NLL(row).

    A row of a document whose task is not known costs nothing in L_task.
    """

    causal: ClassVar[bool | None] = True
    names_tasks = True

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> float:
        return total_weight(batch, self.config.balance)

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        if agent.decision is None or batch.task_BT is None:
            raise ValueError(
                "this objective names tasks and modalities: give the agent's config `decision`, and its mixture `tasks`"
            )
        h_BTD, costs = agent.with_costs(batch)
        counts, parts, figures = row_weights(batch, self.config.balance), [], {}
        if self.config.beta:
            predicted, figures = mean_loss(agent.losses_of(h_BTD, batch), self.config.weights, counts)
            parts.append(self.config.beta * predicted)
        before_N = torch.cat([slot_N[batch.predict_N[name]] for name, slot_N in batch.slot_N.items()]) - 1
        x_ND, task_N = h_BTD.flatten(0, 1)[before_N], batch.task_BT.flatten()[before_N]
        order = agent.config.layout.order
        modality_N = torch.cat([torch.full_like(counts[name], order.index(name)) for name in batch.slot_N])
        count_N = torch.cat([counts[name] for name in batch.slot_N])
        for name, weight, logits, right_N in (
            ("task", self.config.task, agent.decision.tasks, task_N),
            ("modality", self.config.alpha, agent.decision.modalities, modality_N),
        ):
            if weight:
                loss, found = named(logits(x_ND), right_N, count_N)
                parts.append(weight * loss)
                figures |= {f"{kind}/which {name}": value for kind, value in found.items()}
        return with_costs(torch.stack(parts).sum(), figures, costs)


def named(logits_NV: Tensor, right_N: Tensor, count_N: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The mean cross-entropy of rows that count differently, 0 where `right_N` is below 0; figures over the others."""
    loss_N = F.cross_entropy(logits_NV.float(), right_N.long(), ignore_index=-1, reduction="none")
    loss = (count_N * loss_N).sum() / count_N.sum()
    known_N = right_N >= 0
    with torch.no_grad():
        if not known_N.any():
            return loss, {}
        hit_N = (logits_NV.argmax(-1) == right_N)[known_N]
        return loss, {"loss": float(loss_N[known_N].mean()), "accuracy": float(hit_N.float().mean())}
