"""Recipes: each module here has `recipe() -> Recipe`, a full run config; its docstring says command, hardware, time and
the numbers to expect.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from opengato.core.config import choose
from opengato.train.run import Recipe


def names() -> list[str]:
    """Recipes by name: the modules of this package that define `recipe`."""
    found = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted(name for name in found if hasattr(importlib.import_module(f"{__name__}.{name}"), "recipe"))


def load(name: str) -> Recipe:
    """The recipe of a name; an unknown one is a ValueError that suggests the near ones."""
    choose(name, names(), what="recipe")
    return importlib.import_module(f"{__name__}.{name}").recipe()


def source(name: str) -> str:
    """The recipe's own text, docstring and all."""
    choose(name, names(), what="recipe")
    return inspect.getsource(importlib.import_module(f"{__name__}.{name}"))
