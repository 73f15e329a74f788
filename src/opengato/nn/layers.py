"""Feed-forward layers. Letters: D width."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

# A table that is both embedding and head starts small, so that a position does not predict itself, and is scaled up on
# the way in, so that its vectors weigh as much as those of other modalities.
TIED_STD = 0.02
TIED_SCALE = 0.5 / TIED_STD


class SwiGLU(nn.Module):
    """W_out(SiLU(a) * b), a and b from one product [Shazeer 2020, arXiv:2002.05202, eq. 6]; no biases."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_and_value = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)

    def forward(self, x_D: Tensor) -> Tensor:
        gate, value = self.gate_and_value(x_D).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)
