"""A short array of latents that reads a long input and thinks about it.

[Jaegle et al. 2021, arXiv:2107.14795, sec. 3.1]. Letters: B rows, N latents, M inputs, D width of latents, C width of
inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from opengato.core.config import choose
from opengato.nn.cross_attention import Layer, PerceiverLayer, Widths
from opengato.nn.layers import ACTIVATIONS, Activation

CrossWidth = Literal["input", "latent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latents:
    """`number` latents of `width` read the input once and pass `blocks` times through the same `depth` modules.

    `qk_width` and `value_width` hold for all attention; where they are None, self-attention takes the latents' width
    and the reading that of `cross_width`. `widening` is that of self-attention, `cross_widening` that of the reading.
    """

    number: int
    width: int
    depth: int
    blocks: int = 1
    heads: int = 8
    cross_heads: int = 1
    qk_width: int | None = None
    value_width: int | None = None
    cross_width: CrossWidth = "input"
    widening: int = 1
    cross_widening: int = 1
    query_residual: bool = True
    activation: Activation = "gelu_tanh"
    key_bias: bool = True

    def __post_init__(self) -> None:
        choose(self.activation, ACTIVATIONS, what="activation")
        choose(self.cross_width, ("input", "latent"), what="`cross_width`")
        if min(self.number, self.depth, self.blocks) < 1:
            raise ValueError(f"expected a latent, a module and a block at least, received {self}")

    def build(self, input_width: int) -> LatentEncoder:
        return LatentEncoder(self, input_width)

    def layer(self, widening: int, query_residual: bool = True) -> Layer:
        """Settings of one module."""
        return Layer(
            widening=widening,
            query_residual=query_residual,
            activation=self.activation,
            key_bias=self.key_bias,
        )


class LatentEncoder(nn.Module):
    """Reads and processes: linear in the length of the input, and its depth costs nothing more for a longer one."""

    def __init__(self, config: Latents, input_width: int):
        super().__init__()
        self.config = config
        width = config.width
        self.latents = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.number, width), std=0.02))
        cross = config.qk_width or (input_width if config.cross_width == "input" else width)
        widths = Widths(
            query=width, inputs=input_width, qk=cross, value=config.value_width or cross, heads=config.cross_heads
        )
        self.read = PerceiverLayer(widths, config.layer(config.cross_widening, config.query_residual), cross=True)
        qk = config.qk_width or width
        widths = Widths(query=width, inputs=width, qk=qk, value=config.value_width or qk, heads=config.heads)
        self.layers = nn.ModuleList(
            PerceiverLayer(widths, config.layer(config.widening), cross=False) for _ in range(config.depth)
        )

    def forward(self, x_BMC: Tensor, mask_BM: Tensor | None = None) -> Tensor:
        """Latents (B, N, D) that have read the inputs where `mask_BM` is True, or all of them."""
        z_BND = self.latents.expand(len(x_BMC), -1, -1)
        return self.process(self.read(z_BND, x_BMC, None if mask_BM is None else mask_BM[:, None]))

    def process(self, z_BND: Tensor) -> Tensor:
        """All blocks of self-attention."""
        for _ in range(self.config.blocks):
            for layer in self.layers:
                z_BND = cast(PerceiverLayer, layer)(z_BND)
        return z_BND
