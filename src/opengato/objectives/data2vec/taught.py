"""What both data2vec have in common: a teacher beside the agent, which follows it, and rows that may be hidden."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.data2vec.teacher import Teacher
from opengato.objectives.hiding import Hiding


class TaughtConfig(Protocol):
    """What is asked of the config here."""

    @property
    def hiding(self) -> Hiding: ...


class Pupils(Protocol):
    """What an objective has beside the agent: the teacher, among others."""

    @property
    def teacher(self) -> Teacher: ...


class Taught(Objective):
    """An objective over hidden rows, whose targets a teacher makes."""

    causal: ClassVar[bool | None] = False
    config: TaughtConfig
    beside: Pupils

    def terms(self, batch: PackedBatch) -> int:
        """Rows that may be hidden, of which masks draw their share."""
        return self.config.hiding.num_rows(batch)

    def stepped(self, agent: Any) -> dict[str, float]:
        return {"decay": self.beside.teacher.follow(agent.backbone)}
