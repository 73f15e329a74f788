"""What a page shows beside the agent itself; who starts it hands this in, since it lies in higher layers.

Letters: Q words, H heads, R rows and C columns of patches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from opengato.agent.model import Agent


class Picture(Protocol):
    """A held-out picture as encoded bytes, with its human caption and the instruction under which it was learnt."""

    @property
    def png(self) -> bytes: ...

    @property
    def caption(self) -> str: ...

    @property
    def instruction(self) -> str: ...


class Attention(Protocol):
    """What an agent was shown of a picture, its words, and what each word paid to each patch."""

    @property
    def picture(self) -> np.ndarray: ...

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def weight_QHRC(self) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """The map of tasks of an agent: the JSON file of `opengato analyse embeddings`, and the command that writes it.

    A command that takes more than so many `seconds` hangs, and is ended.
    """

    file: Path
    command: tuple[str, ...]
    seconds: float = 1800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibits:
    """`look(agent, picture, instruction, layer)` is the attention on a picture; `report` the folder of a demo's report.

    `stores` are folders that hold stores, or are some; `runs` holds the runs of trainings; `chart` is the map of tasks.
    """

    pictures: Sequence[Picture] = ()
    look: Callable[[Agent, bytes, str, int], Attention] | None = None
    report: Path | None = None
    stores: tuple[Path, ...] = ()
    runs: Path | None = None
    chart: Chart | None = None
