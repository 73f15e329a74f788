"""The contract of a backbone: vectors in, vectors out, no knowledge of modalities.

Letters: B rows, T slots, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A trunk over packed rows. `causal` says whether slot t sees only slots up to t of its own document."""

    width: int
    causal: bool

    @abstractmethod
    def forward(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        """Hidden states h_BTD. Documents (ids in `document_BT`, -1 padding) do not see one another.

        `prompt_BT` is True on the instruction, which opens a document; a trunk with a window keeps it in sight.
        """

    def final_parameters(self) -> list[nn.Parameter]:
        """The norm that makes hidden states ready for heads, which goes with the heads where they alone are trained."""
        return []


class CachedBackbone(Backbone):
    """A causal trunk that can continue from a cache, one step at a time, for several episodes at once."""

    @abstractmethod
    def new_cache(self, rows: int) -> Any:
        """An empty cache for `rows` independent sequences."""

    @abstractmethod
    def extend(
        self, x_BTD: Tensor, position_BT: Tensor, prompt_BT: Tensor, mask_BT: Tensor, cache: Any, rows_B: Tensor
    ) -> Tensor:
        """h_BTD of new positions appended to the sequences `rows_B` of the cache.

        `mask_BT` is False on right padding, which leaves no trace. Equal to `forward` on the whole sequence.
        """
