"""Images: non-overlapping patches in raster order, one position a patch.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. C.3]. Letters: N patches, D width, P payload features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities.image.codec import PLACES, ImageCodec


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`patch` pixels a side; a larger picture is shrunk until its longer side is `max_side` pixels."""

    patch: int = 16
    max_side: int = 64

    def codec(self) -> ImageCodec:
        return ImageCodec(self.patch, self.max_side)

    def build(self, width: int) -> Image:
        return Image(self.codec(), width)


class Image(Modality):
    """Patches, scaled to [-1, 1], through a residual two-layer embedder, plus tables of their row and column."""

    codec: ImageCodec

    def __init__(self, codec: ImageCodec, width: int):
        super().__init__()
        self.codec = codec
        self.linear = nn.Linear(codec.payload_shape[0] - 4, width)
        self.norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.row = nn.Embedding(PLACES + 1, width)
        self.column = nn.Embedding(PLACES + 1, width)
        for table in (self.row, self.column):
            nn.init.normal_(table.weight, std=0.3)

    def embed(self, payload_NP: Tensor) -> Tensor:
        pixels_NP = payload_NP[:, :-4].to(self.linear.weight.dtype) / 127.5 - 1
        x_ND = self.linear(pixels_NP)
        x_ND = x_ND + self.down(F.gelu(self.up(self.norm(x_ND))))
        return x_ND + self.places(payload_NP)

    def places(self, payload_NP: Tensor) -> Tensor:
        top, bottom, left, right = payload_NP[:, -4:].to(torch.int64).unbind(1)
        return self.row((top + bottom) // 2) + self.column((left + right) // 2)

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return coordinates(payload_NP)


def coordinates(payload_NP: Tensor) -> Tensor:
    """Row and column (N, 2) of each patch, counted in patches of its picture."""
    if len(payload_NP) == 0:
        return torch.zeros(0, 2, dtype=torch.int64, device=payload_NP.device)
    index_N = torch.arange(len(payload_NP), device=payload_NP.device)
    opens_row_N = payload_NP[:, -2] == 0
    opens_N = opens_row_N & (payload_NP[:, -4] == 0)
    rows_N = opens_row_N.cumsum(0)
    row_N = rows_N - torch.where(opens_N, rows_N, 0).cummax(0).values
    column_N = index_N - torch.where(opens_row_N, index_N, 0).cummax(0).values
    return torch.stack([row_N, column_N], 1)
