"""What a job is: data, a network, a training, figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opengato.train import fitting

Figures = dict[str, float]
"""Measured values by name, those of simple methods among them."""


class Settings(ABC):
    """The settings of a job: what is learned from which data. Subclasses are frozen dataclasses."""

    @abstractmethod
    def training(self, data: Path, config: fitting.Config) -> fitting.Job:
        """The batches and the loss; corpora lie in `data`."""

    @abstractmethod
    def measure(self, network: Any, data: Path, documents: int | None) -> Figures:
        """Figures on held-out episodes, at most `documents` of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecipe:
    """All of a job: `imports` are the corpora that it needs."""

    name: str
    settings: Any
    fit: fitting.Config
    imports: tuple[str, ...]


def draws(seed: int, step: int) -> np.random.Generator:
    """The random numbers of a batch: a function of the seed and the step alone."""
    return np.random.default_rng((seed, step))
