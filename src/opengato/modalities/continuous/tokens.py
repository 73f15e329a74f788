"""Real numbers as tokens, one position each: mu-law where unbounded, then 1024 uniform bins.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. B]. Letters: N positions, P (none: a row is one
id), D width, V bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.modality import Modality, Sampling
from opengato.core.serialize import Codec, Role
from opengato.modalities.continuous.bins import compand, expand, from_bins, to_bins
from opengato.nn.layers import TiedTable
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
    """Scalars in row-major order; bins decode to their centres, moved to the nearest value that the spec allows."""

    payload_shape = ()
    payload_dtype = "int64"

    def __init__(self, config: Config):
        self.config = config

    def _companded(self, spec: ArraySpec) -> bool:
        return spec.low is None or spec.high is None or spec.low < -1 or spec.high > 1

    def num_positions(self, spec: ArraySpec) -> int | None:
        return spec.size

    def bins(self, x: np.ndarray, spec: ArraySpec) -> np.ndarray:
        """The bin of each number."""
        if self._companded(spec):
            x = compand(x, self.config.mu, self.config.maximum)
        return to_bins(x, self.config.bins)

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        return self.bins(np.asarray(values).reshape(-1), spec), np.full(len(values), spec.size, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        x = from_bins(payload, self.config.bins)
        if self._companded(spec):
            x = expand(x, self.config.mu, self.config.maximum)
        return np.clip(x, *bounds(spec)).reshape(spec.shape).astype(spec.dtype)


def bounds(spec: ArraySpec) -> np.ndarray:
    """Lowest and highest value of a spec (2,), infinite where it has no bound."""
    return np.array([-np.inf if spec.low is None else spec.low, np.inf if spec.high is None else spec.high])


class Continuous(Modality):
    """A table of bins tied to the output head; bins beyond the spec's bounds are never sampled."""

    codec: ContinuousCodec

    def __init__(self, codec: ContinuousCodec, width: int):
        super().__init__()
        self.codec = codec
        self.table = TiedTable(codec.config.bins, width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.table.embed(payload_NP)

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        return self.table.loss(h_ND, payload_NP)

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.table.parameters())

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        logits_NV = self.table.logits(h_ND)
        first, last = self.codec.bins(bounds(spec), spec).tolist()
        bin_V = torch.arange(logits_NV.shape[-1], device=h_ND.device)
        return choose_ids(logits_NV.masked_fill((bin_V < first) | (bin_V > last), -torch.inf), sampling)
