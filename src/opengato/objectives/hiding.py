"""What several objectives share: which rows of a batch are hidden, and what is seen in their place.

Letters: S all slots of a batch, N rows of one modality, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.core.config import choose
from opengato.objectives.masks import Mask, Tokens
from opengato.objectives.values import Values, values_of

BLANK = 0.3  # deviation of the vector that stands for what is hidden: as large as what embedders give


@dataclass(frozen=True, kw_only=True, slots=True)
class Hiding:
    """`masks[modality]` says what is hidden of it; `others` what of those that are not named there (None: nothing)."""

    masks: dict[str, Any] = field(default_factory=dict)
    others: Any = field(default_factory=Tokens)

    def check(self, agent: Any) -> None:
        """ValueError for a name that is no modality's."""
        for name in self.masks:
            choose(name, agent.config.modalities, what="modality in `masks`")

    def mask_of(self, name: str) -> Mask | None:
        """What is hidden of a modality."""
        return self.masks.get(name, self.others)

    def num_rows(self, batch: PackedBatch) -> int:
        """Rows that may be hidden, of which masks draw their shares."""
        told_S = batch.prompt_BT.flatten()
        return sum(
            int((~told_S[slot_N]).sum()) for name, slot_N in batch.slot_N.items() if self.mask_of(name) is not None
        )

    def values(self, agent: Any, batch: PackedBatch) -> dict[str, Values]:
        """The values of each modality of a batch of which something may be hidden."""
        return {name: values_of(agent, batch, name) for name in batch.payload if self.mask_of(name) is not None}

    def draw(self, values: Mapping[str, Values]) -> dict[str, Tensor]:
        """The rows (N,) that are hidden, by modality."""
        masks = {name: self.mask_of(name) for name in values}
        return {name: mask.draw(values[name]) & values[name].may_hide_N for name, mask in masks.items() if mask}

    def cover(
        self,
        agent: Any,
        batch: PackedBatch,
        vectors: Mapping[str, Tensor],
        hidden: Mapping[str, Tensor],
        blanks: nn.ParameterDict,
    ) -> dict[str, Tensor]:
        """Vectors (N, D) of each modality, where hidden a blank at its place, or what disguises it."""
        shown = dict(vectors)
        for name, hidden_N in hidden.items():
            x_ND, mask = vectors[name], self.mask_of(name)
            assert mask is not None
            blank_ND = blanks[name].to(x_ND.dtype).expand_as(x_ND)
            places_ND = agent.modality(name).places(batch.payload[name])
            if places_ND is not None:
                blank_ND = blank_ND + places_ND.to(x_ND.dtype)
            kept, changed = mask.disguises()
            if kept or changed:
                lot_N1 = torch.rand(len(x_ND), 1).to(x_ND.device)
                other_N = torch.randint(len(x_ND), (len(x_ND),)).to(x_ND.device)
                blank_ND = torch.where(lot_N1 < kept + changed, x_ND[other_N], blank_ND)
                blank_ND = torch.where(lot_N1 < kept, x_ND, blank_ND)
            shown[name] = torch.where(hidden_N[:, None], blank_ND, x_ND)
        return shown


def blanks(agent: Any) -> nn.ParameterDict:
    """A vector for each modality that stands where its rows are hidden."""
    width = agent.backbone.width
    return nn.ParameterDict({name: nn.Parameter(torch.randn(width) * BLANK) for name in agent.config.modalities})
