"""A whole vector of real numbers in one position, standardised by statistics that travel with the model.

Letters: N positions, P numbers, D width, F frequencies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.modality import Modality
from opengato.core.serialize import Codec, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Room for `size` numbers; those of a spec without statistics stay raw.

    `statistics[spec.name]` = {"mean": [...], "std": [...]}. Standardised values are clipped to [-clip, clip];
    `frequencies` sine and cosine pairs of each sharpen the embedder.
    """

    size: int = 64
    statistics: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    clip: float = 8.0
    frequencies: int = 4

    def codec(self) -> ContinuousVectorCodec:
        return ContinuousVectorCodec(self)

    def build(self, width: int) -> ContinuousVector:
        return ContinuousVector(self, width)


class ContinuousVectorCodec(Codec):
    """Standardised numbers, padded on the right with zeros."""

    payload_dtype = "float32"

    def __init__(self, config: Config):
        self.config = config
        self.payload_shape = (config.size,)
        self._statistics = {
            name: (np.asarray(s["mean"], np.float32), np.asarray(s["std"], np.float32))
            for name, s in config.statistics.items()
        }

    def num_positions(self, spec: ArraySpec) -> int | None:
        return 1

    def _standard(self, spec: ArraySpec) -> tuple[np.ndarray, np.ndarray]:
        if spec.size > self.config.size:
            raise ValueError(f"{spec.name!r} holds {spec.size} numbers; this model has room for {self.config.size}")
        zero, one = np.zeros(spec.size, np.float32), np.ones(spec.size, np.float32)
        mean, std = self._statistics.get(spec.name, (zero, one))
        if len(mean) != spec.size:
            raise ValueError(f"{spec.name!r} holds {spec.size} numbers; its statistics in this model {len(mean)}")
        return mean, std

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        mean, std = self._standard(spec)
        steps = len(values)
        x = (np.asarray(values, np.float32).reshape(steps, spec.size) - mean) / std
        rows = np.zeros((steps, self.config.size), np.float32)
        rows[:, : spec.size] = np.clip(x, -self.config.clip, self.config.clip)
        return rows, np.ones(steps, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        mean, std = self._standard(spec)
        return (payload[0, : spec.size] * std + mean).reshape(spec.shape).astype(spec.dtype)


class ContinuousVector(Modality):
    """Numbers and their sines and cosines through a residual two-layer embedder."""

    codec: ContinuousVectorCodec
    frequency_F: Tensor

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        frequency = math.pi / 4 * 2.0 ** torch.arange(config.frequencies)
        self.register_buffer("frequency_F", frequency, persistent=False)
        self.linear = nn.Linear(config.size * (1 + 2 * config.frequencies), width)
        self.norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        phase = (payload_NP[..., None] * self.frequency_F).flatten(1)
        x_ND = self.linear(torch.cat([payload_NP, phase.sin(), phase.cos()], dim=1))
        return x_ND + self.down(F.gelu(self.up(self.norm(x_ND))))
