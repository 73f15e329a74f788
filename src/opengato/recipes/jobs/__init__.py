"""The jobs of Perceiver IO, small enough for two CPU cores: what each is trained on, how, and how it is measured.

[Jaegle et al. 2021, arXiv:2107.14795, sec. 4]. `opengato perceiver train NAME`, then `opengato perceiver measure`; what
each command needs, takes and should reach stands in the docstring of its module.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from opengato.core.config import choose, from_json, to_json
from opengato.recipes.jobs import autoencode, digits, flow, language, sentiment
from opengato.recipes.jobs.contract import Figures, JobRecipe
from opengato.train import fitting
from opengato.train.prepare import import_stores

JOBS: dict[str, Callable[[], JobRecipe]] = {
    made.name: build for module in (flow, language, sentiment, digits, autoencode) for build in module.RECIPES
    for made in (build(),)
}  # fmt: skip


def load(name: str) -> JobRecipe:
    """The recipe of a job; ValueError with the near ones."""
    return JOBS[choose(name, JOBS, what="job")]()


def train(recipe: JobRecipe, folder: Path, data: Path) -> nn.Module:
    """Bring the data, train, and leave the network in `folder/network`; goes on where it was broken off."""
    import_stores(recipe.imports, data)
    about = {"job": recipe.name, "settings": to_json(recipe.settings)}
    return fitting.fit(recipe.fit, recipe.settings.training(data, recipe.fit), folder, about)


def trained(folder: Path) -> tuple[nn.Module, Any]:
    """A network that `train` left, and the settings of its job."""
    network, card = fitting.load_network(folder)
    if "settings" not in card:
        raise ValueError(f"the card in {str(folder)!r} names no job; expected the folder of a finished run")
    return network, from_json(card["settings"])


def measure(folder: Path, data: Path, documents: int | None = None) -> Figures:
    """Figures on the held-out episodes of the job that a network was trained for, at most `documents` of them."""
    network, settings = trained(folder)
    return settings.measure(network, data, documents)
