"""Beside next-token prediction: find the other half of a pair among those of the whole batch.

A pair is two documents that the data put side by side (`Rules.pairs_apart`), such as a picture and its caption. Each is
read by itself, so that the trunk cannot look from one to the other, and what it holds at the last position of the
observation is compared by the agent's contrastive head.
[Radford et al. 2021, arXiv:2103.00020, sec. 2.3; Akbari et al. 2021, arXiv:2104.11178, eq. 2].
Letters: B rows, T slots, S all slots of a batch, M observed ones of halves, P payload features, H halves, D width,
N pairs, E width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.nn.contrast import info_nce
from opengato.objectives.beside import Beside


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weight` of the contrastive loss beside next tokens."""

    weight: float = 0.5

    def build(self) -> Pairing:
        return Pairing(self)


class Pairing(Beside):
    """weight * mean over pairs of InfoNCE, both ways.

    Two pairs that share a half, as two drawings of one caption do, are not told apart. Where a batch is trained in
    parts (`train.accumulate`), pairs are told from those of their part.
    """

    def __init__(self, config: Config):
        self.config = config

    def __call__(
        self, agent: Any, batch: PackedBatch, x_BTD: Tensor, h_BTD: Tensor
    ) -> tuple[Tensor | None, dict[str, float]]:
        one_N, other_N = paired_slots(batch)
        if len(one_N) < 2:
            return None, {}
        if agent.contrast is None:
            raise ValueError(
                f"this batch holds {len(one_N)} pairs, but the agent has no head to compare them; give its config "
                "`contrast`, or ask for no `pairs_apart`"
            )
        h_SD = h_BTD.flatten(0, 1)
        one_NE, other_NE = agent.contrast(h_SD[one_N]), agent.contrast(h_SD[other_N])
        alike_NN = alike(batch, one_N) | alike(batch, other_N)
        loss_N = info_nce(one_NE, other_NE, agent.contrast.scale, alike_NN)
        with torch.no_grad():
            found_N1 = alike_NN.gather(1, (one_NE @ other_NE.T).argmax(1, keepdim=True))
        return self.config.weight * loss_N.mean(), {
            "loss/pairs": float(loss_N.detach().mean()),
            "pairs": float(len(one_N)),
            "pairs found": float(found_N1.float().mean()),
        }


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


def alike(batch: PackedBatch, slot_N: Tensor) -> Tensor:
    """Which halves (N, N), each known by one of its slots, hold the same rows at the same places of an observation."""
    assert batch.half_BT is not None
    half_S, place_S = batch.half_BT.flatten(), batch.position_BT.flatten()
    observed_S = (half_S >= 0) & (batch.local_BT.flatten() >= 0)
    key_H = torch.zeros(int(half_S.max()) + 1, dtype=torch.int64, device=half_S.device)
    for number, (name, all_N) in enumerate(batch.slot_N.items()):
        is_observed = observed_S[all_N]
        slot_M = all_N[is_observed]
        rows_MP = batch.payload[name][is_observed].reshape(len(slot_M), -1)  # of ids there are but (M,)
        bits_MP = (rows_MP.float().view(torch.int32) if rows_MP.is_floating_point() else rows_MP).long()
        column_P = torch.arange(bits_MP.shape[1], device=half_S.device)
        where_MP = scattered(place_S[slot_M][:, None] * len(column_P) + column_P + (number << 40))
        key_H.index_add_(0, half_S[slot_M], scattered(bits_MP ^ where_MP).sum(1))
    key_N = key_H[half_S[slot_N]]
    return key_N[:, None] == key_N


def scattered(value: Tensor) -> Tensor:
    """Whole numbers sent all over 64 bits, each to another; sums of them, which overflow, tell sets apart."""
    value = (value ^ (value >> 31)) * 0x7FB5D329728EA185
    value = (value ^ (value >> 27)) * -0x7E25210B43D22BB3
    return value ^ (value >> 33)
