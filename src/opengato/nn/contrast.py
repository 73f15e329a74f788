"""A head that lays what belongs together side by side on a sphere, and the loss that teaches it.

Letters: N pairs, D width of hidden states, E width of an embedding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COLDEST = 0.01  # a temperature never falls below: scores of up to 100 [Radford et al. 2021, arXiv:2103.00020, sec. 2.5]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Embeddings have `size` numbers; the learned temperature starts at `temperature`."""

    size: int = 128
    temperature: float = 0.07

    def __post_init__(self) -> None:
        if self.size < 1 or not self.temperature >= COLDEST:
            raise ValueError(
                f"received size={self.size}, temperature={self.temperature}; expected a size of 1 or more and a "
                f"temperature of {COLDEST} or more"
            )

    def build(self, width: int) -> ContrastiveHead:
        return ContrastiveHead(self, width)


class ContrastiveHead(nn.Module):
    """One projection for whatever was read; a hidden state becomes a unit vector."""

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.project = nn.Linear(width, config.size, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))

    def forward(self, h_ND: Tensor) -> Tensor:
        """Unit vectors (N, E)."""
        return F.normalize(self.project(h_ND).float(), dim=-1)

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by: 1 / temperature."""
        return self.log_scale.exp().clamp(max=1 / COLDEST)


def info_nce(one_NE: Tensor, other_NE: Tensor, scale: Tensor, alike_NN: Tensor | None = None) -> Tensor:
    """Nats (N,) by which each pair is missed among all of the batch, the mean over both directions.

    -log(exp(s a_i.b_i) / sum_j exp(s a_i.b_j)) and the same for b_i among all a_j
    [van den Oord et al. 2018, arXiv:1807.03748, eq. 4; Radford et al. 2021, arXiv:2103.00020, fig. 3]. Where
    `alike_NN`, a_i and b_j belong together, too, and are not told apart.
    """
    score_NN = scale * one_NE @ other_NE.T
    right_N = torch.arange(len(score_NN), device=score_NN.device)
    if alike_NN is not None:
        itself_NN = torch.eye(len(score_NN), dtype=torch.bool, device=score_NN.device)
        score_NN = score_NN.masked_fill(alike_NN & ~itself_NN, -torch.inf)
    there_N = F.cross_entropy(score_NN, right_N, reduction="none")
    back_N = F.cross_entropy(score_NN.T, right_N, reduction="none")
    return (there_N + back_N) / 2
