"""Encoder: a bidirectional pre-norm (LayerNorm) transformer, whose blocks are those of the decoder.

So a decoder of the same shape can begin with its weights. Letters: B rows, T slots, S key slots, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask

from opengato.backbones.stack import PlainConfig, Stack
from opengato.core.backbone import BranchedBackbone, Branches
from opengato.nn.attention import attend, same_document
from opengato.nn.blocks import Block
from opengato.nn.flex import documents_seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(PlainConfig):
    """Each slot sees all of its document. Without `rotary` positions are what modalities say of them.

    `bias` is that of linear layers. Other settings are those of `PlainConfig`.
    """

    rotary: bool = True
    bias: bool = False

    def build(self) -> Encoder:
        return Encoder(self)


class Encoder(BranchedBackbone, Stack):
    """The trunk; its hidden states are normalised, ready for heads."""

    causal = False
    config: Config

    def __init__(self, config: Config):
        blocks = (Block(config, bias=config.bias) for _ in range(config.depth))
        super().__init__(config, blocks, nn.LayerNorm(config.width, bias=config.norm_bias))

    def _mask(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        return same_document(document_BT)

    def _blocks_seen(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> BlockMask:
        return documents_seen(document_BT)

    def _angles(self, position_BT: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return super()._angles(position_BT if self.config.rotary else torch.zeros_like(position_BT), dtype)

    def branches(
        self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor
    ) -> Iterator[Branches]:
        mask_BTS, angles = same_document(document_BT), self._angles(position_BT, x_BTD.dtype)
        for block in (cast(Block, block) for block in self.blocks):
            q, k, v = block.project(x_BTD, angles)
            found = Branches(*block.branches(x_BTD, attend(q, k, v, mask_BTS)))
            x_BTD = found.stream
            yield found
