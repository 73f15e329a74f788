"""Layers that several plug-ins share. Letters: N positions, D width, V ids of a table."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TiedTable(nn.Embedding):
    """A table of ids that is both embedding and output head.

    It starts small, so that a position does not predict itself, and is scaled up on the way in, so that its vectors
    weigh as much as those of other modalities.
    """

    STD = 0.02
    SCALE = 0.5 / STD

    def __init__(self, num_ids: int, width: int):
        super().__init__(num_ids, width)
        nn.init.normal_(self.weight, std=self.STD)

    def embed(self, ids_N: Tensor) -> Tensor:
        """Vectors (N, D) of ids."""
        return self(ids_N) * self.SCALE

    def logits(self, h_ND: Tensor, ids: slice = slice(None)) -> Tensor:
        """Scores (N, V) of all ids, or of a slice of them."""
        return F.linear(h_ND, self.weight[ids])

    def loss(self, h_ND: Tensor, ids_N: Tensor) -> Tensor:
        """Cross-entropy (nats) of each id: (N,)."""
        return F.cross_entropy(self.logits(h_ND), ids_N, reduction="none")


class SwiGLU(nn.Module):
    """W_out(SiLU(a) * b), a and b from one product [Shazeer 2020, arXiv:2002.05202, eq. 6]; no biases."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_and_value = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)

    def forward(self, x_D: Tensor) -> Tensor:
        gate, value = self.gate_and_value(x_D).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)
