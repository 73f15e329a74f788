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
    def terms(self, batch: PackedBatch) -> int:
        """How many terms the loss is the mean of: what a part of a batch weighs in the loss of the whole."""

    @abstractmethod
    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        """The loss to minimise (a scalar with gradient), and figures for the log."""
