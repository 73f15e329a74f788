"""Choosing ids from logits. Letters: V vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

from opengato.core.modality import Sampling


def choose_ids(logits_V: Tensor, sampling: Sampling) -> Tensor:
    """Ids (...) from logits (..., V): the best at temperature 0, else a draw from the top-p nucleus."""
    if sampling.temperature <= 0:
        return logits_V.argmax(-1)
    probability_V = torch.softmax(logits_V.float() / sampling.temperature, -1)
    if sampling.top_p < 1:
        sorted_V, order_V = probability_V.sort(-1, descending=True)
        # A token stays while the mass before it is below top_p, so that the first one always stays, even at 0.
        kept_V = sorted_V.cumsum(-1) - sorted_V < max(sampling.top_p, 1e-9)
        probability_V = torch.zeros_like(probability_V).scatter(-1, order_V, sorted_V * kept_V)
    flat = probability_V.reshape(-1, probability_V.shape[-1])
    return torch.multinomial(flat, 1, generator=sampling.generator).view(logits_V.shape[:-1])
