"""Learning to learn: weights from which a few steps of gradient descent on a task are enough.

Batches hold several tasks, a run of rows each (`Recipe.groups_per_task`). What an agent loses is a function of its
weights here, whatever its trunk is (`nn.meta.as_function`). Letters: B rows, T slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective


def inner_of(config: Any, agent: Any) -> Objective:
    """The objective of the steps; ValueError for one with weights of its own, which no step would change."""
    inner = config.build()
    if inner.begin(agent) is not None:
        raise ValueError(f"{type(inner).__name__} has weights beside the agent; choose an `inner` objective without")
    return inner


class Meta(Objective):
    """An objective over whole tasks, `config.rows` rows each, around the `inner` one that the steps follow."""

    causal: ClassVar[bool | None] = None
    inner: Objective

    def __init__(self, config: Any):
        self.config = config

    @property
    def rows_per_task(self) -> int:
        return self.config.rows

    def begin(self, agent: Any) -> nn.Module | None:
        self.inner = inner_of(self.config.inner, agent)
        return None

    def terms(self, batch: PackedBatch) -> float:
        """Tasks."""
        return len(batch.document_BT) / self.rows_per_task


def tasks_of(batch: PackedBatch, rows: int) -> Iterator[PackedBatch]:
    """The part of each task in turn, so many rows of it; ValueError where the batch does not divide, or tasks mix."""
    count, left = divmod(len(batch.document_BT), rows)
    if left or not count:
        raise ValueError(
            f"a batch of {len(batch.document_BT)} rows does not hold whole tasks of `rows` {rows}; set `rows` to "
            "`rows_per_group` * `groups_per_task` of the recipe, and `train.accumulate` so that tasks stay whole"
        )
    for part in batch.split(count):
        if part.task_BT is not None and part.task_BT[part.document_BT >= 0].unique().numel() > 1:
            raise ValueError("a part of this batch holds several tasks; set `groups_per_task` of the recipe")
        yield part


def mean_of(values: list[Tensor]) -> float:
    """The mean of scalars, for the log."""
    return float(torch.stack([value.detach() for value in values]).mean())
