"""A light decoder: convolutions over the places of values, from what was seen to what was not.

Letters: N rows of one modality, D width, V values, A axes of a value, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.objectives.data2vec.regression import head
from opengato.objectives.values import Values

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """`layers` convolutions of `kernel` places along each axis and `width` channels in `groups`; then linear layers."""

    layers: int = 3
    kernel: int = 3
    width: int = 256
    groups: int = 16
    head_layers: int = 1

    def __post_init__(self) -> None:
        if self.layers < 1 or self.kernel % 2 == 0 or self.width % self.groups:
            raise ValueError(
                f"received {self}, expected 1 layer or more, an odd kernel and a width that the groups divide"
            )


class ConvDecoder(nn.Module):
    """x -> GELU(norm(conv(x))), plus x where the width is the same; the norm has no weights.

    [Baevski et al. 2022, arXiv:2212.07525]. Places where a value has no row hold zeros in every layer, so that a value
    is told the same whatever lies beside it.
    """

    def __init__(self, config: Decoder, width: int, axes: int):
        super().__init__()
        if width % config.groups:
            raise ValueError(f"the width of the trunk (={width}) must be a multiple of `groups` (={config.groups})")
        convolution, widths = CONVOLUTIONS[axes - 1], [width] + [config.width] * config.layers
        self.convolutions = nn.ModuleList(
            convolution(before, after, config.kernel, padding=config.kernel // 2, groups=config.groups)
            for before, after in pairwise(widths)
        )
        self.resize = nn.Linear(config.width, width) if config.width != width else nn.Identity()
        self.head = head(width, config.head_layers)

    def forward(self, x_ND: Tensor, values: Values) -> Tensor:
        """Rows (N, D) told from those around them."""
        where_NA = values.coordinate_NA
        extent = [int(values.value_N.max()) + 1, *(where_NA.amax(0) + 1).tolist()]
        at = (values.value_N, *where_NA.unbind(1))
        grid = x_ND.new_zeros(*extent, x_ND.shape[1]).index_put(at, x_ND)
        filled = torch.zeros(*extent, 1, dtype=torch.bool, device=x_ND.device).index_put(
            at, torch.ones((), dtype=torch.bool, device=x_ND.device)
        )
        for convolution in self.convolutions:
            told = convolution(grid.movedim(-1, 1)).movedim(1, -1)
            told = F.gelu(F.layer_norm(told.float(), told.shape[-1:])).to(grid.dtype) * filled
            grid = told + grid if told.shape == grid.shape else told
        return self.head(self.resize(grid[at]))


def axes_of(modality: Any) -> int:
    """Axes of a modality's values."""
    codec = modality.codec
    nothing = torch.zeros(0, *codec.payload_shape, dtype=getattr(torch, codec.payload_dtype))
    where_NA = modality.coordinates(nothing.to(next(modality.parameters()).device))
    return 1 if where_NA is None else where_NA.shape[1]
