"""PaLM: a causal transformer whose attention and feed-forward stand side by side and whose queries share their keys.

[Chowdhery et al. 2022, arXiv:2204.02311, sec. 2]: parallel blocks, SwiGLU, multi-query attention, rotary positions, no
biases, also of norms. So its cache is that of one head.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from opengato.backbones.causal import CausalStack
from opengato.backbones.stack import check_drop_path, check_few_keys
from opengato.nn.blocks import ParallelBlock


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`heads` of queries, each `head_width` wide whatever the `width`, share `key_heads` of keys and values.

    With as many of these as heads it is multi-head attention. `hidden` are the units of the feed-forward, in the paper
    4 `width`. `window`, `sinks`, `drop_path` and `recompute` are those of the decoder.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    head_width: int = 64
    key_heads: int = 1
    hidden: int = 1024
    window: int = 256
    sinks: int = 64
    rotary_base: float = 10_000.0
    drop_path: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        check_few_keys(self)
        check_drop_path(self.drop_path)

    def build(self) -> Palm:
        return Palm(self)


class Palm(CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    def __init__(self, config: Config):
        blocks = (ParallelBlock(config) for _ in range(config.depth))
        super().__init__(config, blocks, nn.LayerNorm(config.width, bias=False))
