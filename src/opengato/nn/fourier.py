"""Places in a grid as sines and cosines [Jaegle et al. 2021, arXiv:2107.14795, app. D].

Letters: N places, G dimensions of the grid, K bands, P numbers of a place's code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Fourier:
    """`bands` frequencies for each dimension, from 1 to half of its `resolution`, beside the place itself."""

    resolution: tuple[int, ...]
    bands: int

    @property
    def width(self) -> int:
        """Numbers of a code: G (1 + 2 K)."""
        return len(self.resolution) * (1 + 2 * self.bands)

    def codes(self, place_NG: Tensor) -> Tensor:
        """(x, sin(pi f x), cos(pi f x)) of places with all coordinates in [-1, 1]: (N, P)."""
        if place_NG.shape[1] != len(self.resolution):
            raise ValueError(f"places have {place_NG.shape[1]} coordinates, expected {len(self.resolution)}")
        lines = [torch.linspace(1.0, r / 2, self.bands, device=place_NG.device) for r in self.resolution]
        frequency_GK = torch.stack(lines)
        angle_NGK = math.pi * (place_NG[:, :, None] * frequency_GK)
        return torch.cat([place_NG, angle_NGK.sin().flatten(1), angle_NGK.cos().flatten(1)], 1)


def grid(shape: Sequence[int], device: torch.device | None = None) -> Tensor:
    """All places of a grid in raster order, from -1 to 1 both included in each dimension: (N, G)."""
    lines = [torch.linspace(-1.0, 1.0, size, device=device) for size in shape]
    return torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).flatten(0, -2)


def places(index_N: Tensor, shape: Sequence[int]) -> Tensor:
    """Places (N, G) of flat indices of a grid: -1 + 2 i / size, so that 1 is one step beyond the last.

    The released models are asked for parts of their output in these coordinates, and not in those of `grid`.
    """
    coordinate_NG = torch.stack(torch.unravel_index(index_N, tuple(shape)), 1)
    return -1 + 2 * coordinate_NG / torch.tensor(shape, device=index_N.device)
