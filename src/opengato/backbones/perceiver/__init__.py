"""Perceiver: a trunk whose slots are read by few latents, per document, and asked for again one by one.

[Jaegle et al. 2021, arXiv:2107.14795]. The network for any inputs and outputs, without slots, is in `io`.
Letters: B rows, T slots, D width, G documents of a row (padding is one), N latents of a document, M all latents.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from opengato.backbones.perceiver.latents import Latents
from opengato.core.backbone import Backbone
from opengato.nn.cross_attention import PerceiverLayer, Widths
from opengato.nn.layers import Activation
from opengato.nn.positions import rotary_angles


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Each document has `latents` of `latent_width` (None: of `width`) that pass through `depth` modules.

    Places are sines and cosines of the position, from one turn every 2 pi slots to one every 2 pi `longest`.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    latents: int = 64
    latent_width: int | None = None
    cross_heads: int = 1
    widening: int = 4
    activation: Activation = "gelu"
    longest: float = 10_000.0

    def __post_init__(self) -> None:
        if self.width % 2:
            raise ValueError(f"`width` (={self.width}) must be even: a sine and a cosine for each frequency")

    def build(self) -> Perceiver:
        return Perceiver(self)

    def encoder(self) -> Latents:
        """The settings of the latents; keys have no bias, which would shift all scores alike."""
        return Latents(
            number=self.latents,
            width=self.latent_width or self.width,
            depth=self.depth,
            heads=self.heads,
            cross_heads=self.cross_heads,
            widening=self.widening,
            cross_widening=self.widening,
            activation=self.activation,
            key_bias=False,
        )


class Perceiver(Backbone):
    """Slots in, slots out, in both directions: every slot sees all of its document through the latents."""

    causal = False

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.width = config.width
        latents = config.encoder()
        self.place = nn.Linear(config.width, config.width, bias=False)
        self.encoder = latents.build(config.width)
        widths = Widths(
            query=config.width,
            inputs=latents.width,
            qk=latents.width,
            value=latents.width,
            heads=config.cross_heads,
        )
        self.answer = PerceiverLayer(widths, latents.layer(config.widening), cross=True)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_BTD: Tensor, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        cos, sin = rotary_angles(position_BT, self.width, self.config.longest)
        x_BTD = x_BTD + self.place(torch.cat([cos, sin], -1)[:, 0].to(x_BTD.dtype))
        # Padding, -1, is a document of its own, lest a slot see nothing.
        number_BT = document_BT + 1
        documents = int(number_BT.max()) + 1
        number_M = torch.arange(documents, device=number_BT.device).repeat_interleave(self.config.latents)
        mine_BTM = number_BT[:, :, None] == number_M
        # Latents of a document that a row does not have read what is there, and nobody asks them.
        reads_BMT = rearrange(mine_BTM | ~mine_BTM.any(1, keepdim=True), "b t m -> b m t")
        z_BMD = self.encoder.latents.repeat(documents, 1).expand(len(x_BTD), -1, -1)
        z_BMD = self.encoder.read(z_BMD, x_BTD, reads_BMT)
        z_GND = rearrange(z_BMD, "b (g n) d -> (b g) n d", g=documents)
        z_BMD = rearrange(self.encoder.process(z_GND), "(b g) n d -> b (g n) d", g=documents)
        return self.norm(self.answer(x_BTD, z_BMD, mine_BTM))

    def final_parameters(self) -> list[nn.Parameter]:
        return list(self.norm.parameters())
