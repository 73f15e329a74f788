"""Decoder: a pre-norm (LayerNorm) causal transformer with rotary positions and a rolling cache of the past."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from opengato.backbones.causal import CausalStack, PlainCausalConfig
from opengato.nn.blocks import Block


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(PlainCausalConfig):
    """Settings of `PlainConfig`, whose blocks are this trunk's; see `CausalConfig` for `window` and `sinks`."""

    def build(self) -> Decoder:
        return Decoder(self)


class Decoder(CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    def __init__(self, config: Config):
        norm = nn.LayerNorm(config.width, bias=config.norm_bias)
        super().__init__(config, (Block(config) for _ in range(config.depth)), norm)
