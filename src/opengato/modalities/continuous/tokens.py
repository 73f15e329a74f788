"""Real numbers as tokens, one position each: mu-law unless the bounds lie in [-1, 1], then 1024 uniform bins.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. B].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from opengato.core.episode import ArraySpec
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities.continuous.bins import compand, expand, from_bins, to_bins
from opengato.modalities.token_table import TokenTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`mu` and `maximum` of the companding.

    Whether a value is companded is a matter of its spec and not of its role: those whose bounds lie in [-1, 1], as most
    actions, are binned as they are; those without bounds or with wider ones, as most observations, are companded first.
    """

    bins: int = 1024
    mu: float = 100.0
    maximum: float = 256.0

    def codec(self) -> ContinuousCodec:
        return ContinuousCodec(self)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width)


class ContinuousCodec(TokenCodec):
    """Scalars in row-major order; bins decode to their centres, moved to the nearest value that the spec allows."""

    def __init__(self, config: Config):
        self.config = config
        self.num_ids = config.bins

    def _companded(self, spec: ArraySpec) -> bool:
        low, high = spec.bounds
        return bool(low.min() < -1 or high.max() > 1)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return spec.size

    def bins(self, x: np.ndarray, spec: ArraySpec) -> np.ndarray:
        """The bin of each number."""
        if self._companded(spec):
            x = compand(x, self.config.mu, self.config.maximum)
        return to_bins(x, self.config.bins)

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(values).reshape(-1)
        if not np.isfinite(x).all():
            wrong = np.flatnonzero(~np.isfinite(x))
            raise ValueError(
                f"{role} {spec.name!r} holds {len(wrong)} values that are not finite (step {wrong[0] // spec.size} of "
                f"{len(values)}: {x[wrong[0]]}), expected numbers; mend or leave out what recorded them"
            )
        return self.bins(x, spec), np.full(len(values), spec.size, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        x = from_bins(payload, self.config.bins)
        if self._companded(spec):
            x = expand(x, self.config.mu, self.config.maximum)
        return np.clip(x.reshape(spec.shape), *spec.bounds).astype(spec.dtype)

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        """The bins from that of the lowest bound to that of the highest one."""
        edge = self.config.maximum  # what has no bound is companded
        low, high = spec.bounds
        first, last = self.bins(np.nan_to_num([low.min(), high.max()], posinf=edge, neginf=-edge), spec)
        bin_ids = np.arange(self.num_ids)
        return (bin_ids >= first) & (bin_ids <= last)
