"""What trunks of blocks one after the other share: rotary positions, and who sees whom.

Letters: B rows, T slots, S key slots, D width, H heads, G heads of keys and values, K head width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask
from torch.utils.checkpoint import checkpoint

from opengato.core.backbone import LayeredBackbone
from opengato.core.config import choose
from opengato.nn.attention import attend, attention_weights, stairs
from opengato.nn.blocks import StreamBlock
from opengato.nn.flex import BLOCK, Blockwise
from opengato.nn.layers import ACTIVATIONS, Activation
from opengato.nn.positions import rotary_angles


class StackConfig(Protocol):
    """What a stack asks of its config, beside what its blocks do."""

    @property
    def width(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def key_heads(self) -> int: ...
    @property
    def head_width(self) -> int: ...
    @property
    def rotary_base(self) -> float: ...
    @property
    def recompute(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainConfig:
    """Blocks of the decoder: each head has keys of its own, and the heads together are as wide as the stream.

    The feed-forward is a product of two halves (`gated`) or one layer, of `hidden` units. In training each sub-layer
    is left out with probability `drop_path`; `recompute` keeps only the inputs of the blocks for the backward pass and
    computes the rest again: less memory, a third more time.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 704
    rotary_base: float = 10_000.0
    activation: Activation = "silu"
    gated: bool = True
    norm_bias: bool = False
    drop_path: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.width % self.heads or self.head_width % 2:
            raise ValueError(f"`width` (={self.width}) / `heads` (={self.heads}) must be a whole even number")
        choose(self.activation, ACTIVATIONS, what="activation")
        check_drop_path(self.drop_path)

    @property
    def key_heads(self) -> int:
        """Each head has keys of its own."""
        return self.heads

    @property
    def head_width(self) -> int:
        return self.width // self.heads


def check_drop_path(rate: float) -> None:
    """ValueError for a rate that leaves nothing."""
    if not 0 <= rate < 1:
        raise ValueError(f"`drop_path` is {rate}, expected a probability from 0 up to 1, without 1")


class Stack(Blockwise, LayeredBackbone):
    """Blocks, after which `norm` makes hidden states ready for heads; a subclass says who sees whom.

    A block is called with the stream, the angles of its slots and their `sight`, which is a mask unless a subclass
    knows more of it, and gives the stream after it, or that and a cost.
    """

    def __init__(self, config: StackConfig, blocks: Iterable[nn.Module], norm: nn.Module):
        super().__init__()
        self.config = config
        self.width, self.depth = config.width, config.depth
        self.head_shape = config.heads, config.key_heads, config.head_width
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm

    @abstractmethod
    def _mask(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Any:
        """Who sees whom in a packed batch."""

    @abstractmethod
    def _blocks_seen(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> BlockMask:
        """The same as blocks."""

    def _sight(self, *places: Tensor) -> Any:
        """The form that is fastest; rows of other lengths than in training are rarely met twice."""
        is_whole = places[0].shape[1] % BLOCK == 0
        if self.in_blocks and self.training and is_whole:
            return self._blocks_seen(*places)
        return stairs(self._mask(*places)) if self.causal else self._mask(*places)

    def _look(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, sight: Any) -> Tensor:
        """What queries read within their sight."""
        return attend(q_BHTK, k_BGSK, v_BGSK, sight)

    def _weights(self, q_BHTK: Tensor, k_BGSK: Tensor, sight: Any) -> Tensor:
        """The weights (B, H, T, S) by which they read it."""
        return attention_weights(q_BHTK, k_BGSK, sight)

    def _blocks(self) -> Iterator[StreamBlock]:
        return (cast(StreamBlock, block) for block in self.blocks)

    def _angles(self, position_BT: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        cos, sin = rotary_angles(position_BT, self.config.head_width, self.config.rotary_base)
        return cos.to(dtype), sin.to(dtype)

    def _streams(
        self, x_BTD: Tensor, position_BT: Tensor, sight: Any, *more: Tensor
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The residual stream after each block, and its cost if it has one; blocks are told `more` beside the sight."""
        angles = self._angles(position_BT, x_BTD.dtype)
        for block in self.blocks:
            if self.config.recompute and self.training:
                given = checkpoint(block, x_BTD, angles, sight, *more, use_reentrant=False)
            else:
                given = block(x_BTD, angles, sight, *more)
            x_BTD, cost = given if isinstance(given, tuple) else (given, None)
            yield x_BTD, cost

    def residuals(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Iterator[Tensor]:
        sight = self._sight(document_BT, position_BT, prompt_BT)
        return (stream for stream, _ in self._streams(x_BTD, position_BT, sight))

    def forward(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        # Not a list of them: without gradients only the last is to be kept.
        for residual_BTD in self.residuals(x_BTD, document_BT, position_BT, prompt_BT):
            x_BTD = residual_BTD
        return self.norm(x_BTD)

    def final_parameters(self) -> list[nn.Parameter]:
        return list(self.norm.parameters())

    def attention(
        self, layer: int, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor
    ) -> Tensor:
        return self._attention(layer, x_BTD, position_BT, self._mask(document_BT, position_BT, prompt_BT))

    def _attention(self, layer: int, x_BTD: Tensor, position_BT: Tensor, sight: Any) -> Tensor:
        streams = (stream for stream, _ in self._streams(x_BTD, position_BT, sight))
        stream_BTD = next(islice(chain([x_BTD], streams), layer - 1, None))
        shown: list[Tensor] = []

        def look(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            shown.append(self._weights(q, k, sight))
            return self._look(q, k, v, sight)

        list(self._blocks())[layer - 1].through(stream_BTD, self._angles(position_BT, x_BTD.dtype), look)
        return torch.cat(shown, 1)
