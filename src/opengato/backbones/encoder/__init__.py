"""Encoder: a bidirectional pre-norm (LayerNorm) transformer, whose blocks are those of the decoder.

So a decoder of the same shape can begin with its weights. Letters: B rows, T slots, S key slots, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from opengato.core.backbone import BranchedBackbone, Branches
from opengato.core.config import choose
from opengato.nn.attention import attend, attention_weights, same_document
from opengato.nn.blocks import Block
from opengato.nn.layers import ACTIVATIONS, Activation
from opengato.nn.positions import rotary_angles


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Each slot sees all of its document. Without `rotary` positions are what modalities say of them.

    The feed-forward is a product of two halves (`gated`) or one layer, of `hidden` units; `bias` and `norm_bias` are
    those of linear layers and of norms. In training each sub-layer is left out with probability `drop_path`; with
    `recompute` the blocks are computed again in the backward pass.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 704
    rotary: bool = True
    rotary_base: float = 10_000.0
    activation: Activation = "silu"
    gated: bool = True
    bias: bool = False
    norm_bias: bool = False
    drop_path: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"`width` (={self.width}) / `heads` (={self.heads}) must be a whole even number")
        choose(self.activation, ACTIVATIONS, what="activation")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"`drop_path` is {self.drop_path}, expected a probability from 0 up to 1, without 1")

    def build(self) -> Encoder:
        return Encoder(self)


class Encoder(BranchedBackbone):
    """The trunk; its hidden states are normalised, ready for heads."""

    causal = False

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.width, self.depth = config.width, config.depth
        self.blocks = nn.ModuleList(Block(config, bias=config.bias) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, bias=config.norm_bias)

    def _angles(self, position_BT: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        turned_BT = position_BT if self.config.rotary else torch.zeros_like(position_BT)
        cos, sin = rotary_angles(turned_BT, self.width // self.config.heads, self.config.rotary_base)
        return cos.to(dtype), sin.to(dtype)

    def branches(
        self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor
    ) -> Iterator[Branches]:
        mask_BTS, angles = same_document(document_BT), self._angles(position_BT, x_BTD.dtype)

        def step(block: Block, x_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            q, k, v = block.project(x_BTD, angles)
            return block.branches(x_BTD, attend(q, k, v, mask_BTS))

        for module in self.blocks:
            block = cast(Block, module)
            if self.config.recompute and self.training:
                found = Branches(*checkpoint(step, block, x_BTD, use_reentrant=False))
            else:
                found = Branches(*step(block, x_BTD))
            x_BTD = found.stream
            yield found

    def residuals(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Iterator[Tensor]:
        for found in self.branches(x_BTD, document_BT, position_BT, prompt_BT):
            yield found.stream

    def forward(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        for residual_BTD in self.residuals(x_BTD, document_BT, position_BT, prompt_BT):
            x_BTD = residual_BTD
        return self.norm(x_BTD)

    def final_parameters(self) -> list[nn.Parameter]:
        return list(self.norm.parameters())

    def attention(
        self, layer: int, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor
    ) -> Tensor:
        before = chain([x_BTD], self.residuals(x_BTD, document_BT, position_BT, prompt_BT))
        stream_BTD = next(islice(before, layer - 1, None))
        q, k, _ = cast(Block, self.blocks[layer - 1]).project(stream_BTD, self._angles(position_BT, x_BTD.dtype))
        return attention_weights(q, k, same_document(document_BT))
