"""Pictures, encoded before the trunk reads them: late fusion. Letters: N patches, D width, P payload features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from opengato.core.modality import Modality
from opengato.modalities import image
from opengato.modalities.image.codec import ImageCodec
from opengato.nn.within import Shape, WithinValues


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`depth` bidirectional blocks over the patches of one picture, each of which sees `reach` to both sides.

    With the default a picture of 4 x 4 patches is seen whole.
    """

    front: image.Config = field(default_factory=image.Config)
    depth: int = 2
    heads: int = 4
    hidden: int = 512
    reach: int = 16

    def codec(self) -> ImageCodec:
        return self.front.codec()

    def build(self, width: int) -> EncodedImage:
        return EncodedImage(self, width)


class EncodedImage(Modality):
    """The vectors of `image`, through a transformer over each picture by itself: a patch knows those below it."""

    codec: ImageCodec
    whole_values: ClassVar[bool] = True

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        self.rows = image.Image(self.codec, width)
        shape = Shape(width=width, depth=config.depth, heads=config.heads, hidden=config.hidden, reach=config.reach)
        self.within = WithinValues(shape)
        nn.init.constant_(self.within.norm.weight, 0.5)  # vectors as large as those of other modalities

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.within(self.rows.embed(payload_NP), numbers(payload_NP))

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return image.coordinates(payload_NP)


def numbers(payload_NP: Tensor) -> Tensor:
    """The number of each patch (N,) within its picture, whose first one lies at the top left."""
    if len(payload_NP) == 0:
        return torch.zeros(0, dtype=torch.int64, device=payload_NP.device)
    index_N = torch.arange(len(payload_NP), device=payload_NP.device)
    is_first_N = (payload_NP[:, -4] == 0) & (payload_NP[:, -2] == 0)
    return index_N - torch.where(is_first_N, index_N, 0).cummax(0).values
