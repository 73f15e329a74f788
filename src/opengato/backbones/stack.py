"""What the decoder and the encoder share: blocks one after the other, with rotary positions and a mask.

Letters: B rows, T slots, S key slots, D width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import chain, islice
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from opengato.core.backbone import LayeredBackbone
from opengato.core.config import choose
from opengato.nn.attention import attention_weights
from opengato.nn.blocks import Block, BlockConfig
from opengato.nn.layers import ACTIVATIONS
from opengato.nn.positions import rotary_angles


class StackConfig(BlockConfig, Protocol):
    """What a stack asks of its config, beside what its blocks do."""

    @property
    def rotary_base(self) -> float: ...
    @property
    def recompute(self) -> bool: ...


def check(config: StackConfig) -> None:
    """ValueError where numbers do not fit together."""
    if config.width % config.heads or (config.width // config.heads) % 2:
        raise ValueError(f"`width` (={config.width}) / `heads` (={config.heads}) must be a whole even number")
    choose(config.activation, ACTIVATIONS, what="activation")
    if not 0 <= config.drop_path < 1:
        raise ValueError(f"`drop_path` is {config.drop_path}, expected a probability from 0 up to 1, without 1")


class Stack(LayeredBackbone):
    """Blocks, whose hidden states are normalised in the end, ready for heads; a subclass says who sees whom."""

    def __init__(self, config: StackConfig, *, bias: bool = False):
        super().__init__()
        self.config = config
        self.width, self.depth = config.width, config.depth
        self.blocks = nn.ModuleList(Block(config, bias=bias) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, bias=config.norm_bias)

    @abstractmethod
    def _mask(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        """Who sees whom in a packed batch (B, T, T)."""

    def _blocks(self) -> Iterator[Block]:
        return (cast(Block, block) for block in self.blocks)

    def _angles(self, position_BT: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        cos, sin = rotary_angles(position_BT, self.width // self.config.heads, self.config.rotary_base)
        return cos.to(dtype), sin.to(dtype)

    def residuals(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Iterator[Tensor]:
        mask_BTS = self._mask(document_BT, position_BT, prompt_BT)
        angles = self._angles(position_BT, x_BTD.dtype)
        for block in self._blocks():
            if self.config.recompute and self.training:
                x_BTD = checkpoint(block, x_BTD, angles, mask_BTS, use_reentrant=False)
            else:
                x_BTD = block(x_BTD, angles, mask_BTS)
            yield x_BTD

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
        places = document_BT, position_BT, prompt_BT
        block = list(self._blocks())[layer - 1]
        stream_BTD = next(islice(chain([x_BTD], self.residuals(x_BTD, *places)), layer - 1, None))
        q, k, _ = block.project(stream_BTD, self._angles(position_BT, x_BTD.dtype))
        return attention_weights(q, k, self._mask(*places))
