"""Recipes: each module here has `recipe() -> Recipe`, a full run config.

Its docstring says command, hardware, time and the numbers to expect. The module `gato_79m` is the recipe `gato-79m`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from opengato.core.config import choose
from opengato.data.store import MANIFEST
from opengato.recipes import own
from opengato.train.run import Recipe

T = TypeVar("T")


def names() -> list[str]:
    """Recipes by name: the modules of this package that define `recipe`."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    found = [module.__name__.rpartition(".")[2] for module in modules if hasattr(module, "recipe")]
    return sorted(name.replace("_", "-") for name in found)


def load(name: str) -> Recipe:
    """The recipe of a name, of a file `mine.py` that defines `recipe`, or for a store; ValueError for another word."""
    if name.endswith(".py"):
        return of_file(Path(name), Recipe, "make one with `opengato recipes cp tiny FILE`")
    if (Path(name) / MANIFEST).is_file():
        return own.recipe_of(Path(name))
    return _module(name).recipe()


def of_file(path: Path, kind: type[T], hint: str) -> T:
    """What the function of a file gives that is called as the `kind` it returns; errors end with `hint`."""
    function = kind.__name__.lower()
    if not path.is_file():
        raise FileNotFoundError(f"no {function} at {str(path)!r}; {hint}")
    spec = importlib.util.spec_from_file_location(f"opengato_{function}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses in the file look there for what their annotations name
    spec.loader.exec_module(module)
    found = getattr(module, function)() if hasattr(module, function) else None
    if not isinstance(found, kind):
        raise ValueError(f"{str(path)!r} must define `{function}() -> {kind.__name__}`; {hint}")
    return found


def source(name: str) -> str:
    """The recipe's own text, docstring and all."""
    return inspect.getsource(_module(name))


def _module(name: str) -> ModuleType:
    choose(name.replace("_", "-"), names(), what="recipe")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
