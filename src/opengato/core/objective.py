"""The contract of an objective: from an agent and a batch to a scalar loss and named figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from opengato.core.batch import PackedBatch


class Objective(ABC):
    """A training signal over the same packed batches.

    `causal` says which trunks it can train: those whose slots see only the past (True), those whose slots see all of
    their document (False), or any (None).
    """

    causal: ClassVar[bool | None] = None

    @property
    def names_tasks(self) -> bool:
        """Whether it asks which task a document is of, so that the agent's config must list the tasks."""
        return False

    @property
    def rows_per_task(self) -> int:
        """How many rows in a row must be of one task; 0 where it does not matter."""
        return 0

    def begin(self, agent: Any) -> nn.Module | None:
        """What it learns or remembers beside an agent that has the weights it starts from; None if nothing.

        What requires a gradient there is trained with the agent. All of it lies in the checkpoints of the run, and none
        of it in the agent that the run leaves.
        """
        return None

    @abstractmethod
    def terms(self, batch: PackedBatch) -> float:
        """The number, or the weight, of the terms that the loss is the mean of: what a part weighs in the whole."""

    @abstractmethod
    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        """The loss to minimise (a scalar with gradient), and figures for the log.

        What is drawn comes from torch's global generator on the CPU, as in dropout.
        """

    def stepped(self, agent: Any) -> dict[str, float]:
        """The optimisers have changed the agent; figures of what follows from it."""
        return {}
