"""A loss beside that of what is predicted, over the same pass of the trunk: a value that `next_token` takes.

Letters: B rows, T slots, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from opengato.core.batch import PackedBatch


class Beside(ABC):
    """Built by a frozen config, which has its `weight` in the sum."""

    @abstractmethod
    def __call__(
        self, agent: Any, batch: PackedBatch, x_BTD: Tensor, h_BTD: Tensor
    ) -> tuple[Tensor | None, dict[str, float]]:
        """The weighted loss (a scalar with gradient), and figures for the log; None where the batch has nothing for it.

        x_BTD is what the trunk read, h_BTD what it made of that.
        """
