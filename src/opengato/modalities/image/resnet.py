"""Gato's embedder of patches: one residual block for the pixels, and places that vary within the patch in training.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. C.2, C.3]. Letters: N patches, D width, P payload features,
C channels, H and W pixels of a patch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities.image import coordinates
from opengato.modalities.image.codec import PLACES, ImageCodec

GROUPS = 32  # of every group norm (app. C.2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`patch` pixels a side; a larger picture is shrunk until its longer side is `max_side` pixels.

    The block has `channels`, a multiple of 32; what it gives is averaged over squares of `pool` pixels a side (1: not
    at all) before a linear layer makes a vector of it.
    """

    patch: int = 16
    max_side: int = 64
    channels: int = 64
    pool: int = 4

    def __post_init__(self) -> None:
        if self.channels < GROUPS or self.channels % GROUPS:
            raise ValueError(f"`channels` is {self.channels}, expected a multiple of {GROUPS}: its norms have {GROUPS}")
        if self.patch % self.pool:
            raise ValueError(f"`patch` (={self.patch}) must be a multiple of `pool` (={self.pool})")

    def codec(self) -> ImageCodec:
        return ImageCodec(self.patch, self.max_side)

    def build(self, width: int) -> ResidualImage:
        return ResidualImage(self, width)


class ResidualImage(Modality):
    """x = linear(pool(s + block(s))) + row + column, with s = stem(pixels) and a block that normalises first."""

    codec: ImageCodec

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        channels = config.channels
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.block = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(GROUPS, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.pool = nn.AvgPool2d(config.pool)
        self.linear = nn.Linear(channels * (config.patch // config.pool) ** 2, width)
        self.row = nn.Embedding(PLACES, width)
        self.column = nn.Embedding(PLACES, width)
        for table in (self.row, self.column):
            nn.init.normal_(table.weight, std=0.3)

    def embed(self, payload_NP: Tensor) -> Tensor:
        pixels_NP = payload_NP[:, :-4].to(self.stem.weight.dtype) / 127.5 - 1
        side = self.codec.patch
        x_NCHW = rearrange(pixels_NP / math.sqrt(side), "n (h w c) -> n c h w", h=side, w=side)
        x_NCHW = self.stem(x_NCHW)
        x_ND = self.linear(self.pool(x_NCHW + self.block(x_NCHW)).flatten(1))
        return x_ND + self.places(payload_NP)

    def places(self, payload_NP: Tensor) -> Tensor:
        top_N, bottom_N, left_N, right_N = payload_NP[:, -4:].to(torch.int64).unbind(1)
        return self.row(self.entries(top_N, bottom_N)) + self.column(self.entries(left_N, right_N))

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return coordinates(payload_NP)

    def entries(self, low_N: Tensor, high_N: Tensor) -> Tensor:
        """The entry of a table for each interval: in training any of low, ..., high - 1, else the rounded mean.

        No two patches of a row share an entry then, and the interval that ends at 128 stays within the table.
        """
        if self.training:
            place_N = low_N + (torch.rand(low_N.shape, device=low_N.device) * (high_N - low_N)).long()
        else:
            place_N = (low_N + high_N + 1) // 2
        return place_N.clamp(max=PLACES - 1)
