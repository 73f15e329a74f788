"""Layers that several plug-ins share. Letters: B rows, N positions, D width, V ids of a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.nn.likelihood import negative_log_likelihood

Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),  # what JAX calls gelu
    "relu": F.relu,
}


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

    def score(self, h_ND: Tensor, ids_N: Tensor) -> Tensor:
        """The score (N,) of one id each."""
        return (h_ND * self.weight[ids_N]).sum(-1)

    def loss(self, h_ND: Tensor, ids_N: Tensor) -> Tensor:
        """Cross-entropy (nats) of each id: (N,)."""
        return negative_log_likelihood(self.logits(h_ND), ids_N)


class UnitTable(TiedTable):
    """Drawn with deviation 1, read as it is, and scored by products over sqrt(width), which then are of size 1.

    [Chowdhery et al. 2022, arXiv:2204.02311, sec. 5].
    """

    STD = 1.0
    SCALE = 1.0

    def logits(self, h_ND: Tensor, ids: slice = slice(None)) -> Tensor:
        return super().logits(h_ND, ids) * self.embedding_dim**-0.5

    def score(self, h_ND: Tensor, ids_N: Tensor) -> Tensor:
        return super().score(h_ND, ids_N) * self.embedding_dim**-0.5


class GatedFeedForward(nn.Module):
    """W_out(activation(a) * b), a and b from one product; by default without biases.

    With "silu" it is SwiGLU, with "gelu" GEGLU [Shazeer 2020, arXiv:2002.05202, eq. 6].
    """

    def __init__(self, width: int, hidden: int, activation: Activation = "silu", *, bias: bool = False):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.gate_and_value = nn.Linear(width, 2 * hidden, bias=bias)
        self.out = nn.Linear(hidden, width, bias=bias)

    def forward(self, x_D: Tensor) -> Tensor:
        gate, value = self.gate_and_value(x_D).chunk(2, dim=-1)
        return self.out(self.activation(gate) * value)


class FeedForward(nn.Module):
    """W_out(activation(W_in x)) [Vaswani et al. 2017, arXiv:1706.03762, eq. 2], by default without biases."""

    def __init__(self, width: int, hidden: int, activation: Activation = "gelu", *, bias: bool = False):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.inner = nn.Linear(width, hidden, bias=bias)
        self.out = nn.Linear(hidden, width, bias=bias)

    def forward(self, x_D: Tensor) -> Tensor:
        return self.out(self.activation(self.inner(x_D)))


class DropPath(nn.Module):
    """Stochastic depth [Huang et al. 2016, arXiv:1603.09382]: in training a row goes without a sub-layer's output.

    x + b f(x) / (1 - rate) with b = 0 in a share `rate` of the rows, so that evaluation adds f(x) as it is. Draws from
    torch's global generator, as dropout does.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, f_BND: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return f_BND
        kept_B11 = torch.rand((len(f_BND), 1, 1), device=f_BND.device) >= self.rate
        return f_BND * (kept_B11.to(f_BND.dtype) / (1 - self.rate))
