"""Sounds, encoded before the trunk reads them: late fusion. Letters: N rows, D width, P payload features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities import audio
from opengato.modalities.audio.codec import MelCodec
from opengato.nn.within import Shape, WithinValues


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`depth` bidirectional blocks over the positions of one sound, each of which sees `reach` to both sides."""

    front: audio.Config = field(default_factory=audio.Config)
    depth: int = 2
    heads: int = 4
    hidden: int = 512
    reach: int = 32

    def codec(self) -> MelCodec:
        return self.front.codec()

    def build(self, width: int) -> EncodedAudio:
        return EncodedAudio(self, width)


class EncodedAudio(Modality):
    """The vectors of `audio`, through a transformer over each sound by itself: a row knows what comes after it."""

    codec: MelCodec
    whole_values: ClassVar[bool] = True

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        self.rows = audio.Audio(self.codec, width)
        shape = Shape(width=width, depth=config.depth, heads=config.heads, hidden=config.hidden, reach=config.reach)
        self.within = WithinValues(shape)
        nn.init.constant_(self.within.norm.weight, 0.5)  # vectors as large as those of other modalities

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.within(self.rows.embed(payload_NP), payload_NP[:, -1].to(torch.int64))

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return self.rows.coordinates(payload_NP)
