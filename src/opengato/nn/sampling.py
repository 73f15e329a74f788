"""Choosing ids from logits. Letters: V vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

from opengato.core.modality import Sampling


def choose_ids(logits_V: Tensor, sampling: Sampling) -> Tensor:
    """Ids (...) from logits (..., V): the best at temperature 0, else a draw from what `sampling` keeps.

    Temperature first, then the `top_k` likeliest [Fan et al. 2018, arXiv:1805.04833, sec. 5.4], then the nucleus of
    `top_p` among them [Holtzman et al. 2019, arXiv:1904.09751, sec. 3.1]. Before all this, `upward` tilts the logits.
    """
    if sampling.upward:
        logits_V = logits_V + sampling.upward * torch.linspace(0, 1, logits_V.shape[-1], device=logits_V.device)
    if sampling.takes_best:
        return logits_V.argmax(-1)
    probability_V = torch.softmax(logits_V.float() / sampling.temperature, -1)
    if sampling.top_k is not None and sampling.top_k < probability_V.shape[-1]:
        best_V, order_V = probability_V.topk(sampling.top_k, -1)
        probability_V = torch.zeros_like(probability_V).scatter(-1, order_V, best_V / best_V.sum(-1, keepdim=True))
    if sampling.top_p < 1:
        sorted_V, order_V = probability_V.sort(-1, descending=True)
        # A token stays while the mass before it is below top_p, so that the first one always stays, even at 0.
        kept_V = sorted_V.cumsum(-1) - sorted_V < max(sampling.top_p, 1e-9)
        probability_V = torch.zeros_like(probability_V).scatter(-1, order_V, sorted_V * kept_V)
    flat = probability_V.reshape(-1, probability_V.shape[-1])
    return torch.multinomial(flat, 1, generator=sampling.generator).view(logits_V.shape[:-1])
