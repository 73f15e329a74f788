"""What several objectives share: the loss of what is predicted, weighted by modality. Letters: N predicted rows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from opengato.core.batch import PackedBatch


def num_predicted(batch: PackedBatch) -> int:
    """Rows that a batch predicts."""
    return sum(int(target_N.sum()) for target_N in batch.predict_N.values())


def mean_loss(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
    """Sum over predicted rows of weight * NLL / number of predicted rows, and the plain mean of each modality.

    `weights[modality]` scales a modality's share (1 where absent). ValueError where nothing is predicted.
    """
    count = sum(len(loss_N) for loss_N in losses.values())
    if not count:
        raise ValueError("this batch predicts nothing: every position is an observation or an instruction")
    total = sum((weights.get(name, 1.0) * loss_N.sum() for name, loss_N in losses.items()), start=0.0) / count
    assert isinstance(total, Tensor)
    return total, {f"loss/{name}": float(loss_N.detach().mean()) for name, loss_N in losses.items() if len(loss_N)}
