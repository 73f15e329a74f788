"""Discrete values as tokens, one position each, in row-major order.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1]. Letters: N positions, P (none: a row is one
id), D width, V values.
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
from opengato.nn.layers import TiedTable
from opengato.nn.sampling import choose_ids


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Values lie in [0, num_values); one more id is the separator."""

    num_values: int = 1024

    def codec(self) -> DiscreteCodec:
        return DiscreteCodec(self.num_values)

    def build(self, width: int) -> Discrete:
        return Discrete(self.codec(), width)


class DiscreteCodec(Codec):
    """A value is its own id; the separator is id `num_values`."""

    payload_shape = ()
    payload_dtype = "int64"

    def __init__(self, num_values: int):
        self.num_values = num_values

    def num_positions(self, spec: ArraySpec) -> int | None:
        return spec.size

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        steps = len(values)
        if role == "separator":
            return np.full(steps, self.num_values, np.int64), np.ones(steps, np.int64)
        ids = np.asarray(values).reshape(-1).astype(np.int64)
        limit = min(spec.num_values or self.num_values, self.num_values)
        if ids.size and not (ids.min() >= 0 and ids.max() < limit):
            raise ValueError(f"{spec.name!r} holds values in [{ids.min()}, {ids.max()}], expected [0, {limit})")
        return ids, np.full(steps, spec.size, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        return np.asarray(payload).reshape(spec.shape).astype(spec.dtype)


class Discrete(Modality):
    """A table tied to the output head; ids outside the spec are never sampled."""

    codec: DiscreteCodec

    def __init__(self, codec: DiscreteCodec, width: int):
        super().__init__()
        self.codec = codec
        self.table = TiedTable(codec.num_values + 1, width)

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.table.embed(payload_NP)

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        return self.table.loss(h_ND, payload_NP)

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.table.parameters())

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        logits_NV = self.table.logits(h_ND)
        limit = min(spec.num_values or 0, self.codec.num_values)  # never the separator
        allowed_V = torch.arange(logits_NV.shape[-1], device=h_ND.device) < limit
        return choose_ids(logits_NV.masked_fill(~allowed_V, -torch.inf), sampling)
