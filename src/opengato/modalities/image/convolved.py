"""Pictures through a few convolutions before the trunk reads them, one position a patch.

A patch then knows its surroundings, and a thing looks alike wherever it lies: what vision transformers with few
pictures to learn from lack most [Xiao et al. 2021, arXiv:2106.14881, sec. 4]. Letters: N patches, I pictures of one
size, R rows and L columns of patches, C channels, H and W pixels, P payload features, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities.image.codec import PLACES, ImageCodec

GROUP = 16  # channels that are normalised together


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`patch` pixels a side; a larger picture is shrunk until its longer side is `max_side` pixels.

    Each of `channels`, multiples of 16, is a convolution that halves the sides, so that 4 of them make one vector of a
    patch of 16.
    """

    patch: int = 16
    max_side: int = 64
    channels: tuple[int, ...] = (32, 64, 128, 256)

    def __post_init__(self) -> None:
        if 2 ** len(self.channels) != self.patch:
            raise ValueError(
                f"{len(self.channels)} `channels` halve a side {len(self.channels)} times, which makes one vector of "
                f"{2 ** len(self.channels)} pixels; `patch` is {self.patch}"
            )
        if any(count < GROUP or count % GROUP for count in self.channels):
            raise ValueError(f"`channels` are {self.channels}, expected multiples of {GROUP}: that many share a norm")

    def codec(self) -> ImageCodec:
        return ImageCodec(self.patch, self.max_side)

    def build(self, width: int) -> ConvolvedImage:
        return ConvolvedImage(self, width)


class ConvolvedImage(Modality):
    """Strided convolutions over whole pictures, each followed by a residual one, plus tables of row and column."""

    codec: ImageCodec
    whole_values: ClassVar[bool] = True

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        ends = (3, *config.channels)
        self.halvings = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(ends)
        )
        self.mixings = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(count // GROUP, count), nn.GELU(), nn.Conv2d(count, count, 3, padding=1))
            for count in config.channels
        )
        self.norm = nn.GroupNorm(ends[-1] // GROUP, ends[-1])
        self.linear = nn.Linear(ends[-1], width)
        self.row = nn.Embedding(PLACES + 1, width)
        self.column = nn.Embedding(PLACES + 1, width)
        for table in (self.row, self.column):
            nn.init.normal_(table.weight, std=0.3)

    def embed(self, payload_NP: Tensor) -> Tensor:
        pixels_NP = payload_NP[:, :-4].to(self.linear.weight.dtype) / 127.5 - 1
        groups = list(pictures(payload_NP))
        if not groups:
            return pixels_NP.new_zeros(0, self.linear.out_features)
        x_ND = torch.cat([self.seen(pixels_NP[index_IRL]).flatten(0, 2) for index_IRL in groups])
        x_ND = x_ND[torch.cat([index_IRL.flatten() for index_IRL in groups]).argsort()]
        top_N, bottom_N, left_N, right_N = payload_NP[:, -4:].to(torch.int64).unbind(1)
        return x_ND + self.row((top_N + bottom_N) // 2) + self.column((left_N + right_N) // 2)

    def seen(self, pixels_IRLP: Tensor) -> Tensor:
        """Vectors (I, R, L, D) of the patches of pictures of one size."""
        side = self.codec.patch
        x_ICHW = rearrange(pixels_IRLP, "i r l (h w c) -> i c (r h) (l w)", h=side, w=side)
        for halving, mixing in zip(self.halvings, self.mixings, strict=True):
            x_ICHW = halving(x_ICHW)
            x_ICHW = x_ICHW + mixing(x_ICHW)
        return self.linear(nn.functional.gelu(self.norm(x_ICHW)).movedim(1, -1))


def pictures(payload_NP: Tensor) -> Iterator[Tensor]:
    """The places (I, R, L) of the patches of all pictures of one size, size by size."""
    if payload_NP.is_meta:  # no values to tell pictures by; as many of one patch each take the same memory
        yield torch.arange(len(payload_NP), device="meta")[:, None, None]
        return
    opens_row_N = payload_NP[:, -2] == 0
    first_N = opens_row_N & (payload_NP[:, -4] == 0)
    picture_N = first_N.cumsum(0) - 1
    patches = torch.bincount(picture_N)
    rows = torch.bincount(picture_N[opens_row_N])
    start = first_N.nonzero()[:, 0]
    for height, count in torch.stack([rows, patches], dim=1).unique(dim=0).tolist():
        chosen = start[(rows == height) & (patches == count)]
        offset_RL = torch.arange(count, device=chosen.device).view(height, count // height)
        yield chosen[:, None, None] + offset_RL
