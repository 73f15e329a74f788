"""The jobs of Perceiver IO, small enough for two CPU cores: what each is trained on, how, and how it is measured.

[Jaegle et al. 2021, arXiv:2107.14795, sec. 4]. `opengato perceiver train NAME`, then `opengato perceiver measure`; what
each command needs, takes and should reach stands in the docstring of its module.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from opengato.core.config import choose, to_json
from opengato.recipes.jobs import autoencode, digits, flow, language, sentiment, weights
from opengato.recipes.jobs.contract import Figures, JobRecipe
from opengato.train import fitting
from opengato.train.prepare import import_stores

_BUILDERS = [build for module in (flow, language, sentiment, digits, autoencode) for build in module.RECIPES]
JOBS: dict[str, Callable[[], JobRecipe]] = {build().name: build for build in _BUILDERS}


def load(name: str) -> JobRecipe:
    """The recipe of a job; ValueError with the near ones."""
    return JOBS[choose(name, JOBS, what="job")]()


def train(recipe: JobRecipe, folder: Path, data: Path) -> nn.Module:
    """Bring the data, train, and leave the network in `folder/network`; goes on where it was broken off."""
    import_stores(recipe.imports, data)
    about = {"job": recipe.name, "settings": to_json(recipe.settings)}
    return fitting.fit(recipe.fit, recipe.settings.training(data, recipe.fit), folder, about)


def measure(folder: Path, data: Path, documents: int | None = None) -> Figures:
    """Figures on the held-out episodes of the job that a network was trained for, at most `documents` of them."""
    found = weights.load(str(folder))
    if found.settings is None:
        raise ValueError(f"{str(folder)!r} holds published weights, which belong to no job here; expected a run")
    return found.settings.measure(found.network, data, documents)
