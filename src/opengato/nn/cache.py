"""The key-value cache: absolute positions, the instruction kept, the rest rolling.

Letters: L layers, R rows, B rows in use, H heads, T new slots, S places, K head width.
"""

from __future__ import annotations

import torch
from torch import Tensor


class RollingCache:
    """Keys (already rotated by their absolute position) and values of several sequences, of different lengths.

    A row keeps its first k positions for ever: at most `sinks`, and known before the next ones come. Position p lives
    at place p while p < k, else at k + (p - k) mod window. Nothing is ever shifted or renumbered, so order in time
    survives when the window rolls.
    """

    def __init__(self, layers: int, rows: int, heads: int, head_width: int, window: int, sinks: int):
        self.window, self.sinks = window, sinks
        shape = (layers, rows, heads, sinks + window, head_width)
        self.key = torch.zeros(shape)
        self.value = torch.zeros(shape)
        self.position_RS = torch.full((rows, sinks + window), -1, dtype=torch.int64)
        self.length_R = torch.zeros(rows, dtype=torch.int64)
        self.kept_R = torch.zeros(rows, dtype=torch.int64)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> RollingCache:
        """Move in place; returns self."""
        self.key, self.value = self.key.to(device, dtype), self.value.to(device, dtype)
        self.position_RS, self.length_R = self.position_RS.to(device), self.length_R.to(device)
        self.kept_R = self.kept_R.to(device)
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

    def place(self, rows_B: Tensor, position_BT: Tensor, kept_BT: Tensor) -> Tensor:
        """Where new positions will live; those of `kept_BT` for ever, which must be the first of their row."""
        self.kept_R[rows_B] += kept_BT.sum(1)
        kept_B1 = self.kept_R[rows_B][:, None]
        return torch.where(position_BT < kept_B1, position_BT, kept_B1 + (position_BT - kept_B1) % self.window)

    def write_layer(
        self, layer: int, rows_B: Tensor, place_BT: Tensor, new: tuple[Tensor, Tensor], mask_BT: Tensor
    ) -> None:
        """Store the keys and values (B, H, T, K) of new positions where `mask_BT` is True."""
        row, slot = mask_BT.nonzero(as_tuple=True)
        target_row, target_place = rows_B[row], place_BT[row, slot]
        for store, new_BHTK in zip((self.key, self.value), new, strict=True):
            store[layer, target_row, :, target_place] = new_BHTK[row, :, slot]

    def write_positions(self, rows_B: Tensor, place_BT: Tensor, position_BT: Tensor, mask_BT: Tensor) -> None:
        """Record which positions were stored, after all layers were written."""
        row, slot = mask_BT.nonzero(as_tuple=True)
        self.position_RS[rows_B[row], place_BT[row, slot]] = position_BT[row, slot]
        self.length_R[rows_B] += mask_BT.sum(1)
