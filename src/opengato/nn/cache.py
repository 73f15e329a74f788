"""The key-value cache: absolute positions, the instruction kept, the rest rolling.

Letters: L layers, R rows, B rows in use, H heads, T new slots, S places, K head width, M marks of a position.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MOST_SLACK = 256


class RollingCache:
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
        shape = (layers, rows, heads, sinks + self.ring, head_width)
        self.key = torch.zeros(shape)
        self.value = torch.zeros(shape)
        self.position_RS = torch.full((rows, sinks + self.ring), -1, dtype=torch.int64)
        self.mark_RSM = torch.zeros(rows, sinks + self.ring, marks, dtype=torch.int64)
        self.length_R = torch.zeros(rows, dtype=torch.int64)
        self.kept_R = torch.zeros(rows, dtype=torch.int64)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> RollingCache:
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

    def used(self, rows_B: Tensor) -> int:
        """Places worth reading: beyond them every row in question is still empty."""
        longest = int(self.length_R[rows_B].max())
        return min(longest, self.key.shape[3])

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
        row, slot = mask_BT.nonzero(as_tuple=True)
        written = Written(row, slot, rows_B[row], place_BT[row, slot])
        self.position_RS[written.target_row, written.target_place] = position_BT[row, slot]
        if mark_BTM is not None:
            self.mark_RSM[written.target_row, written.target_place] = mark_BTM[row, slot]
        self.length_R[rows_B] += mask_BT.sum(1)
        return written

    def write_layer(self, layer: int, written: Written, key_BHTK: Tensor, value_BHTK: Tensor) -> None:
        """Store the keys and values of the new positions."""
        for store, new_BHTK in ((self.key, key_BHTK), (self.value, value_BHTK)):
            store[layer, written.target_row, :, written.target_place] = new_BHTK[written.row, :, written.slot]

    def read_layer(self, layer: int, rows_B: Tensor, used: int) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, S, K) at the first `used` places; of rows that follow one another, without a copy."""
        first, last = int(rows_B[0]), int(rows_B[-1])
        if last - first == len(rows_B) - 1 and bool((rows_B[1:] > rows_B[:-1]).all()):
            rows = slice(first, last + 1)
            return self.key[layer, rows, :, :used], self.value[layer, rows, :, :used]
        return self.key[layer, rows_B, :, :used], self.value[layer, rows_B, :, :used]


@dataclass(frozen=True, slots=True)
class Written:
    """Which of the new positions (row and slot of the call) went where (row and place of the cache)."""

    row: Tensor
    slot: Tensor
    target_row: Tensor
    target_place: Tensor
