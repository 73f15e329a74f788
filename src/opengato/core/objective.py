"""The contract of an objective: from an agent and a batch to a scalar loss and named figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from opengato.core.batch import PackedBatch


class Objective(ABC):
    """A training signal over the same packed batches."""

    @abstractmethod
    def terms(self, batch: PackedBatch) -> float:
        """The number, or the weight, of the terms that the loss is the mean of: what a part weighs in the whole."""

    @abstractmethod
    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        """The loss to minimise (a scalar with gradient), and figures for the log."""
