"""A whole action vector in one position, each number predicted as one of `bins` uniform bins on its bounds.

The numbers of a vector are predicted side by side, given the past but not one another. Letters: N positions, A action
dimensions, P numbers of a payload row, D width, V bins.
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
from opengato.core.modality import Modality, Sampling
from opengato.core.serialize import Codec, Role
from opengato.modalities.continuous.bins import from_bins, to_bins
from opengato.nn.sampling import choose_ids


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Room for `size` numbers in `bins` bins; `mode_width` bins each side of the best are averaged when acting.

    Without `remember`, past actions are a mere mark: where observations show all that matters, a policy that reads its
    own actions learns to repeat them [de Haan et al. 2019, arXiv:1905.11979].
    """

    size: int = 8
    bins: int = 128
    mode_width: int = 3
    remember: bool = True

    def codec(self) -> ContinuousActionCodec:
        return ContinuousActionCodec(self)

    def build(self, width: int) -> ContinuousAction:
        return ContinuousAction(self, width)


class ContinuousActionCodec(Codec):
    """Bins of each number within its spec's bounds, padded on the right with -1."""

    payload_dtype = "int16"

    def __init__(self, config: Config):
        self.config = config
        self.payload_shape = (config.size,)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return 1

    def _bounds(self, spec: ArraySpec) -> tuple[np.ndarray, np.ndarray]:
        if spec.size > self.config.size:
            raise ValueError(f"{spec.name!r} holds {spec.size} numbers; this model has room for {self.config.size}")
        if spec.low is None or spec.high is None:
            raise ValueError(f"action {spec.name!r} has no bounds; give its spec `low` and `high`")
        low, high = spec.bounds
        return low.reshape(-1), high.reshape(-1)

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._bounds(spec)
        steps = len(values)
        unit = (np.asarray(values, np.float64).reshape(steps, spec.size) - low) / (high - low) * 2 - 1
        rows = np.full((steps, self.config.size), -1, np.int16)
        rows[:, : spec.size] = to_bins(unit, self.config.bins)
        return rows, np.ones(steps, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        low, high = self._bounds(spec)
        unit = from_bins(payload[0, : spec.size], self.config.bins)
        return (low + (unit + 1) / 2 * (high - low)).reshape(spec.shape).astype(spec.dtype)


class ContinuousAction(Modality):
    """Tables of bins summed on the way in; one linear head for all numbers on the way out."""

    codec: ContinuousActionCodec
    offset_A: Tensor

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.codec = config.codec()
        self.config = config
        rows = config.size * (config.bins + 1) if config.remember else 1
        self.table = nn.Embedding(rows, width)
        nn.init.normal_(self.table.weight, std=0.2)
        self.head = nn.Linear(width, config.size * config.bins)
        self.register_buffer("offset_A", torch.arange(config.size) * (config.bins + 1), persistent=False)

    def embed(self, payload_NP: Tensor) -> Tensor:
        if not self.config.remember:
            return self.table.weight.expand(len(payload_NP), -1)
        ids_NA = torch.where(payload_NP < 0, self.config.bins, payload_NP.to(torch.int64)) + self.offset_A
        return F.embedding_bag(ids_NA, self.table.weight, mode="sum")

    def _logits(self, h_ND: Tensor) -> Tensor:
        return rearrange(self.head(h_ND), "n (a v) -> n a v", v=self.config.bins)

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        """Mean over the numbers that exist: nats per dimension, (N,)."""
        target_NA = payload_NP.to(torch.int64)
        logits_NAV = self._logits(h_ND)
        loss_NA = F.cross_entropy(logits_NAV.flatten(0, 1), target_NA.flatten(), ignore_index=-1, reduction="none")
        return loss_NA.view_as(target_NA).sum(1) / (target_NA >= 0).sum(1)

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.head.parameters())

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        logits_NAV = self._logits(h_ND)
        ids_NA = choose_ids(logits_NAV, sampling)
        if sampling.takes_best:
            ids_NA = self._local_mean(logits_NAV, ids_NA)
        exists_A = torch.arange(self.config.size, device=h_ND.device) < spec.size
        return torch.where(exists_A, ids_NA, -1).to(torch.int16)

    def probabilities(self, h_ND: Tensor, spec: ArraySpec) -> Tensor:
        return torch.softmax(self._logits(h_ND)[:, : spec.size].float(), -1)

    def _local_mean(self, logits_NAV: Tensor, best_NA: Tensor) -> Tensor:
        """The expected bin near the best one: steadier than the best bin, yet never between two modes.

        As many bins count on one side as on the other, lest actions at the bounds be pulled inwards.
        """
        last = self.config.bins - 1
        bins_V = torch.arange(last + 1, device=logits_NAV.device)
        reach_NA = torch.minimum(best_NA, last - best_NA).clamp(max=self.config.mode_width)
        near_NAV = (bins_V - best_NA[..., None]).abs() <= reach_NA[..., None]
        weight_NAV = torch.softmax(logits_NAV.masked_fill(~near_NAV, -torch.inf), -1)
        return (weight_NAV * bins_V).sum(-1).round().to(torch.int64)
