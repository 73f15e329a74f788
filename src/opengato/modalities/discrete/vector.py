"""A whole array of discrete values in one position.

An array of two or more dimensions is read as cells whose last axis holds their channels (a grid of objects with type,
colour and state); a flat array as cells of one channel. Letters: N positions, P (a row is
cells x channels), D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.modality import Modality
from opengato.core.serialize import Codec, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Room for `cells` cells of `channels` values in [0, num_values); a cell becomes `cell_width` numbers."""

    cells: int = 64
    channels: int = 3
    num_values: int = 32
    cell_width: int = 24

    def codec(self) -> DiscreteVectorCodec:
        return DiscreteVectorCodec(self)

    def build(self, width: int) -> DiscreteVector:
        return DiscreteVector(self, width)


class DiscreteVectorCodec(Codec):
    """Cells, padded on the right with the id `num_values`."""

    payload_dtype = "uint8"

    def __init__(self, config: Config):
        if config.num_values > 255:
            raise ValueError(f"`num_values` (={config.num_values}) must be at most 255")
        self.config = config
        self.payload_shape = (config.cells, config.channels)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return 1

    def _cells(self, spec: ArraySpec) -> tuple[int, int]:
        channels = spec.shape[-1] if len(spec.shape) > 1 else 1
        cells = spec.size // channels
        limit = self.config
        if cells > limit.cells or channels > limit.channels or (spec.num_values or 0) > limit.num_values:
            raise ValueError(
                f"{spec.name!r} needs {cells} cells x {channels} channels x {spec.num_values} values; "
                f"this model has room for {limit.cells} x {limit.channels} x {limit.num_values}"
            )
        return cells, channels

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        cells, channels = self._cells(spec)
        steps = len(values)
        values = np.asarray(values)
        limit = min(spec.num_values or self.config.num_values, self.config.num_values)
        if values.size and not (values.min() >= 0 and values.max() < limit):
            raise ValueError(f"{spec.name!r} holds values in [{values.min()}, {values.max()}], expected [0, {limit})")
        rows = np.full((steps, *self.payload_shape), self.config.num_values, np.uint8)
        rows[:, :cells, :channels] = values.reshape(steps, cells, channels)
        return rows, np.ones(steps, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        cells, channels = self._cells(spec)
        return payload[0, :cells, :channels].reshape(spec.shape).astype(spec.dtype)


class DiscreteVector(Modality):
    """Each cell is embedded by its channels and mixed on its own, so that "red" and "ball" meet in one cell first."""

    codec: DiscreteVectorCodec

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        self.num_values = config.num_values
        self.table = nn.Parameter(torch.randn(config.channels * config.num_values, config.cell_width))
        self.mix = nn.Linear(config.cell_width, config.cell_width)
        self.linear = nn.Linear(config.cells * config.cell_width, width)
        self.norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        # A product with one-hot rows: on a CPU its gradient is several times faster than that of a table look-up.
        values = torch.arange(self.num_values, device=payload_NP.device, dtype=payload_NP.dtype)
        hot = (payload_NP[..., None] == values).to(self.table.dtype)
        cells = rearrange(hot, "n cell c v -> n cell (c v)") @ self.table
        cells = cells + self.mix(F.gelu(cells))
        x_ND = self.linear(rearrange(cells, "n cell k -> n (cell k)"))
        return x_ND + self.down(F.gelu(self.up(self.norm(x_ND))))
