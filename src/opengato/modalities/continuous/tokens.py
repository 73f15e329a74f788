"""Real numbers as tokens, one position each: mu-law where unbounded, then 1024 uniform bins.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. B]. Letters: N positions, D width, V bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.modality import Modality, Sampling
from opengato.core.serialize import Codec, Role
from opengato.modalities.continuous.bins import compand, expand, from_bins, to_bins
from opengato.nn.layers import TIED_SCALE, TIED_STD
from opengato.nn.sampling import choose_ids


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`mu` and `maximum` of the companding, which values with bounds inside [-1, 1] do not need."""

    bins: int = 1024
    mu: float = 100.0
    maximum: float = 256.0

    def codec(self) -> ContinuousCodec:
        return ContinuousCodec(self)

    def build(self, width: int) -> Continuous:
        return Continuous(self.codec(), width)


class ContinuousCodec(Codec):
    """Scalars in row-major order; bins decode to their centres."""

    payload_shape = ()
    payload_dtype = "int64"

    def __init__(self, config: Config):
        self.config = config

    def _companded(self, spec: ArraySpec) -> bool:
        return spec.low is None or spec.high is None or spec.low < -1 or spec.high > 1

    def num_positions(self, spec: ArraySpec) -> int | None:
        return spec.size

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(values).reshape(-1)
        if self._companded(spec):
            x = compand(x, self.config.mu, self.config.maximum)
        return to_bins(x, self.config.bins), np.full(len(values), spec.size, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        x = from_bins(payload, self.config.bins)
        if self._companded(spec):
            x = expand(x, self.config.mu, self.config.maximum)
        return x.reshape(spec.shape).astype(spec.dtype)


class Continuous(Modality):
    """A table of bins tied to the output head."""

    def __init__(self, codec: ContinuousCodec, width: int):
        super().__init__()
        self.codec: ContinuousCodec = codec
        self.table = nn.Embedding(codec.config.bins, width)
        nn.init.normal_(self.table.weight, std=TIED_STD)

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.table(payload_NP) * TIED_SCALE

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(h_ND, self.table.weight), payload_NP, reduction="none")

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        return choose_ids(F.linear(h_ND, self.table.weight), sampling)
