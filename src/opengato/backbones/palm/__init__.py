"""PaLM: a causal transformer whose attention and feed-forward stand side by side and whose queries share their keys.

[Chowdhery et al. 2022, arXiv:2204.02311, sec. 2]: parallel blocks, SwiGLU, multi-query attention, rotary positions, no
biases, also of norms. So its cache is that of one head.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from opengato.backbones.causal import CausalStack
from opengato.backbones.palm.settings import Settings
from opengato.nn.blocks import ParallelBlock


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Settings):
    """Those of `Settings`; see `CausalConfig` for `window` and `sinks`."""

    window: int = 256
    sinks: int = 64

    def build(self) -> Palm:
        return Palm(self)


class Palm(CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    def __init__(self, config: Config):
        blocks = (ParallelBlock(config) for _ in range(config.depth))
        super().__init__(config, blocks, nn.LayerNorm(config.width, bias=False))
