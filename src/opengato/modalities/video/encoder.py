"""Films through an encoder of their own before the trunk: attention over space and time among the patches of one film.

[Bertasius et al. 2021, arXiv:2102.05095]. Letters: B films, F times, N positions of all films, M patches of all films,
S places of a patch in its position, D width, E width of the encoder, P payload features, W patches of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from opengato.core.config import choose
from opengato.core.modality import Modality
from opengato.modalities.video import PlaceTables
from opengato.modalities.video.codec import PLACE, VideoCodec
from opengato.nn.space_time import ATTENTIONS, Attention, SpaceTimeEncoder


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`frames` to `most_frames` as in `video.Config`; a position of the trunk is a square of `pool` x `pool` patches.

    `attention` is "space", "joint" or "divided". With "space" patches have no code of their time, as in the paper:
    what the encoder says of a frame cannot depend on when it is shown.
    """

    frames: int = 1
    patch: int = 8
    max_side: int = 64
    fps: float = 4.0
    most_frames: int = 8
    attention: str = "divided"
    width: int = 128
    depth: int = 2
    heads: int = 4
    hidden: int = 384
    pool: int = 2

    def __post_init__(self) -> None:
        choose(self.attention, ATTENTIONS, what="attention over space and time")
        if self.width % self.heads:
            raise ValueError(f"`width` (={self.width}) must be a multiple of `heads` (={self.heads})")

    def codec(self) -> VideoCodec:
        return VideoCodec(
            frames=self.frames,
            patch=self.patch * self.pool,
            max_side=self.max_side,
            fps=self.fps,
            most_frames=self.most_frames,
        )

    def build(self, width: int) -> EncodedVideo:
        return EncodedVideo(self, width)


class EncodedVideo(Modality):
    """Patches see one another within their film; of those in one position of the trunk the mean goes on."""

    codec: VideoCodec
    whole_values: ClassVar[bool] = True

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.config, self.codec = config, config.codec()
        attention: Attention = choose(config.attention, ATTENTIONS, what="attention")  # ty: ignore[invalid-assignment]
        self.linear = nn.Linear(config.frames * config.patch**2 * 3, config.width)
        self.place = PlaceTables(config.width, time=attention != "space")
        self.encoder = SpaceTimeEncoder(config.width, config.depth, config.heads, config.hidden, attention)
        self.out = nn.Linear(config.width, width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        """Rows of whole films, or of their beginnings, one film after the other, as (N, D)."""
        return self.out(self.encode(payload_NP).mean(1))

    def coordinates(self, payload_NP: Tensor) -> Tensor:
        return payload_NP[:, -PLACE : -PLACE + 3].to(torch.int64)

    def encode(self, payload_NP: Tensor) -> Tensor:
        """What the encoder makes of the patches of each position: (N, S, E)."""
        if not len(payload_NP):
            return self.linear.weight.new_zeros(0, self.config.pool**2, self.config.width)
        patches_MP, place_MP = self._divided(payload_NP)
        x_ME = self.linear(patches_MP.to(self.linear.weight.dtype) / 127.5 - 1) + self.place(place_MP)
        film_M = film_numbers(payload_NP).repeat_interleave(self.config.pool**2)
        time_M, inside_M = place_MP[:, 0], place_MP[:, 1] * place_MP[:, 4] + place_MP[:, 2]
        shape = self._extent(film_M, time_M, inside_M)
        x_BFWE = x_ME.new_zeros(*shape, x_ME.shape[1]).index_put((film_M, time_M, inside_M), x_ME)
        mask_BFW = torch.zeros(shape, dtype=torch.bool, device=x_ME.device)
        mask_BFW[film_M, time_M, inside_M] = True
        seen_ME = self.encoder(x_BFWE, mask_BFW)[film_M, time_M, inside_M]
        return rearrange(seen_ME, "(n s) e -> n s e", s=self.config.pool**2)

    def _extent(self, film_M: Tensor, time_M: Tensor, inside_M: Tensor) -> list[int]:
        """How many films, times and places there are; on torch's meta device as if all films were of full size."""
        if not film_M.is_meta:
            return [int(index_M.max()) + 1 for index_M in (film_M, time_M, inside_M)]
        times = -(-self.config.most_frames // self.config.frames)
        places = (self.config.pool * max(1, round(self.config.max_side / self.codec.patch))) ** 2
        return [-(-len(film_M) // (times * places)), times, places]

    def _divided(self, payload_NP: Tensor) -> tuple[Tensor, Tensor]:
        """The patches of each position, in raster order, and the place of each among those of its film."""
        pool, side = self.config.pool, self.config.patch
        patches_MP = rearrange(
            payload_NP[:, :-PLACE], "n (f r h c w k) -> (n r c) (f h w k)",
            f=self.config.frames, r=pool, c=pool, h=side, w=side, k=3,
        )  # fmt: skip
        time_N, *grid = payload_NP[:, -PLACE:].to(torch.int64).unbind(1)
        row_N, column_N, rows_N, columns_N = (pool * count_N for count_N in grid)
        within_S = torch.arange(pool**2, device=payload_NP.device)
        row_NS, column_NS = row_N[:, None] + within_S // pool, column_N[:, None] + within_S % pool
        columns = [time_N[:, None], row_NS, column_NS, rows_N[:, None], columns_N[:, None]]
        place_NSP = torch.stack([column_NS.expand_as(row_NS) for column_NS in columns], -1)
        return patches_MP, place_NSP.flatten(0, 1)


def film_numbers(payload_NP: Tensor) -> Tensor:
    """The number (N,) of the film that each row belongs to: a film begins at its first patch.

    What fits no row of a batch loses its end, never its beginning.
    """
    first_N = (payload_NP[:, -PLACE : -PLACE + 3] == 0).all(1)
    first_N[:1] = True
    return first_N.cumsum(0) - 1
