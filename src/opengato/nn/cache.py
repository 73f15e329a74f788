"""The key-value cache: absolute positions, the instruction kept, the rest rolling.

Letters: L layers, R rows, B rows in use, H heads, T new slots, S places, K head width, M marks of a position.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

MOST_SLACK = 256
EVEN = 8  # places are a multiple of it where all are read: kernels of GPUs like masks of such widths


class Cache(ABC):
    """Keys (already rotated by their absolute position) and values of several sequences, of different lengths.

    A row keeps its first k positions for ever: at most `sinks`, and known before the next ones come. Position p lives
    at place p while p < k, else at k + (p - k) mod (window + slack). Nothing is ever shifted or renumbered, so order in
    time survives when the window rolls. Thanks to the slack, `slack` + 1 new positions can be written before the first
    of them looks back over its window: attention reads the places as they lie, without a copy. With `marks`, so many
    whole numbers are kept of each position.
    """

    def __init__(self, layers: int, rows: int, heads: int, head_width: int, window: int, sinks: int, marks: int = 0):
        self.window, self.sinks = window, sinks
        self.slack = min(window, MOST_SLACK)
        self.ring = window + self.slack
        places = self.places(sinks + self.ring)
        shape = (layers, rows, heads, places, head_width)
        self.key = torch.zeros(shape)
        self.value = torch.zeros(shape)
        self.position_RS = torch.full((rows, places), -1, dtype=torch.int64)
        self.mark_RSM = torch.zeros(rows, places, marks, dtype=torch.int64)
        self.length_R = torch.zeros(rows, dtype=torch.int64)
        self.kept_R = torch.zeros(rows, dtype=torch.int64)

    @abstractmethod
    def places(self, needed: int) -> int:
        """How many a row has, of which so many are needed."""

    @abstractmethod
    def used(self, rows_B: Tensor) -> int:
        """Places worth reading: beyond them every row in question is still empty."""

    @abstractmethod
    def rows(self, rows_B: Tensor) -> slice | Tensor:
        """The same rows, as a slice where they follow one another and this costs nothing to know."""

    @abstractmethod
    def _written(self, rows_B: Tensor, place_BT: Tensor, mask_BT: Tensor) -> Written:
        """What `write_positions` gives, for places that real positions have."""

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """Move in place; returns self."""
        self.key, self.value = self.key.to(device, dtype), self.value.to(device, dtype)
        self.position_RS, self.length_R = self.position_RS.to(device), self.length_R.to(device)
        self.kept_R, self.mark_RSM = self.kept_R.to(device), self.mark_RSM.to(device)
        return self

    def reset(self, row: int) -> None:
        """Forget one sequence."""
        self.position_RS[row] = -1
        self.length_R[row] = 0
        self.kept_R[row] = 0

    def row(self, row: int) -> Row:
        """A copy of what a row holds."""
        used = self.used(torch.tensor([row], device=self.length_R.device))
        return Row(
            key=self.key[:, row, :, :used].clone(),
            value=self.value[:, row, :, :used].clone(),
            position_S=self.position_RS[row].clone(),
            mark_SM=self.mark_RSM[row].clone(),
            length=self.length_R[row].clone(),
            kept=self.kept_R[row].clone(),
        )

    def begin_as(self, row: Row) -> None:
        """Let all rows hold what `row` of a cache of the same shape gave."""
        used = row.key.shape[2]
        self.key[:, :, :, :used], self.value[:, :, :, :used] = row.key[:, None], row.value[:, None]
        self.position_RS[:], self.mark_RSM[:] = row.position_S, row.mark_SM
        self.length_R[:], self.kept_R[:] = row.length, row.kept

    def seen(self, rows_B: Tensor) -> tuple[Tensor, Tensor]:
        """The positions (B, S) at the places in use (-1: empty), and which of them are kept for ever."""
        position_BS = self.position_RS[rows_B, : self.used(rows_B)]
        return position_BS, (position_BS >= 0) & (position_BS < self.kept_R[rows_B][:, None])

    def marks(self, rows_B: Tensor) -> Tensor:
        """The marks (B, S, M) at the places in use."""
        return self.mark_RSM[rows_B, : self.used(rows_B)]

    def write_positions(
        self,
        rows_B: Tensor,
        position_BT: Tensor,
        kept_BT: Tensor,
        mask_BT: Tensor,
        mark_BTM: Tensor | None = None,
    ) -> Written:
        """Where new positions will live, at most `slack` + 1 a row; those of `kept_BT` (the first ones) for ever.

        Nothing is written where `mask_BT` is False.
        """
        assert position_BT.shape[1] <= self.slack + 1
        self.kept_R[rows_B] += kept_BT.sum(1)
        kept_B1 = self.kept_R[rows_B][:, None]
        place_BT = torch.where(position_BT < kept_B1, position_BT, kept_B1 + (position_BT - kept_B1) % self.ring)
        written = self._written(rows_B, place_BT, mask_BT)
        position_BT = position_BT.masked_fill(~mask_BT, -1)
        self.position_RS[written.target_row, written.target_place] = position_BT[written.row, written.slot]
        if mark_BTM is not None:
            self.mark_RSM[written.target_row, written.target_place] = mark_BTM[written.row, written.slot]
        self.length_R[rows_B] += mask_BT.sum(1)
        return written

    def write_layer(self, layer: int, written: Written, key_BHTK: Tensor, value_BHTK: Tensor) -> None:
        """Store the keys and values of the new positions."""
        for store, new_BHTK in ((self.key, key_BHTK), (self.value, value_BHTK)):
            store[layer, written.target_row, :, written.target_place] = new_BHTK[written.row, :, written.slot]

    def read_layer(self, layer: int, rows: slice | Tensor, used: int) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, S, K) at the first `used` places; of a slice of rows, without a copy."""
        return self.key[layer, rows, :, :used], self.value[layer, rows, :, :used]


class RollingCache(Cache):
    """The one for a CPU: it reads no more than is there, and looks at its numbers to know that."""

    def places(self, needed: int) -> int:
        return needed

    def used(self, rows_B: Tensor) -> int:
        return min(int(self.length_R[rows_B].max()), self.key.shape[3])

    def rows(self, rows_B: Tensor) -> slice | Tensor:
        first, last = int(rows_B[0]), int(rows_B[-1])
        follow = last - first == len(rows_B) - 1 and bool((rows_B[1:] > rows_B[:-1]).all())
        return slice(first, last + 1) if follow else rows_B

    def _written(self, rows_B: Tensor, place_BT: Tensor, mask_BT: Tensor) -> Written:
        row, slot = mask_BT.nonzero(as_tuple=True)
        return Written(row, slot, rows_B[row], place_BT[row, slot])


class FixedCache(Cache):
    """The one for a GPU: what it does follows from shapes alone, so that nothing waits for a number of the device.

    All places are read, the empty ones hidden by the mask. What is padding goes to a place that stays empty, the last.
    """

    def places(self, needed: int) -> int:
        return (needed // EVEN + 1) * EVEN

    def used(self, rows_B: Tensor) -> int:
        return self.key.shape[3]

    def rows(self, rows_B: Tensor) -> slice | Tensor:
        return rows_B if len(self.length_R) > 1 else slice(0, 1)

    def _written(self, rows_B: Tensor, place_BT: Tensor, mask_BT: Tensor) -> Written:
        row_B1 = torch.arange(len(rows_B), device=rows_B.device)[:, None]
        slot_T = torch.arange(place_BT.shape[1], device=rows_B.device)
        return Written(row_B1, slot_T, rows_B[:, None], place_BT.masked_fill(~mask_BT, self.key.shape[3] - 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What a row of a cache holds, at the places in use: keys and values (L, H, S, K), and numbers about them."""

    key: Tensor
    value: Tensor
    position_S: Tensor
    mark_SM: Tensor
    length: Tensor
    kept: Tensor


@dataclass(frozen=True, slots=True)
class Written:
    """Which of the new positions (row and slot of the call) went where (row and place of the cache).

    Shapes are alike once they are broadcast to one another.
    """

    row: Tensor
    slot: Tensor
    target_row: Tensor
    target_place: Tensor
