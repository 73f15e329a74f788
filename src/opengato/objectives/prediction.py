"""What several objectives share: the loss of what is predicted, weighted by modality and by document.

Letters: B rows, T slots of a row, S all slots of a batch, N predicted rows of one modality, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch


def row_weights(batch: PackedBatch, balance: float) -> dict[str, Tensor]:
    """What each predicted row counts, by modality: (slots of its document / predicted rows of it) ** `balance`.

    With 0 each row counts 1, so that a page of prose counts as much as a hundred questions with an answer of two
    pieces; with 1 a document counts by its length, so that shares of positions are shares of the loss.
    """
    found = {name: slot_N[batch.predict_N[name]] for name, slot_N in batch.slot_N.items()}
    if balance == 0:
        return {name: torch.ones(len(slot_N), device=slot_N.device) for name, slot_N in found.items()}
    document_S = document_numbers(batch)
    length = torch.bincount(document_S)
    predicted = torch.bincount(document_S[torch.cat(list(found.values()))], minlength=len(length))
    weight = (length / predicted.clamp(min=1)) ** balance
    return {name: weight[document_S[slot_N]] for name, slot_N in found.items()}


def document_numbers(batch: PackedBatch) -> Tensor:
    """A number (S,) for the document of each slot, another one in each row; the padding of a row has one, too."""
    rows = torch.arange(len(batch.document_BT), device=batch.document_BT.device)[:, None]
    # A row of T slots has at most T documents: no need to look for the largest, for which a GPU would be waited.
    return (rows * (batch.document_BT.shape[1] + 1) + batch.document_BT + 1).flatten()


def total_weight(batch: PackedBatch, balance: float) -> float:
    """The sum of the weights of all rows that a batch predicts."""
    if balance == 0:
        return float(sum(int(target_N.sum()) for target_N in batch.predict_N.values()))
    return sum(float(weight_N.sum()) for weight_N in row_weights(batch, balance).values())


def with_costs(
    total: Tensor, figures: dict[str, float], costs: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """A loss and its figures, with what the trunk asks to be kept small beside any loss."""
    told = {f"trunk/{name}": float(cost.detach()) for name, cost in costs.items()}
    return total + sum(costs.values()), {**figures, **told}


def mean_loss(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], counts: Mapping[str, Tensor] | None = None
) -> tuple[Tensor, dict[str, float]]:
    """Mean over predicted rows of weight * NLL, each row counting as `counts` says (else 1); plain means by modality.

    `weights[modality]` scales a modality's share (1 where absent). ValueError where nothing is predicted.
    """
    if not any(len(loss_N) for loss_N in losses.values()):
        raise ValueError("this batch predicts nothing: every position is an observation or an instruction")
    counts = counts or {name: torch.ones_like(loss_N) for name, loss_N in losses.items()}
    sums = [weights.get(name, 1.0) * (counts[name] * loss_N).sum() for name, loss_N in losses.items()]
    figures = {f"loss/{name}": float(loss_N.detach().mean()) for name, loss_N in losses.items() if len(loss_N)}
    return torch.stack(sums).sum() / torch.stack([counts[name].sum() for name in losses]).sum(), figures


def log_partitions(agent: Any, h_BTD: Tensor, batch: PackedBatch, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """log Z of the softmax of each predicted row (N,), of modalities whose row is one choice: its NLL and its score."""
    h_SD, found = h_BTD.flatten(0, 1), {}
    for name, loss_N in losses.items():
        target_N = batch.predict_N[name]
        before_N = batch.slot_N[name][target_N] - 1
        score_N = agent.modality(name).scores(h_SD[before_N], batch.payload[name][target_N])
        if score_N is not None:
            found[name] = loss_N + score_N
    return found
