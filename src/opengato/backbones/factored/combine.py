"""What one slot reads in several sights, made one: summed, by learned gates, or side by side.

The source says Y^m = Combine(A^m, {B^mn}) and leaves Combine open. Sight 0 is what the slot sees of its own kind.
Letters: B rows, T slots, D width, R sights, H heads, K head width, Q sights beside the first times heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

Combination = Literal["sum", "gate", "project"]


class Combine(nn.Module, ABC):
    """Of `widening` times as many heads as one sight has."""

    widening: int = 1

    @abstractmethod
    def forward(self, seen_BRHTK: Tensor, x_BTD: Tensor) -> Tensor:
        """What attention gives (B, H, T, K) of all sights, 0 in those that are empty, to slots that hold `x_BTD`."""


class Sum(Combine):
    """Y^m = A^m + sum_n B^mn."""

    def forward(self, seen_BRHTK: Tensor, x_BTD: Tensor) -> Tensor:
        return seen_BRHTK.sum(1)


class Gate(Combine):
    """Y^m = A^m + sum_n g^mn * B^mn, with g^mn = sigmoid(W_n x^m), a number a head."""

    def __init__(self, width: int, sights: int, heads: int):
        super().__init__()
        self.heads = heads
        self.gate = nn.Linear(width, (sights - 1) * heads, bias=False)

    def forward(self, seen_BRHTK: Tensor, x_BTD: Tensor) -> Tensor:
        gate_BTQ = torch.sigmoid(self.gate(x_BTD))
        gates = rearrange(gate_BTQ, "b t (r h) -> b r h t 1", h=self.heads)
        return seen_BRHTK[:, 0] + (gates * seen_BRHTK[:, 1:]).sum(1)


class Project(Combine):
    """Y^m = W [A^m; B^m1; ...; B^mM]: heads side by side, which the layer after attention, W, makes one."""

    def __init__(self, sights: int):
        super().__init__()
        self.widening = sights

    def forward(self, seen_BRHTK: Tensor, x_BTD: Tensor) -> Tensor:
        return seen_BRHTK.flatten(1, 2)
