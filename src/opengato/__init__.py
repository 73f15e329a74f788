"""opengato: one transformer with one set of weights for text, images and control.

>>> import opengato
>>> agent = opengato.load("tiny")
>>> env = opengato.make("babyai/GoToLocal", seed=7)
>>> observation, _ = env.reset()
>>> policy = agent.policy("babyai/GoToLocal", instruction=observation["mission"])
>>> action = policy.act(observation)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opengato.agent.files import load_agent as load
    from opengato.data.recorder import Recorder
    from opengato.envs import all_tasks as tasks
    from opengato.envs import make, register
    from opengato.evaluators import evaluate
    from opengato.recipes.published import load_transformers
    from opengato.rollout import collect

__all__ = ["Recorder", "collect", "evaluate", "load", "load_transformers", "make", "register", "tasks"]
__version__ = "0.1.0"

_PUBLIC = {
    "Recorder": ("opengato.data.recorder", "Recorder"),
    "collect": ("opengato.rollout", "collect"),
    "evaluate": ("opengato.evaluators", "evaluate"),
    "load": ("opengato.agent.files", "load_agent"),
    "load_transformers": ("opengato.recipes.published", "load_transformers"),
    "make": ("opengato.envs", "make"),
    "register": ("opengato.envs", "register"),
    "tasks": ("opengato.envs", "all_tasks"),
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first asked for: collecting in many processes must not import torch."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'opengato' has no attribute {name!r}; it has {sorted(_PUBLIC)}")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
