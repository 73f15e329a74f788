"""A bidirectional transformer over the rows of each value by itself: an encoder of sounds, pictures or films.

The values of a batch lie behind one another, as payloads do. Rows see those of their own value that are near, so that
a long value costs no more a row than a short one, and no row is padding. Letters: N rows, G groups of rows, L rows of a
group, S rows in a group's sight, D width, H heads, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from opengato.nn.attention import attend
from opengato.nn.blocks import Block
from opengato.nn.layers import Activation
from opengato.nn.positions import rotary_angles


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Blocks of an encoder; each row sees `reach` rows to both sides in each of them."""

    width: int
    depth: int
    heads: int
    hidden: int
    reach: int
    activation: ClassVar[Activation] = "silu"
    gated: ClassVar[bool] = True
    norm_bias: ClassVar[bool] = False
    drop_path: ClassVar[float] = 0.0
    rotary_base: ClassVar[float] = 10_000.0

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"`width` (={self.width}) / `heads` (={self.heads}) must be a whole even number")
        if self.reach < 1 or self.depth < 1:
            raise ValueError(f"`reach` is {self.reach} and `depth` {self.depth}, expected at least 1 of each")


class WithinValues(nn.Module):
    """`depth` blocks whose rows see one another within a value, and no other value."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, bias=shape.norm_bias)

    def forward(self, x_ND: Tensor, place_N: Tensor) -> Tensor:
        """Vectors (N, D) of rows; `place_N` counts the rows of each value from 0, in order."""
        if len(x_ND) == 0:
            return x_ND
        reach = self.shape.reach
        # From 1 on: 0 is what pads the last group and lies beyond the ends, and sees only its like.
        value_N = (place_N == 0).cumsum(0) + 1
        index_N = torch.arange(len(x_ND), device=x_ND.device)
        value_GL, index_GL = groups(value_N, reach), groups(index_N, reach)
        value_GS, index_GS = beside(value_GL), beside(index_GL)
        near_GLS = (index_GL[:, :, None] - index_GS[:, None, :]).abs() <= reach
        mask_GLS = near_GLS & (value_GL[:, :, None] == value_GS[:, None, :])
        cos, sin = rotary_angles(place_N[None], self.shape.width // self.shape.heads, self.shape.rotary_base)
        angles = cos.to(x_ND.dtype), sin.to(x_ND.dtype)
        x_1ND = x_ND[None]
        for block in self.blocks:
            assert isinstance(block, Block)
            q, k, v = (rearrange(t, "1 h n k -> n (h k)") for t in block.project(x_1ND, angles))
            q, k, v = groups(q, reach), beside(groups(k, reach)), beside(groups(v, reach))
            q, k, v = (rearrange(t, "g l (h k) -> g h l k", h=block.heads) for t in (q, k, v))
            seen = attend(q, k, v, mask_GLS)
            x_1ND = block.finish(x_1ND, rearrange(seen, "g h l k -> 1 h (g l) k")[:, :, : len(x_ND)])
        return self.norm(x_1ND[0])


def groups(x_N: Tensor, size: int) -> Tensor:
    """Rows (N, ...) as (G, L, ...), G groups of L = `size`, the last one filled with zeros."""
    missing = -len(x_N) % size
    padded = F.pad(x_N, (0, 0) * (x_N.ndim - 1) + (0, missing))
    return padded.view(-1, size, *x_N.shape[1:])


def beside(x_GL: Tensor) -> Tensor:
    """Each group between its neighbours, (G, L, ...) as (G, S, ...) with S = 3 L, zeros beyond the ends."""
    nothing = torch.zeros_like(x_GL[:1])
    wide = torch.cat([nothing, x_GL, nothing])
    return torch.cat([wide[:-2], wide[1:-1], wide[2:]], dim=1)
