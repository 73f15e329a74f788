"""What a Perceiver is asked, and what becomes of the answers.

Letters: B rows, O queries, E width of queries, Q width of answers, V width of an output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.nn.fourier import Fourier, places


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """`number` learned queries: one for a class, one for each byte of a text."""

    number: int
    width: int

    def build(self) -> LearnedQueries:
        return LearnedQueries(self)


class LearnedQueries(nn.Module):
    """Queries (O, E) of a table."""

    def __init__(self, config: Learned):
        super().__init__()
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.number, config.width), std=0.02))

    @property
    def number(self) -> int:
        """How many there are to ask."""
        return len(self.table)

    def forward(self, index_O: Tensor) -> Tensor:
        return self.table[index_O]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """A query for each place of a grid of `shape`: its code alone."""

    shape: tuple[int, ...]
    fourier: Fourier

    @property
    def width(self) -> int:
        return self.fourier.width

    def build(self) -> PlaceQueries:
        return PlaceQueries(self)


class PlaceQueries(nn.Module):
    """Queries (O, E) of places by their flat index, made when they are asked for."""

    def __init__(self, config: Places):
        super().__init__()
        self.config = config

    @property
    def number(self) -> int:
        """How many there are to ask."""
        return math.prod(self.config.shape)

    def forward(self, index_O: Tensor) -> Tensor:
        return self.config.fourier.codes(places(index_O, self.config.shape))


@dataclass(frozen=True, kw_only=True, slots=True)
class FromInput:
    """The array of the input itself asks, a query for each of its `width`-wide members: dense output in its place."""

    width: int

    def build(self) -> InputQueries:
        return InputQueries()


class InputQueries(nn.Module):
    """Has nothing of its own: `io` takes the queries from what was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """`queries`, and a linear layer from their answers to `width` numbers times `scale`.

    With `tied`, the name of an input of ids, the scores of ids are products with its table instead, plus a bias.
    `zero` begins with a layer of zeros.
    """

    queries: Any
    width: int
    scale: float = 1.0
    tied: str | None = None
    zero: bool = False

    def build(self, answer_width: int) -> nn.Module:
        return TiedHead(self.width) if self.tied is not None else LinearHead(answer_width, self)


class LinearHead(nn.Module):
    """Answers (B, O, Q) to (B, O, V)."""

    def __init__(self, answer_width: int, config: Output):
        super().__init__()
        self.scale = config.scale
        self.linear = nn.Linear(answer_width, config.width)
        if config.zero:
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def forward(self, answer_BOQ: Tensor) -> Tensor:
        return self.linear(answer_BOQ) * self.scale


class TiedHead(nn.Module):
    """Scores (B, O, V) by a table that somebody else holds."""

    def __init__(self, num_ids: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_ids))

    def forward(self, answer_BOQ: Tensor, table: nn.Embedding) -> Tensor:
        return F.linear(answer_BOQ, table.weight, self.bias)
