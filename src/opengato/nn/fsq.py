"""Finite scalar quantisation: a few numbers, each rounded to one of a few levels, are together one id.

[Mentzer et al. 2023, arXiv:2309.15505, sec. 3.1 and app. A.1]. Letters: N vectors, C numbers of a vector.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EDGE = 1e-3  # how far the outermost levels stay from what tanh cannot reach


class FiniteScalarQuantizer(nn.Module):
    """Ids in [0, product of `levels`), without weights: number c of a vector takes `levels[c]` values in [-1, 1]."""

    def __init__(self, levels: tuple[int, ...]):
        super().__init__()
        if not levels or min(levels) < 3:
            raise ValueError(f"`levels` are {levels}, expected at least one number, each of them 3 or more")
        self.levels = levels
        self.num_ids = math.prod(levels)
        count_C = torch.tensor(levels)
        half_C = (count_C - 1) * (1 - EDGE) / 2
        middle_C = torch.where(count_C % 2 == 0, 0.5, 0.0)  # an even number of levels has none at 0
        weight_C = torch.tensor([math.prod(levels[:c]) for c in range(len(levels))])
        # Not in the state dict: they follow from `levels`.
        self.count_C, self.half_C, self.middle_C, self.weight_C = (
            nn.Buffer(values_C, persistent=False) for values_C in (count_C, half_C, middle_C, weight_C)
        )

    def bounded(self, z_NC: Tensor) -> Tensor:
        """Numbers squeezed so that rounding gives each one of its levels, and 0 stays near the middle one."""
        shift_C = torch.atanh(self.middle_C / self.half_C)
        return torch.tanh(z_NC + shift_C) * self.half_C - self.middle_C

    def forward(self, z_NC: Tensor) -> Tensor:
        """Rounded numbers in [-1, 1]; gradients pass as if nothing were rounded (straight through)."""
        bounded_NC = self.bounded(z_NC)
        rounded_NC = bounded_NC + (bounded_NC.round() - bounded_NC).detach()
        return rounded_NC / (self.count_C // 2)

    def ids(self, z_NC: Tensor) -> Tensor:
        """The id (N,) of each vector."""
        digit_NC = self.bounded(z_NC).round().long() + self.count_C // 2
        return (digit_NC * self.weight_C).sum(-1)

    def values(self, ids_N: Tensor) -> Tensor:
        """The rounded numbers (N, C) that an id stands for: `values(ids(z)) == forward(z)`."""
        digit_NC = ids_N[..., None] // self.weight_C % self.count_C
        return (digit_NC - self.count_C // 2) / (self.count_C // 2)
