"""What goes into a Perceiver: ids, grids of numbers or single vectors, each with its places, as one array.

Letters: B rows, M inputs of one kind, C channels, N places of a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from opengato.nn.fourier import Fourier, grid


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """`num_ids` ids in rows of `length` at most: a table, to which a learned place is added."""

    num_ids: int
    length: int
    width: int

    def build(self) -> IdInput:
        return IdInput(self)


class IdInput(nn.Module):
    """Ids (B, M) to (B, M, C)."""

    def __init__(self, config: Ids):
        super().__init__()
        self.table = nn.Embedding(config.num_ids, config.width)
        self.place = nn.Embedding(config.length, config.width)
        for table in (self.table, self.place):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids_BM: Tensor) -> Tensor:
        longest = self.place.num_embeddings
        if ids_BM.shape[1] > longest:
            raise ValueError(f"received rows of {ids_BM.shape[1]} ids, the network has places for {longest}; cut them")
        return self.table(ids_BM) + self.place.weight[: ids_BM.shape[1]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """A table of `places`, each `width` numbers wide, that a linear layer mixes."""

    places: int
    width: int

    def build(self) -> LearnedPlaces:
        return LearnedPlaces(self)


class LearnedPlaces(nn.Module):
    """As many codes (M, C) as places are asked for."""

    def __init__(self, config: Learned):
        super().__init__()
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.places, config.width), std=0.02))
        self.mix = nn.Linear(config.width, config.width)

    def forward(self, shape: tuple[int, ...]) -> Tensor:
        if math.prod(shape) != len(self.table):
            raise ValueError(f"received a grid of {shape}, the network has learned places for {len(self.table)}")
        return self.mix(self.table)


class FourierPlaces(nn.Module):
    """Codes (M, C) of all places of a grid of any size; nothing is learned."""

    def __init__(self, fourier: Fourier):
        super().__init__()
        self.fourier = fourier
        # Knows the device; holds nothing.
        self.register_buffer("here", torch.empty(0), persistent=False)

    def forward(self, shape: tuple[int, ...]) -> Tensor:
        return self.fourier.codes(grid(shape, self.get_buffer("here").device))


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Arrays (B, *shape, `channels`) of any dimension, through `stem` (see `nn.stems`; None: as they are).

    `place` is `Fourier` or `Learned`, and stands beside what the stem gives.
    """

    channels: int
    place: Any
    stem: Any = None

    @property
    def width(self) -> int:
        """Channels of the stem and of the place together."""
        return (self.channels if self.stem is None else self.stem.channels(self.channels)) + self.place.width

    def build(self) -> GridInput:
        return GridInput(self)


class GridInput(nn.Module):
    """Arrays to (B, M, C), in raster order."""

    def __init__(self, config: Grid):
        super().__init__()
        self.channels = config.channels
        self.stem = nn.Identity() if config.stem is None else config.stem.build(config.channels)
        self.place = FourierPlaces(config.place) if isinstance(config.place, Fourier) else config.place.build()

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.channels:
            raise ValueError(f"received an array of shape {tuple(x.shape)}, expected {self.channels} channels, last")
        x = self.stem(x)
        place_MC = self.place(tuple(x.shape[1:-1])).to(x.dtype)
        return torch.cat([x.flatten(1, -2), place_MC.expand(len(x), -1, -1)], -1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vector:
    """One vector a row, such as a label of `width` classes with a single 1."""

    width: int

    def build(self) -> VectorInput:
        return VectorInput(self)


class VectorInput(nn.Module):
    """(B, C) to (B, 1, C)."""

    def __init__(self, config: Vector):
        super().__init__()
        self.width = config.width

    def forward(self, x_BC: Tensor) -> Tensor:
        if x_BC.shape[1:] != (self.width,):
            raise ValueError(f"received vectors of shape {tuple(x_BC.shape[1:])}, expected ({self.width},)")
        return x_BC[:, None]
