"""Which rows of values are hidden from a network that is to say what they hold.

All draw from torch's global generator on the CPU. Letters: N rows of one modality, V values, A axes of a value.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from opengato.objectives.values import Values

ROUNDS = 100  # of blocks that a value is covered with, at most


class Mask(ABC):
    """How rows are chosen."""

    @abstractmethod
    def draw(self, values: Values) -> Tensor:
        """True (N,) on the rows that are hidden; `may_hide_N` is respected by the caller."""

    def disguises(self) -> tuple[float, float]:
        """Of what is hidden, the shares that are shown as they are all the same, and in the shape of another row."""
        return 0.0, 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens(Mask):
    """A `share` of each value's rows, at least one, each as likely as any other.

    Of those, a share `kept` is shown all the same and a share `changed` as another row: they are to be told like the
    rest, so that no row can be taken for what it seems [Devlin et al. 2018, arXiv:1810.04805, sec. 3.1].
    """

    share: float = 0.15
    kept: float = 0.0
    changed: float = 0.0

    def __post_init__(self) -> None:
        _check_share(self.share)
        if min(self.kept, self.changed) < 0 or self.kept + self.changed >= 1:
            raise ValueError(
                f"`kept` is {self.kept} and `changed` {self.changed}, expected shares of less than 1 in all"
            )

    def draw(self, values: Values) -> Tensor:
        size_V = values.sizes.cpu()
        count_V = (size_V * self.share).round().clamp(min=1).long()
        return highest(torch.rand(len(values.value_N)), values.value_N.cpu(), count_V).to(values.value_N.device)

    def disguises(self) -> tuple[float, float]:
        return self.kept, self.changed


@dataclass(frozen=True, kw_only=True, slots=True)
class Spans(Mask):
    """Each row starts a span of `length` rows with probability `start`; spans may overlap, and end with their value.

    A value in which none starts gets one. A share 1 - (1 - start) ** length is hidden, but for the beginning of a value
    [Baevski et al. 2020, arXiv:2006.11477, sec. 3.1].
    """

    start: float = 0.065
    length: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1 or self.length < 1:
            raise ValueError(
                f"`start` is {self.start} and `length` {self.length}, expected a probability and 1 or more"
            )

    def draw(self, values: Values) -> Tensor:
        value_N = values.value_N.cpu()
        draw_N = torch.rand(len(value_N))
        start_N = draw_N < self.start
        none_V = torch.bincount(value_N, weights=start_N.double()) == 0
        start_N |= highest(-draw_N, value_N, torch.ones_like(none_V, dtype=torch.int64)) & none_V[value_N]
        return spread(start_N, value_N, self.length).to(values.value_N.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactSpans(Mask):
    """Spans of `length` rows, as many as hide `share` + `adjust` of a value if none overlap; then exactly `share`.

    Rows that are too many or too few are drawn [Baevski et al. 2022, arXiv:2212.07525].
    """

    share: float = 0.5
    length: int = 5
    adjust: float = 0.05

    def __post_init__(self) -> None:
        _check_share(self.share)

    def draw(self, values: Values) -> Tensor:
        value_N, size_V = values.value_N.cpu(), values.sizes.cpu()
        count_V = (size_V * (self.share + self.adjust) / self.length).round().clamp(min=1).long()
        start_N = highest(torch.rand(len(value_N)), value_N, count_V)
        hidden_N = spread(start_N, value_N, self.length)
        return exactly(hidden_N, value_N, (size_V * self.share).long()).to(values.value_N.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks(Mask):
    """Rectangles of at least `least` patches until `share` of a picture is covered; then exactly `share`.

    The sides of a rectangle are to one another as `aspect` to 1 up to 1 to `aspect` [Bao et al. 2021, arXiv:2106.08254,
    alg. 1]. In a film a rectangle covers its patches at all times.
    """

    share: float = 0.6
    least: int = 16
    aspect: float = 0.3

    def __post_init__(self) -> None:
        _check_share(self.share)
        if not 0 < self.aspect <= 1 or self.least < 1:
            raise ValueError(f"`least` is {self.least} and `aspect` {self.aspect}, expected 1 or more and up to 1")

    def draw(self, values: Values) -> Tensor:
        row_N, column_N = plane(values)
        value_N, size_V = values.value_N.cpu(), values.sizes.cpu()
        target_V = (size_V * self.share).round().long()
        rows_V, columns_V = (largest(axis_N, value_N) + 1 for axis_N in (row_N, column_N))
        depth_V = size_V / (rows_V * columns_V)  # times of a film
        hidden_N = torch.zeros(len(value_N), dtype=torch.bool)
        for _ in range(ROUNDS):
            left_V = target_V - torch.bincount(value_N, weights=hidden_N.double(), minlength=len(size_V)).long()
            if not (left_V > 0).any():
                break
            most_V = (left_V / depth_V).clamp(min=self.least)
            area_V = self.least + torch.rand(len(size_V)) * (most_V - self.least)
            ratio_V = torch.exp((2 * torch.rand(len(size_V)) - 1) * math.log(1 / self.aspect))
            height_V = (area_V * ratio_V).sqrt().round().clamp(min=1).minimum(rows_V)
            width_V = (area_V / ratio_V).sqrt().round().clamp(min=1).minimum(columns_V)
            top_V = (torch.rand(len(size_V)) * (rows_V - height_V + 1)).floor()
            left_edge_V = (torch.rand(len(size_V)) * (columns_V - width_V + 1)).floor()
            inside_N = (row_N >= top_V[value_N]) & (row_N < (top_V + height_V)[value_N])
            inside_N &= (column_N >= left_edge_V[value_N]) & (column_N < (left_edge_V + width_V)[value_N])
            hidden_N |= inside_N & (left_V > 0)[value_N]
        return exactly(hidden_N, value_N, target_V).to(values.value_N.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class InverseBlocks(Mask):
    """What is kept are squares of `side` patches; all else is hidden, exactly `share` of a picture.

    Squares are as many as would keep (1 - share) + `adjust` of it if none overlapped
    [Baevski et al. 2022, arXiv:2212.07525]. In a film a square is kept at all times.
    """

    share: float = 0.8
    side: int = 3
    adjust: float = 0.07

    def __post_init__(self) -> None:
        _check_share(self.share)

    def draw(self, values: Values) -> Tensor:
        row_N, column_N = plane(values)
        value_N, size_V = values.value_N.cpu(), values.sizes.cpu()
        rows_V, columns_V = (largest(axis_N, value_N) + 1 for axis_N in (row_N, column_N))
        squares_V = (rows_V * columns_V * ((1 - self.share) + self.adjust) / self.side**2).round().clamp(min=1)
        kept_N = torch.zeros(len(value_N), dtype=torch.bool)
        for number in range(int(squares_V.max())):
            middle = [(torch.rand(len(size_V)) * axis_V).floor() for axis_V in (rows_V, columns_V)]
            near = [
                (where_N - middle_V[value_N] + self.side // 2 >= 0)
                & (where_N - middle_V[value_N] + self.side // 2 < self.side)
                for where_N, middle_V in zip((row_N, column_N), middle, strict=True)
            ]
            kept_N |= near[0] & near[1] & (number < squares_V)[value_N]
        return exactly(~kept_N, value_N, (size_V * self.share).long()).to(values.value_N.device)


def highest(score_N: Tensor, value_N: Tensor, count_V: Tensor) -> Tensor:
    """True (N,) on the `count_V` rows of each value that have the highest scores; rows come value by value."""
    order_N = torch.argsort(score_N, descending=True, stable=True)
    order_N = order_N[torch.argsort(value_N[order_N], stable=True)]
    size_V = torch.bincount(value_N)
    rank_N = torch.arange(len(value_N)) - (size_V.cumsum(0) - size_V)[value_N]
    chosen_N = torch.zeros(len(value_N), dtype=torch.bool)
    chosen_N[order_N[rank_N < count_V[value_N]]] = True
    return chosen_N


def exactly(hidden_N: Tensor, value_N: Tensor, count_V: Tensor) -> Tensor:
    """The same mask with rows drawn to be hidden or shown, so that `count_V` of each value are hidden."""
    return highest(hidden_N + torch.rand(len(value_N)), value_N, count_V)


def spread(start_N: Tensor, value_N: Tensor, length: int) -> Tensor:
    """Spans (N,) of `length` rows from each start, within values."""
    index_N = torch.arange(len(value_N))
    before_N = torch.where(start_N, index_N, -length).cummax(0).values
    return (index_N - before_N < length) & (value_N == value_N[before_N.clamp(min=0)])


def plane(values: Values) -> tuple[Tensor, Tensor]:
    """Row and column (N,) of each patch; ValueError for values that lie in a line."""
    if values.coordinate_NA.shape[1] < 2:
        raise ValueError(
            "blocks are of pictures and films; values that lie in a line, as sounds do, take Spans or Tokens"
        )
    return values.coordinate_NA[:, -2].cpu(), values.coordinate_NA[:, -1].cpu()


def largest(x_N: Tensor, value_N: Tensor) -> Tensor:
    """The largest number (V,) of each value."""
    start = torch.zeros(int(value_N.max()) + 1, dtype=x_N.dtype)
    return start.scatter_reduce(0, value_N, x_N, "amax")


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"`share` is {share}, expected a share between 0 and 1")
