"""The contract of an evaluator: a folder under `opengato/evaluators/` whose `__init__.py` exports `Evaluator`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from opengato.agent.policy import Limits
from opengato.evaluators.report import TaskResult

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How much to measure, and how an agent acts. Episode i of a control task has seed `seed + i`, whatever `num_envs`.

    50 episodes a task are the protocol of Gato [Reed et al. 2022, arXiv:2205.06175, sec. 4.1]. `documents` limits the
    held-out pictures, windows of text and other documents; None takes all. Corpora lie in the folder `data`, where
    `opengato import` put them. An agent's environments run in `processes` others, or in this
    one if that is 0; results are the same. At `temperature` 0 an agent takes the best action. If `prompted`, an agent
    reads a successful episode of the expert first, as it does in Gato (sec. 4). `anchors` says whose random and expert
    returns are the ends of a score: "measured" here, or those of "jat" (`envs/jat.py`).
    """

    episodes: int = 50
    seed: int = 0
    num_envs: int = 16
    processes: int = 0
    documents: int | None = None
    data: Path = Path("data")
    temperature: float = 0.0
    limits: Limits = field(default_factory=Limits)
    prompted: bool = False
    anchors: Literal["measured", "jat"] = "measured"

    @property
    def acting(self) -> str:
        """How an agent acts, in words: "temperature 0, history 1, prompted"."""
        prompted = "prompted" if self.prompted else ""
        return ", ".join(filter(None, (f"temperature {self.temperature:g}", str(self.limits), prompted)))


class Evaluator(ABC):
    """One kind of measurement. Stateless, no constructor arguments; found by the name of its folder.

    `measure` is a generator of (name, value): what was seen, as it comes. `summarise` makes a result of all values,
    so that it can be checked by hand without an agent. `counted` is the name that comes once per sample, in order.
    """

    counted: str
    from_stores = False
    """Whether it measures held-out episodes of stores, and so tasks of a user's own, too."""
    needs_no_training = False
    """Whether it asks of an agent, about another task, what any agent that was trained on that one can be asked."""

    @abstractmethod
    def families(self) -> list[str]:
        """First parts of the task ids that it measures."""

    @abstractmethod
    def tasks(self, family: str) -> list[str]:
        """All ids of a family that it can measure."""

    def about(self, task_id: str) -> str:
        """The task whose held-out items it looks at: `caption/emoji` for `retrieve/caption-emoji`."""
        return task_id

    def unfit(self, task_id: str, settings: Settings | None = None) -> str | None:
        """Why no honest score can be given for a task, whoever acts; None where one can."""
        return None

    @abstractmethod
    def num_samples(self, task_id: str, settings: Settings) -> int | None:
        """Samples that `measure` will count, for a progress bar; None where only the agent can tell."""

    @abstractmethod
    def measure(self, agent: Any, task_id: str, settings: Settings) -> Iterator[tuple[str, float]]:
        """Yield the values of every sample."""

    @abstractmethod
    def summarise(self, task_id: str, samples: Samples, settings: Settings) -> TaskResult:
        """The result, from the values by name."""
