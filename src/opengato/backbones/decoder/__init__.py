"""Decoder: a pre-norm (LayerNorm) causal transformer with rotary positions and a rolling cache of the past."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from opengato.backbones.causal import CausalStack
from opengato.backbones.stack import check
from opengato.nn.blocks import Block
from opengato.nn.layers import Activation


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`window` positions of the past are visible, and of the instruction `sinks`: see `CausalConfig`.

    The feed-forward is a product of two halves (`gated`) or one layer, of `hidden` units. In training each sub-layer
    is left out with probability `drop_path`; `recompute` keeps only the inputs of the blocks for the backward pass and
    computes the rest again: less memory, a third more time.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 704
    window: int = 256
    sinks: int = 64
    rotary_base: float = 10_000.0
    activation: Activation = "silu"
    gated: bool = True
    norm_bias: bool = False
    drop_path: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        check(self)

    @property
    def key_heads(self) -> int:
        """Each head has keys of its own."""
        return self.heads

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def build(self) -> Decoder:
        return Decoder(self)


class Decoder(CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    def __init__(self, config: Config):
        norm = nn.LayerNorm(config.width, bias=config.norm_bias)
        super().__init__(config, (Block(config) for _ in range(config.depth)), norm)
