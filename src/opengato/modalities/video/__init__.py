"""Films: space-time patches straight into the trunk, one position a patch, frame by frame.

Letters: N patches, D width, P payload features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities.video.codec import MOST, PLACE, VideoCodec

PLACES = 128  # along an axis, as of pictures


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Patches of `frames` frames and `patch` pixels a side, of films read at `fps`, their first `most_frames` alone.

    A larger film is shrunk until its longer side is `max_side` pixels.
    """

    frames: int = 2
    patch: int = 16
    max_side: int = 64
    fps: float = 4.0
    most_frames: int = 16

    def codec(self) -> VideoCodec:
        return VideoCodec(
            frames=self.frames, patch=self.patch, max_side=self.max_side, fps=self.fps, most_frames=self.most_frames
        )

    def build(self, width: int) -> Video:
        return Video(self.codec(), width)


class Video(Modality):
    """Patches, scaled to [-1, 1], through a residual two-layer embedder, plus tables of their time, row and column."""

    codec: VideoCodec

    def __init__(self, codec: VideoCodec, width: int):
        super().__init__()
        self.codec = codec
        self.linear = nn.Linear(codec.payload_shape[0] - PLACE, width)
        self.norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.place = PlaceTables(width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        pixels_NP = payload_NP[:, :-PLACE].to(self.linear.weight.dtype) / 127.5 - 1
        x_ND = self.linear(pixels_NP)
        return x_ND + self.down(F.gelu(self.up(self.norm(x_ND)))) + self.places(payload_NP)

    def places(self, payload_NP: Tensor) -> Tensor:
        return self.place(payload_NP[:, -PLACE:].to(torch.int64))

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return payload_NP[:, -PLACE : -PLACE + 3].to(torch.int64)


class PlaceTables(nn.Module):
    """Codes of a place in a film: its time, counted in patches, and the middle of its row and column in 1/128."""

    def __init__(self, width: int, *, time: bool = True):
        super().__init__()
        self.time = nn.Embedding(MOST, width) if time else None
        self.row = nn.Embedding(PLACES, width)
        self.column = nn.Embedding(PLACES, width)
        for table in (self.time, self.row, self.column):
            if table is not None:
                nn.init.normal_(table.weight, std=0.3)

    def forward(self, place_NP: Tensor) -> Tensor:
        """Vectors (N, D) of places (time, row, column, rows, columns), integers."""
        time_N, row_N, column_N, rows_N, columns_N = place_NP.unbind(1)
        x_ND = self.row((2 * row_N + 1) * PLACES // (2 * rows_N)) + self.column(
            (2 * column_N + 1) * PLACES // (2 * columns_N)
        )
        return x_ND if self.time is None else x_ND + self.time(time_N)
