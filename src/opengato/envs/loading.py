"""How a family loads the half of itself that needs an optional package."""

from __future__ import annotations

import importlib
from types import ModuleType


def load_simulator(module: str, extra: str) -> ModuleType:
    """The module `module` of opengato; ImportError names a missing package and the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("opengato"):
            raise
        package = (error.name or extra).partition(".")[0]
        message = f"{module.split('.')[2]} needs the package {package!r}; run: pip install 'opengato[{extra}]'"
        raise ImportError(message) from error
