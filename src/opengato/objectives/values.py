"""Which rows of a batch make up one value, such as a picture, a sound or a stretch of text.

Letters: B rows, T slots, S all slots of a batch, N rows of one modality, A axes of a value, V values, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """Rows of one modality, value by value: `value_N` counts the values from 0, in order.

    `coordinate_NA` says where in its value a row lies, along each axis, and `may_hide_N` whether it may be hidden from
    the network: rows of an instruction may not.
    """

    value_N: Tensor
    coordinate_NA: Tensor
    may_hide_N: Tensor

    @property
    def sizes(self) -> Tensor:
        """Rows (V,) of each value."""
        return torch.bincount(self.value_N)

    @property
    def order(self) -> Tensor:
        """The number (N,) of each row within its value."""
        index_N = torch.arange(len(self.value_N), device=self.value_N.device)
        first_V = self.sizes.cumsum(0) - self.sizes
        return index_N - first_V[self.value_N]


def values_of(agent: Any, batch: PackedBatch, name: str) -> Values:
    """The values of a modality in a batch.

    A new one begins in another document or behind an instruction; where rows know their places, at the first place;
    else where the slot before holds something else, where a step begins, and between what is seen and what is done.
    """
    slot_N = batch.slot_N[name]
    document_N = batch.document_BT.flatten()[slot_N]
    row_N = slot_N.div(batch.document_BT.shape[1], rounding_mode="floor")
    told_N = batch.prompt_BT.flatten()[slot_N]
    where_NA = agent.modality(name).coordinates(batch.payload[name])
    opens_N = torch.ones(len(slot_N), dtype=torch.bool, device=slot_N.device)
    opens_N[1:] = torch.stack([x_N[1:] != x_N[:-1] for x_N in (document_N, row_N, told_N)]).any(0)
    if where_NA is None:
        local_N = batch.local_BT.flatten()[slot_N]
        opens_N[1:] |= (slot_N[1:] != slot_N[:-1] + 1) | ((local_N[1:] >= 0) != (local_N[:-1] >= 0))
        opens_N |= local_N == 0
    else:
        opens_N |= (where_NA == 0).all(1)
    value_N = opens_N.cumsum(0) - 1
    if where_NA is None:
        index_N = torch.arange(len(slot_N), device=slot_N.device)
        where_NA = (index_N - torch.where(opens_N, index_N, 0).cummax(0).values)[:, None]
    return Values(value_N=value_N, coordinate_NA=where_NA, may_hide_N=~told_N)


def value_means(x_ND: Tensor, value_N: Tensor) -> Tensor:
    """The mean (N, D) over the rows of its value, for each row."""
    sum_VD = x_ND.new_zeros(int(value_N.max()) + 1, x_ND.shape[1]).index_add(0, value_N, x_ND)
    return (sum_VD / torch.bincount(value_N)[:, None])[value_N]
