"""Sounds: patches of a log-mel spectrum in their order, one position each.

Letters: N rows, D width, P payload features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities.audio.codec import MelCodec, SoundCodec


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`mels` bands of windows of `window` samples every `hop`, at `rate` samples a second.

    A position holds `frames` new frames (8 of 10 ms: 12.5 positions a second) between `context` frames on both sides.
    A sound lasts at most `seconds`.
    """

    rate: int = 16_000
    window: int = 400
    hop: int = 160
    mels: int = 64
    frames: int = 8
    context: int = 4
    seconds: float = 30.0

    def codec(self) -> MelCodec:
        return MelCodec(
            rate=self.rate,
            window=self.window,
            hop=self.hop,
            mels=self.mels,
            frames=self.frames,
            context=self.context,
            seconds=self.seconds,
        )

    def build(self, width: int) -> Audio:
        return Audio(self.codec(), width)


class Audio(Modality):
    """Rows of features through a residual two-layer embedder, plus sines and cosines of their place in the sound.

    The places are those of [Vaswani et al. 2017, arXiv:1706.03762, sec. 3.5]: no row of a long sound is one that was
    never trained.
    """

    SCALE = 0.3  # of the places, as image patches weigh theirs

    codec: SoundCodec

    def __init__(self, codec: SoundCodec, width: int):
        super().__init__()
        self.codec = codec
        self.linear = nn.Linear(codec.payload_shape[0] - 1, width)
        self.norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        x_ND = self.linear(payload_NP[:, :-1].to(self.linear.weight.dtype))
        x_ND = x_ND + self.down(F.gelu(self.up(self.norm(x_ND))))
        return x_ND + self.places(payload_NP).to(x_ND.dtype)

    def places(self, payload_NP: Tensor) -> Tensor:
        return self.SCALE * math.sqrt(2) * waves(payload_NP[:, -1], self.linear.out_features)

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return payload_NP[:, -1:].to(torch.int64)


def waves(place_N: Tensor, width: int) -> Tensor:
    """Sines, then cosines (N, D) of places, at wavelengths from 2 pi to 20,000 pi."""
    half = width // 2
    frequency = torch.exp(torch.arange(half, device=place_N.device) * (-math.log(10_000) / max(1, half - 1)))
    angle = place_N.float()[:, None] * frequency
    return F.pad(torch.cat([angle.sin(), angle.cos()], dim=1), (0, width % 2))
