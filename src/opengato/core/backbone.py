"""The contract of a backbone: vectors in, vectors out, no knowledge of modalities.

Letters: B rows, H heads, T slots, D width, X axes (kind, moment, spot).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A trunk over packed rows. `causal` says whether slot t sees only slots up to t of its own document.

    One that is not causal serves whoever reads whole documents; the agent refuses to predict next rows with it.
    """

    width: int
    causal: bool

    @abstractmethod
    def forward(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        """Hidden states h_BTD. Documents (ids in `document_BT`, -1 padding) do not see one another.

        `prompt_BT` is True on the instruction, which opens a document; a trunk with a window keeps it in sight.
        """

    def with_costs(self, x_BTD: Tensor, *places: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What `forward` gives, and by name what training should keep small beside any loss: weighed scalars.

        Most trunks ask for nothing of the kind.
        """
        return self(x_BTD, *places), {}

    def final_parameters(self) -> list[nn.Parameter]:
        """The norm that makes hidden states ready for heads, which goes with the heads where they alone are trained."""
        return []


class CachedBackbone(Backbone):
    """A causal trunk that can continue from a cache, one step at a time, for several episodes at once.

    It is `recordable` if what `extend` does on a GPU follows from the shapes of its arguments alone.
    """

    recordable: bool = True

    @abstractmethod
    def new_cache(self, rows: int, window: int | None = None) -> Any:
        """An empty cache for `rows` independent sequences, each layer of which reaches `window` positions back.

        Default: as many as the trunk was made for.
        """

    @abstractmethod
    def extend(
        self, x_BTD: Tensor, position_BT: Tensor, prompt_BT: Tensor, mask_BT: Tensor, cache: Any, rows_B: Tensor
    ) -> Tensor:
        """h_BTD of new positions appended to the sequences `rows_B` of the cache.

        `mask_BT` is False on right padding, which leaves no trace. Equal to `forward` on the whole sequence, of a trunk
        made for the window of the cache.
        """


class AxialBackbone(CachedBackbone):
    """A causal trunk that is also told where slots lie along three axes, by numbers that it compares with one another.

    The kind is what a slot holds, without a name, from 0 to `kinds` - 1; the moment is when its value was there, and
    the spot which of the values of a moment it is, so that a spot goes on through moments. Without `axes_BTX` all slots
    lie at one place.
    """

    kinds: int

    @abstractmethod
    def forward(
        self,
        x_BTD: Tensor,
        document_BT: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        axes_BTX: Tensor | None = None,
    ) -> Tensor: ...

    @abstractmethod
    def extend(
        self,
        x_BTD: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        mask_BT: Tensor,
        cache: Any,
        rows_B: Tensor,
        axes_BTX: Tensor | None = None,
    ) -> Tensor: ...


class LayeredBackbone(Backbone):
    """A trunk of blocks one after the other, whose inside can be looked at; for analysis."""

    depth: int

    @abstractmethod
    def residuals(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Iterator[Tensor]:
        """The residual stream (B, T, D) after each of the `depth` blocks in turn, with the arguments of `forward`."""

    @abstractmethod
    def attention(
        self, layer: int, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor
    ) -> Tensor:
        """How much (B, H, T, T) each slot attends to each in block `layer` (from 1 to `depth`); rows sum to 1."""


@dataclass(frozen=True, slots=True)
class Branches:
    """What a block made of its input: what attention and feed-forward added, and the `stream` after both (B, T, D)."""

    attention: Tensor
    feed_forward: Tensor
    stream: Tensor


class BranchedBackbone(LayeredBackbone):
    """A layered trunk that also shows what each block adds, so that it can be a teacher."""

    @abstractmethod
    def branches(
        self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor
    ) -> Iterator[Branches]:
        """The branches of each of the `depth` blocks in turn, with the arguments of `forward`."""
