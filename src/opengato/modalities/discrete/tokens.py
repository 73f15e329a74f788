"""Discrete values as tokens, one position each, in row-major order.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from opengato.core.episode import ArraySpec
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities.token_table import TokenTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Values lie in [0, num_values); with `separator`, one more id separates observation and action."""

    num_values: int = 1024
    separator: bool = True

    def codec(self) -> DiscreteCodec:
        return DiscreteCodec(self)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width)


class DiscreteCodec(TokenCodec):
    """A value is its own id; the separator, where there is one, is id `num_values`."""

    def __init__(self, config: Config):
        self.config = config
        self.num_ids = config.num_values + config.separator

    def num_positions(self, spec: ArraySpec) -> int | None:
        return spec.size

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        steps = len(values)
        if role == "separator":
            if not self.config.separator:
                raise ValueError("this modality has no separator; set `separator`, or route it to one that has")
            return np.full(steps, self.config.num_values, np.int64), np.ones(steps, np.int64)
        ids = np.asarray(values).reshape(-1).astype(np.int64)
        limit = self._limit(spec)
        if ids.size and not (ids.min() >= 0 and ids.max() < limit):
            raise ValueError(f"{spec.name!r} holds values in [{ids.min()}, {ids.max()}], expected [0, {limit})")
        return ids, np.full(steps, spec.size, np.int64)

    def _limit(self, spec: ArraySpec) -> int:
        return min(spec.num_values or self.config.num_values, self.config.num_values)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        return np.asarray(payload).reshape(spec.shape).astype(spec.dtype)

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        """The values of the spec, never the separator."""
        return np.arange(self.num_ids) < self._limit(spec)
