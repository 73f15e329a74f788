"""Factored: a causal transformer whose attention is factored over modality, and over space and time within one.

A^m = Attention(X^m, X^m, X^m), B^mn = Attention(X^m, X^n, X^n) for each other n, Y^m = Combine(A^m, {B^mn}): each
softmax is over one kind of slots alone. Queries, keys and values have the same weights in A and B, so that there is one
cache, and of one kind it is the decoder. Letters: B rows, T slots, S places of the cache, D width, H heads, R sights,
X axes (kind, moment, spot), K head width, G heads of keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from opengato.backbones.causal import CausalStack, PlainCausalConfig
from opengato.backbones.factored.combine import Combination, Combine, Gate, Project, Sum
from opengato.backbones.factored.sights import Within, look, num_sights, sights, weights
from opengato.core.backbone import AxialBackbone
from opengato.core.config import choose
from opengato.nn.blocks import Block, Look, StreamBlock
from opengato.nn.cache import Cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(PlainCausalConfig):
    """`kinds` of slots are told apart: as many as the agent has modalities, or more.

    `combine` makes one of what a slot reads in its sights: their `sum`, by a learned `gate`, or side by side for a
    layer to `project`. `within` a kind attention is `whole`, or `divided` between what is there at the same moment and
    the same spot at other moments. Other settings are those of the decoder.
    """

    kinds: int = 8
    combine: Combination = "gate"
    within: Within = "whole"

    def __post_init__(self) -> None:
        PlainCausalConfig.__post_init__(self)
        choose(self.combine, get_args(Combination), what="`combine`")
        choose(self.within, get_args(Within), what="`within`")
        if self.kinds < 1:
            raise ValueError(f"`kinds` is {self.kinds}, expected 1 or more")

    def build(self) -> Factored:
        return Factored(self)


class FactoredBlock(StreamBlock):
    """A block of the decoder, whose attention gives something for each sight."""

    def __init__(self, config: Config):
        super().__init__()
        self.block = Block(config)
        self.combine = combination(config)
        if self.combine.widening > 1:
            self.block.out = nn.Linear(self.combine.widening * config.width, config.width, bias=False)
            nn.init.normal_(self.block.out.weight, std=0.02 / math.sqrt(2 * config.depth))

    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        """The stream after this block; `look` gives what is read in each sight (B, R, H, T, K)."""
        seen_BRHTK = look(*self.block.project(x_BTD, angles))
        return self.block.finish(x_BTD, self.combine(seen_BRHTK, self.block.norm_attention(x_BTD)))

    def forward(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], sight: Tensor) -> Tensor:
        return self.through(x_BTD, angles, lambda q, k, v: look(q, k, v, sight))


def combination(config: Config) -> Combine:
    """The one that the config names."""
    number = num_sights(config.kinds, config.within)
    if config.combine == "sum":
        return Sum()
    return Gate(config.width, number, config.heads) if config.combine == "gate" else Project(number)


class Factored(AxialBackbone, CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    config: Config
    marks = 3

    def __init__(self, config: Config):
        norm = nn.LayerNorm(config.width, bias=config.norm_bias)
        super().__init__(config, (FactoredBlock(config) for _ in range(config.depth)), norm)
        self.kinds = config.kinds
        self.head_shape = None  # of several sights, each has a mask of its own

    def _sight_of(self, mask_BTS: Tensor, *marks: Tensor) -> Tensor:
        return sights(mask_BTS, *marks, self.config.kinds, self.config.within)

    def _look(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, sight: Tensor) -> Tensor:
        return look(q_BHTK, k_BGSK, v_BGSK, sight)

    def _weights(self, q_BHTK: Tensor, k_BGSK: Tensor, sight: Tensor) -> Tensor:
        return weights(q_BHTK, k_BGSK, sight)

    def _sights(self, places: tuple[Tensor, Tensor, Tensor], axes_BTX: Tensor | None) -> Tensor:
        axes_BTX = one_place(places[1]) if axes_BTX is None else axes_BTX
        return self._sight_of(self._mask(*places), axes_BTX, axes_BTX)

    def residuals(
        self,
        x_BTD: Tensor,
        document_BT: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        axes_BTX: Tensor | None = None,
    ) -> Iterator[Tensor]:
        sight = self._sights((document_BT, position_BT, prompt_BT), axes_BTX)
        return (stream for stream, _ in self._streams(x_BTD, position_BT, sight))

    def forward(
        self,
        x_BTD: Tensor,
        document_BT: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        axes_BTX: Tensor | None = None,
    ) -> Tensor:
        for residual_BTD in self.residuals(x_BTD, document_BT, position_BT, prompt_BT, axes_BTX):
            x_BTD = residual_BTD
        return self.norm(x_BTD)

    def attention(
        self,
        layer: int,
        x_BTD: Tensor,
        document_BT: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        axes_BTX: Tensor | None = None,
    ) -> Tensor:
        sight = self._sights((document_BT, position_BT, prompt_BT), axes_BTX)
        return self._attention(layer, x_BTD, position_BT, sight)

    def extend(
        self,
        x_BTD: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        mask_BT: Tensor,
        cache: Cache,
        rows_B: Tensor,
        axes_BTX: Tensor | None = None,
    ) -> Tensor:
        axes_BTX = one_place(position_BT) if axes_BTX is None else axes_BTX
        return self._extended((x_BTD, position_BT, prompt_BT, mask_BT, axes_BTX), cache, rows_B)


def one_place(position_BT: Tensor) -> Tensor:
    """Axes (B, T, X) of slots that are all alike."""
    return torch.zeros(*position_BT.shape, 3, dtype=torch.int64, device=position_BT.device)
