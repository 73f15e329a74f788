"""Next-token prediction, and beside it: find the other half of a pair among those of the whole batch.

A pair is two documents that the data put side by side (`Rules.pairs_apart`), such as a picture and its caption. Each is
read by itself, so that the trunk cannot look from one to the other, and what it holds at the last position of the
observation is compared by the agent's contrastive head.
[Radford et al. 2021, arXiv:2103.00020, sec. 2.3; Akbari et al. 2021, arXiv:2104.11178, eq. 2].
Letters: B rows, T slots, S all slots of a batch, M observed ones of halves, D width, N pairs, E width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.nn.contrast import info_nce
from opengato.objectives.prediction import mean_loss, row_weights, total_weight, with_costs


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weight` of the contrastive loss; `weights[modality]` and `balance` as in `next_token`."""

    weight: float = 0.5
    weights: dict[str, float] = field(default_factory=dict)
    balance: float = 0.0

    def build(self) -> Contrastive:
        return Contrastive(self)


class Contrastive(Objective):
    """Loss = next token + weight * mean over pairs of InfoNCE, both ways; without pairs, next token alone.

    Where a batch is trained in parts (`train.accumulate`), pairs are told from those of their part.
    """

    causal: ClassVar[bool | None] = True

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> float:
        return total_weight(batch, self.config.balance)

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        h_BTD, costs = agent.with_costs(batch)
        told = mean_loss(agent.losses_of(h_BTD, batch), self.config.weights, row_weights(batch, self.config.balance))
        total, figures = with_costs(*told, costs)
        one_N, other_N = paired_slots(batch)
        if len(one_N) < 2:
            return total, figures
        if agent.contrast is None:
            raise ValueError(
                f"this batch holds {len(one_N)} pairs, but the agent has no head to compare them; give its config "
                "`contrast`, or ask for no `pairs_apart`"
            )
        h_SD = h_BTD.flatten(0, 1)
        one_NE, other_NE = agent.contrast(h_SD[one_N]), agent.contrast(h_SD[other_N])
        loss_N = info_nce(one_NE, other_NE, agent.contrast.scale)
        with torch.no_grad():
            found = (one_NE @ other_NE.T).argmax(1) == torch.arange(len(one_N), device=one_N.device)
        figures |= {
            "loss/pairs": float(loss_N.detach().mean()),
            "pairs": float(len(one_N)),
            "pairs found": float(found.float().mean()),
        }
        return total + self.config.weight * loss_N.mean(), figures


def paired_slots(batch: PackedBatch) -> tuple[Tensor, Tensor]:
    """Flat slots of the last observed position of both halves of each whole pair, in order of the pairs' numbers.

    A half whose other half found no room in the batch is left out.
    """
    if batch.half_BT is None:
        nothing = torch.zeros(0, dtype=torch.int64, device=batch.document_BT.device)
        return nothing, nothing
    half_S = batch.half_BT.flatten()
    slot_M = ((half_S >= 0) & (batch.local_BT.flatten() >= 0)).nonzero()[:, 0]
    half_M = half_S[slot_M]
    # Halves 2 k and 2 k + 1 make pair k. Slots ascend, so what is last written is the last slot of its half.
    halves, place_M = half_M.unique(return_inverse=True)
    last = torch.zeros_like(halves).scatter_reduce(0, place_M, slot_M, "amax", include_self=False)
    whole = (halves[1:] == halves[:-1] + 1) & (halves[:-1] % 2 == 0)
    return last[:-1][whole], last[1:][whole]
